"""What in a log is dirt, how much of it is there, and what is left without it?

clean    the events that are left, and what each rule did
survey   what each rule alone would find, before any dropping
"""

from __future__ import annotations

from leaven.data.clean.cleaning import Cleaned, clean, survey
from leaven.data.clean.wish import Clean

__all__ = ["Clean", "Cleaned", "clean", "survey"]
