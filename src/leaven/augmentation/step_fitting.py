"""Fitting of steps: operators and filters fitted on the training rows, and generated rows of a requested group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.augmentation.plan import Plan, Step
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import GeneratorFilter, GroupedStrategy, RngKeys, Rows, get_traits

_MAX_DRAWS = 64
"""Maximum number of draws per row; rows without a match are counted."""
NO_MATCH = f"no row of its group in {_MAX_DRAWS} draws"


@dataclass(frozen=True, eq=False)
class ConditionalSampler:
    """A fitted tabular generator that samples rows of the same group as given rows.

    groups: rows -> int64 (rows,), such as their class. Each row is drawn again with new keys until its group matches:
    exactly the generator's distribution given the group (rejection sampling), for any generator.
    """

    generator: Any
    groups: Callable[[Samples], npt.NDArray[np.int64]] | None

    @classmethod
    def wrap(cls, generator: Any, step: Step, train: Rows) -> Any:
        """The generator itself where its `sample` takes `like`, else a conditional sampler around it."""
        if get_traits(step.use).accepts_like:
            return generator
        return cls(generator, step.copies.groups(train) if isinstance(step.copies, GroupedStrategy) else None)

    def sample(self, keys: RngKeys, like: Samples) -> Samples:
        """One row per key, with the ids of `like`; rows without a match are left out."""
        if self.groups is None or not len(like):
            rows: Samples = self.generator.sample(keys)
            return replace(rows, row_ids=like.row_ids)
        wanted, open_rows = self.groups(like), np.arange(len(like))
        parts, indices = [], []
        for draw in range(_MAX_DRAWS):
            new = self.generator.sample(rng.derive_row_keys(rng.derive_key(draw, "group"), keys[open_rows]))
            good = self.groups(new) == wanted[open_rows]
            parts.append(new.take(good))
            indices.append(open_rows[good])
            open_rows = open_rows[~good]
            if not len(open_rows):
                break
        index = np.concatenate(indices)
        order = np.argsort(index, kind="stable")
        matches: Samples = parts[0].concat_with(parts[1:]).take(order)
        return replace(matches, row_ids=like.row_ids[index[order]])


@dataclass(frozen=True, eq=False)
class FittedStep:
    """A step whose operator and filters are fitted.

    number                its number in the plan, from 1: the `origin` of its rows
    key                   rng key of its rows
    transform, generator  one of the two is None
    filters               fitted filters, in order
    """

    step: Step
    number: int
    key: int
    transform: Any
    generator: Any
    filters: tuple[Any, ...]


def fit_step(
    plan: Plan,
    number: int,
    train: Rows,
    seed: int,
    source: Rows | None = None,
    on_progress: ProgressCallback = no_progress,
) -> FittedStep:
    """Fit step number `number` (from 1) of a plan.

    Transforms and filters are fitted on `train`, the real rows; generators on the rows that they read, which are the
    real ones unless the plan is layered.

    Raises DataError without training rows.
    """
    step = plan.named_steps[number - 1]
    if not len(train) or (isinstance(train, Histories) and not train.n_events):
        raise DataError(
            f"step {step.display_name!r}", "training rows", "none", "loosen the cleaning rules or the split"
        )
    key = rng.derive_key(seed, "step", step.display_name)
    transform, generator = None, None
    use: Any = step.use
    if step.is_generator:
        progress = {"on_progress": on_progress} if get_traits(use).reports_progress else {}
        generator = use.fit(train if source is None else source, rng.derive_key(key, "fit"), **progress)
        generator = ConditionalSampler.wrap(generator, step, train)
    else:
        transform = use.fit(train)
    return FittedStep(step, number, key, transform, generator, fit_filters(step, train, seed, generator))


def get_filter_configs(step: Step) -> tuple[Any, ...]:
    """Filter configs of a step, in order: its own, else the defaults of its kind."""
    if step.filters is not None:
        return step.filters
    return tuple(registry.create_config("filters", kind) for kind in step.default_filters)


def fit_filters(step: Step, train: Rows, seed: int, generator: Any = None) -> tuple[Any, ...]:
    """Filters of a step, fitted on the real rows. generator: the step's own fitted one."""
    key = rng.derive_key(seed, "step", step.display_name)
    fitted = []
    for number, config in enumerate(get_filter_configs(step)):
        needs_generator = isinstance(config, GeneratorFilter) and config.generator is None and generator is not None
        own = replace(config, generator=generator) if needs_generator else config
        fitted.append(own.fit(train, rng.derive_key(key, "filter", number)))
    return tuple(fitted)
