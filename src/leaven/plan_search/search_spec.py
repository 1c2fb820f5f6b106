"""The spec and the settings of a search: from a spec file, or drafted from a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from leaven.config import SearchConfig, Spec, draft, load_spec
from leaven.errors import SpecError
from leaven.registry import create_config

TARGET_NAMES = ("purchase", "buy", "bought", "order", "transaction", "sale", "checkout", "pay", "rent", "subscribe")
"""Names of kinds of events that a recommender usually has to predict, the most certain first."""


@dataclass(frozen=True)
class SearchSpec:
    """spec: of the search; note: what was guessed, one sentence; "" for nothing."""

    spec: Spec
    note: str = ""


def build_search_spec(
    files: Sequence[str], columns: Mapping[str, str] | None = None, target_kind: str = ""
) -> SearchSpec:
    """A spec file, or a draft for a log, its items and its users.

    columns: our name -> column. target_kind: kind of the events that are recommended; "": guessed for a log with
    several kinds, never for a spec. Raises LeavenError for files whose columns cannot be inferred.
    """
    if len(files) == 1 and str(files[0]).endswith(".toml"):
        spec = load_spec(files[0])
        return SearchSpec(_set_target_kind(spec, target_kind) if target_kind else spec)
    sketch = draft.draft_log_spec(list(files), columns)
    sources = draft.build_sources(sketch)
    split = create_config("splits", "time" if sketch.log.columns.get("time") else "leave_one_out")
    spec = Spec(sketch.name, sources.log, sources.items, sources.users, split=split, variants=())
    counts = Counter(_list_first_kinds(sketch))
    guess = target_kind or guess_target_kind(counts)
    if not guess:
        return SearchSpec(spec)
    found = ", ".join(sorted(counts))
    note = f"kinds of events: {found}; targets are “{guess}”: another one with --target-kind KIND"
    return SearchSpec(_set_target_kind(spec, guess), "" if target_kind else note)


def guess_target_kind(counts: Mapping[str, int]) -> str:
    """The kind that is recommended: one with a known name, else the rarest; "" for a log with one kind.

    >>> guess_target_kind({"view": 70, "cart": 12, "purchase": 18})
    'purchase'
    """
    if len(counts) < 2:
        return ""
    for name in TARGET_NAMES:
        for kind in sorted(counts):
            if name in kind.lower():
                return kind
    return min(sorted(counts), key=lambda kind: counts[kind])


def _list_first_kinds(sketch: draft.Draft) -> list[str]:
    """Kinds of the first records of the log."""
    guess, column = sketch.log.guess, sketch.log.columns.get("kind")
    if column is None or column not in guess.names:
        return []
    place = guess.names.index(column)
    return [row[place] for row in guess.rows if len(row) > place and row[place]]


def _set_target_kind(spec: Spec, kind: str) -> Spec:
    if "target_kind" not in {one.name for one in fields(spec.split)}:
        raise SpecError("--target-kind", "a split with targets of one kind", type(spec.split).__name__, "use [split]")
    return replace(spec, split=replace(spec.split, target_kind=kind))


def configure_search(spec: Spec, changes: Mapping[str, Any]) -> SearchConfig:
    """Settings of [auto] with changes of fields; None, "" and () leave a field as it is. Plans are the variants."""
    changed = {name: value for name, value in changes.items() if value not in (None, "", ())}
    return replace(spec.auto or SearchConfig(), plans=spec.variants, **changed)
