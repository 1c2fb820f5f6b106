"""Whose rows does a run keep, how did each come to be, and how are they taken out again?

lineage   a row's way back: parents, steps, copies, filters
erase     a user's rows and all that was made of them, out of every file of a run
"""

from __future__ import annotations

from leaven.provenance.erasure import Erased, erase
from leaven.provenance.row_lineage import Lineage, lineage

__all__ = ["Erased", "Lineage", "erase", "lineage"]
