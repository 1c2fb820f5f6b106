"""What in a log is dirt, how much of it is there, and what is left without it?

clean    the events that are left, and what each rule did
survey   what each rule alone would find, before any dropping
"""

from __future__ import annotations

from leaven.cleaning.cleaning_config import Clean
from leaven.cleaning.pipeline import Cleaned, clean, survey

__all__ = ["Clean", "Cleaned", "clean", "survey"]
