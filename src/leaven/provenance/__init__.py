"""Provenance of a run's rows: where a row comes from, and removal of a user.

trace_lineage   the way of a row back to a real one: parents, steps, copies, filters
erase_users     removes a user's rows, and all rows derived from them, from every file of a run
"""

from __future__ import annotations

from leaven.provenance.erasure import ErasureResult, erase_users
from leaven.provenance.row_lineage import Lineage, trace_lineage

__all__ = ["ErasureResult", "Lineage", "erase_users", "trace_lineage"]
