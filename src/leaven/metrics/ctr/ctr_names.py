"""Parses names of CTR metrics such as "f1" or "f1@0.5"."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from leaven.errors import SpecError
from leaven.registry import find_class_path, load_kind


@dataclass(frozen=True)
class CtrMetricSpec:
    """A parsed name. kind: key in the registry. threshold: the one in the name; None: chosen on validation data."""

    kind: str
    threshold: float | None = None

    def build_metric(self, validation_threshold: float) -> Any:
        """Return the metric at its own threshold, or at the chosen one."""
        cls = load_kind("ctr_metrics", self.kind)
        if not _has_threshold(cls):
            return cls()
        return cls(threshold=validation_threshold if self.threshold is None else self.threshold)

    @property
    def has_user_values(self) -> bool:
        """Whether the metric has one value per user, so that variants can be compared by it."""
        return hasattr(load_kind("ctr_metrics", self.kind), "of_users")


def parse_ctr_metric(name: str, where: str = "evaluate.metrics") -> CtrMetricSpec:
    """Return the kind and threshold of a name.

    >>> parse_ctr_metric("f1@0.5"), parse_ctr_metric("auc")
    (CtrMetricSpec(kind='f1', threshold=0.5), CtrMetricSpec(kind='auc', threshold=None))

    Raises SpecError for an unknown kind (naming the nearest) and for a threshold that the metric does not have.
    """
    kind, at, text = name.partition("@")
    find_class_path("ctr_metrics", kind, where)
    if not at:
        return CtrMetricSpec(kind)
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not _has_threshold(load_kind("ctr_metrics", kind)):
        raise SpecError(where, f"{kind!r} alone: it has no threshold", repr(name), f"write {kind}")
    if not 0 <= threshold <= 1:
        raise SpecError(where, "a threshold in 0..1", repr(name), f"write for example {kind}@0.5")
    return CtrMetricSpec(kind, threshold)


def parse_ctr_metrics(names: Iterable[str], where: str = "evaluate.metrics") -> dict[str, CtrMetricSpec]:
    """Return name -> parsed name, in the given order."""
    return {name: parse_ctr_metric(name, where) for name in names}


def describe_ctr_metric(name: str) -> str:
    """Return one sentence that explains a metric to a reader of the report.

    >>> describe_ctr_metric("accuracy@0.5")
    'The share of rows whose label is predicted correctly at the threshold (0.5).'
    """
    named = parse_ctr_metric(name, "metric")
    sentence = (inspect.getdoc(load_kind("ctr_metrics", named.kind)) or "").split("\n\n")[0].replace("\n", " ")
    at = "chosen on validation" if named.threshold is None else f"{named.threshold:g}"
    return sentence.replace("at the threshold", f"at the threshold ({at})")


def _has_threshold(cls: Any) -> bool:
    return any(one.name == "threshold" for one in fields(cls))
