"""What is predicted, and so what do the words of a spec mean?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """One thing that a spec can set out to predict. What is said of arms, plans and seeds holds for every task.

    name         as `task = "…"` says it
    operator, copies, keep   contracts that `use`, `copies` and `keep` of a step are wishes for; their families follow
    recommender, split       family of the registry, and the kind by default
    evaluate     class of [evaluate]
    tables       tables and keys that only this task has
    """

    name: str
    operator: Any
    copies: Any
    keep: Any
    recommender: tuple[str, str]
    split: tuple[str, str]
    evaluate: Any
    tables: tuple[str, ...] = ()
