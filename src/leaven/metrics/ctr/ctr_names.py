"""Which metric of clicks does a name such as "f1" or "f1@0.5" mean?"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from leaven.errors import SpecError
from leaven.registry import found, place


@dataclass(frozen=True)
class Named:
    """kind: of the registry. threshold: what the name says; None: the one that was chosen on validation."""

    kind: str
    threshold: float | None = None

    def metric(self, chosen: float) -> Any:
        """The metric itself, at its own threshold or the chosen one."""
        cls = found("click_metrics", self.kind)
        if not _has_threshold(cls):
            return cls()
        return cls(threshold=chosen if self.threshold is None else self.threshold)

    @property
    def per_user(self) -> bool:
        """Whether it has one value a user, of which more is better: then arms can be compared by it."""
        return hasattr(found("click_metrics", self.kind), "of_users")


def parse(name: str, where: str = "evaluate.metrics") -> Named:
    """What a name means.

    >>> parse("f1@0.5"), parse("auc")
    (Named(kind='f1', threshold=0.5), Named(kind='auc', threshold=None))

    Raises SpecError for an unknown kind (naming the nearest), or a threshold where none belongs.
    """
    kind, at, text = name.partition("@")
    place("click_metrics", kind, where)
    if not at:
        return Named(kind)
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not _has_threshold(found("click_metrics", kind)):
        raise SpecError(where, f"{kind!r} alone: it has no threshold", repr(name), f"write {kind}")
    if not 0 <= threshold <= 1:
        raise SpecError(where, "a threshold in 0..1", repr(name), f"write for example {kind}@0.5")
    return Named(kind, threshold)


def parse_all(names: Iterable[str], where: str = "evaluate.metrics") -> dict[str, Named]:
    """name -> what it means, in their order."""
    return {name: parse(name, where) for name in names}


def meaning(name: str) -> str:
    """One sentence that explains a metric to anyone.

    >>> meaning("accuracy@0.5")
    'The share of rows that are said right at the threshold (0.5).'
    """
    named = parse(name, "metric")
    said = (inspect.getdoc(found("click_metrics", named.kind)) or "").split("\n\n")[0].replace("\n", " ")
    at = "chosen on validation" if named.threshold is None else f"{named.threshold:g}"
    return said.replace("at the threshold", f"at the threshold ({at})")


def _has_threshold(cls: Any) -> bool:
    return any(one.name == "threshold" for one in fields(cls))
