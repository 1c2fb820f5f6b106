"""Fitting of steps: operators and filters fitted on the training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from leaven import registry, rng
from leaven.augmentation.conditional_sampling import ConditionalSampler
from leaven.augmentation.plan import Plan, Step
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import GeneratorFilter, Rows, get_traits


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
    configs = [_set_generator(config, generator) for config in get_filter_configs(step)]
    return tuple(config.fit(train, rng.derive_key(key, "filter", number)) for number, config in enumerate(configs))


def _set_generator(config: Any, generator: Any) -> Any:
    """The filter config with the step's generator, where it needs one and has none."""
    needs_one = isinstance(config, GeneratorFilter) and config.generator is None and generator is not None
    return replace(config, generator=generator) if needs_one else config
