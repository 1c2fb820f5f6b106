"""From a labelled table to a bigger one: which rows are made, named, weighted and refused?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.contracts import Strategy, TableGenerator, TableTransform
from leaven.data.samples import Samples, concat
from leaven.dosage.strategy import Uniform
from leaven.errors import SpecError
from leaven.plan.steps import GENERATED_WEIGHT, spoken
from leaven.transforms.table.rules import Rules

Refresh = Callable[[int, float], Samples]


@dataclass(frozen=True)
class TableStep:
    """One table transform or generator, or none: then rows are repeated as they are.

    use       a wish: `NumericNoise()`, `Copula()` …; None: a repeat
    copies    how many new rows each real row gives; of a generator, how many together
    mode      "add": new rows join the real ones; "replace": the real rows are changed in place
    when      "once": before training; "each_epoch": fresh rows in every epoch (transforms)
    strength  0..1
    p         chance that a row is changed, in mode "replace"
    weight    of the new rows in the loss; None: 1, and 0.5 for generators
    rules     of the shop, that every new row must keep; what breaks one is refused, and counted
    name      how lineage and reports call it; "": its kind

    Raises SpecError for values out of bounds, or a generator that should replace rows or run in each epoch.
    """

    use: TableTransform | TableGenerator | None = None
    copies: Strategy = field(default_factory=Uniform)
    mode: Literal["add", "replace"] = "add"
    when: Literal["once", "each_epoch"] = "once"
    strength: float = 1.0
    p: float = 1.0
    weight: float | None = None
    rules: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        for key in ("strength", "p"):
            if not 0 <= getattr(self, key) <= 1:
                raise SpecError(f"step {self.called!r}, {key}", "0..1", str(getattr(self, key)), "")
        if self.mode not in ("add", "replace") or self.when not in ("once", "each_epoch"):
            wanted = "mode add or replace, when once or each_epoch"
            raise SpecError(f"step {self.called!r}", wanted, f"{self.mode}, {self.when}", "")
        if self.is_generator and (self.mode == "replace" or self.when == "each_epoch"):
            fix = "generated rows join the real ones once"
            raise SpecError(f"step {self.called!r}", "mode add, when once", f"{self.mode}, {self.when}", fix)

    @property
    def is_generator(self) -> bool:
        """Whether it makes rows from what it learned, and does not change given ones."""
        return self.use is not None and "key" in type(self.use).fit.__annotations__

    @property
    def called(self) -> str:
        """The step's name, or its kind's."""
        return self.name or ("repeat" if self.use is None else spoken(type(self.use).__name__))


@dataclass(frozen=True, eq=False)
class ExpandedTable:
    """rows: real rows first, then those of each step that runs once. refresh: what a model learns from in an epoch;
    None where no step runs in each. facts: one record a step: name, tried, made, refused by rule.
    """

    rows: Samples
    refresh: Refresh | None
    facts: list[dict[str, Any]]


def expand_table(train: Samples, steps: Sequence[TableStep], key: int = 0) -> ExpandedTable:
    """The rows of all steps (joint: each reads the real rows), with their lineage.

    Raises what the wishes raise; SpecError for rules of columns that are not there.
    """
    real = train.real_only()
    parts, facts, live = [train], [], []
    for place, step in enumerate(steps, 1):
        fitted = _Fitted.of(step, place, real, seeds.key(key, "table step", place))
        if step.when == "each_epoch":
            live.append(fitted)
            continue
        new, refused, tried = fitted.made(real, 0)
        if step.mode == "replace":
            parts[0] = new
        else:
            parts.append(new)
        facts.append({"step": step.called, "tried": tried, "made": len(new), "refused": dict(refused)})
    rows = concat(parts)
    return ExpandedTable(rows, _refresh(rows, real, live) if live else None, facts)


def _refresh(rows: Samples, real: Samples, live: Sequence[_Fitted]) -> Refresh:
    """Each epoch's own rows: the real ones changed in place by one step after the other, then what is added."""

    def refreshed(epoch: int, progress: float) -> Samples:
        now, added = rows, []
        for fitted in live:
            if fitted.step.mode == "replace":
                now = fitted.made(now, epoch)[0]
            else:
                added.append(fitted.made(real, epoch)[0])
        return concat([now, *added])

    return refreshed


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A step that has learned. maker: the fitted transform or generator; None: a repeat."""

    step: TableStep
    place: int
    maker: Any
    rules: Any
    copies: npt.NDArray[np.int32]
    key: int

    @classmethod
    def of(cls, step: TableStep, place: int, train: Samples, key: int) -> _Fitted:
        maker: Any = None
        if step.is_generator:
            maker = cast(TableGenerator, step.use).fit(train, seeds.key(key, "fit"))
        elif step.use is not None:
            maker = cast(TableTransform, step.use).fit(train)
        # strategies ask for the number of rows and their keys, which samples have like histories
        copies = step.copies(cast(Any, train), seeds.key(key, "copies"))
        return cls(step, place, maker, Rules(step.rules).fit(train), copies, key)

    def made(self, source: Samples, epoch: int) -> tuple[Samples, Mapping[str, int], int]:
        """(rows, refused by rule, how many were tried)."""
        if self.step.mode == "replace":
            return self._replaced(source, epoch)
        new = self._generated() if self.step.is_generator else self._copied(source, epoch)
        kept = self.rules(new)
        return new.take(kept.mask), kept.refused, len(new)

    def _copied(self, source: Samples, epoch: int) -> Samples:
        place = np.repeat(np.arange(len(source)), self.copies)
        ordinal = np.arange(len(place)) - np.repeat(np.cumsum(self.copies) - self.copies, self.copies)
        like = source.take(place)
        names = seeds.mix(seeds.row_keys(self.key, like.keys, 0, epoch) ^ seeds.mix(ordinal.astype(np.uint64)))
        new = replace(like, keys=names)
        if self.maker is not None:
            new = self.maker(new, names, np.full(len(new), self.step.strength, np.float32))
        weight = 1.0 if self.step.weight is None else self.step.weight
        return self._named(new, like.keys, (like.weight * weight).astype(np.float32))

    def _generated(self) -> Samples:
        keys = seeds.row_keys(self.key, np.arange(1, int(self.copies.sum()) + 1, dtype=np.uint64))
        new = self.maker.sample(keys)
        weight = GENERATED_WEIGHT if self.step.weight is None else self.step.weight
        return self._named(new, new.parents, np.full(len(new), weight, np.float32))

    def _replaced(self, source: Samples, epoch: int) -> tuple[Samples, Mapping[str, int], int]:
        """All rows in their order; a changed row that breaks a rule stays as it was."""
        drawn = seeds.uniform(seeds.row_keys(seeds.key(self.key, "p"), source.keys, 0, epoch), 0) < self.step.p
        strength = np.where(drawn, self.step.strength, 0.0).astype(np.float32)
        chance = seeds.row_keys(self.key, source.keys, 0, epoch)
        new = source if self.maker is None else self.maker(source, chance, strength)
        kept = self.rules(new)
        for name in ("numbers", "codes", "label"):
            good, was = getattr(new, name), getattr(source, name)
            mask = kept.mask if good.ndim == 1 else kept.mask[:, None]
            new = replace(new, **{name: np.where(mask, good, was)})
        origin = np.where(drawn & kept.mask, self.place, source.origin).astype(np.int16)
        return replace(new, origin=origin), kept.refused, int(drawn.sum())

    def _named(self, new: Samples, parents: npt.NDArray[np.uint64], weight: npt.NDArray[np.float32]) -> Samples:
        return replace(new, parents=parents, origin=np.full(len(new), self.place, np.int16), weight=weight)
