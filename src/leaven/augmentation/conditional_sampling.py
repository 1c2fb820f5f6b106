"""Conditional sampling: generated rows of a requested group, by rejection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.plan import Step
from leaven.datasets.samples import Samples
from leaven.protocols import GroupedStrategy, RngKeys, Rows, get_traits

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
