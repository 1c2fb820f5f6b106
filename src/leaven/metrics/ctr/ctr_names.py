"""Parses names of CTR metrics such as "f1" or "f1@0.5"."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from leaven.errors import SpecError
from leaven.registry import found, place


@dataclass(frozen=True)
class Named:
    """A parsed name. kind: key in the registry. threshold: the one in the name; None: chosen on validation data."""

    kind: str
    threshold: float | None = None

    def metric(self, chosen: float) -> Any:
        """Return the metric at its own threshold, or at the chosen one."""
        cls = found("click_metrics", self.kind)
        if not _has_threshold(cls):
            return cls()
        return cls(threshold=chosen if self.threshold is None else self.threshold)

    @property
    def per_user(self) -> bool:
        """Whether the metric has one value per user, so that variants can be compared by it."""
        return hasattr(found("click_metrics", self.kind), "of_users")


def parse(name: str, where: str = "evaluate.metrics") -> Named:
    """Return the kind and threshold of a name.

    >>> parse("f1@0.5"), parse("auc")
    (Named(kind='f1', threshold=0.5), Named(kind='auc', threshold=None))

    Raises SpecError for an unknown kind (naming the nearest) and for a threshold that the metric does not have.
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
    """Return name -> parsed name, in the given order."""
    return {name: parse(name, where) for name in names}


def meaning(name: str) -> str:
    """Return one sentence that explains a metric to a reader of the report.

    >>> meaning("accuracy@0.5")
    'The share of rows whose label is predicted correctly at the threshold (0.5).'
    """
    named = parse(name, "metric")
    sentence = (inspect.getdoc(found("click_metrics", named.kind)) or "").split("\n\n")[0].replace("\n", " ")
    at = "chosen on validation" if named.threshold is None else f"{named.threshold:g}"
    return sentence.replace("at the threshold", f"at the threshold ({at})")


def _has_threshold(cls: Any) -> bool:
    return any(one.name == "threshold" for one in fields(cls))
