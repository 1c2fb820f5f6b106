"""Which rows does a generator make where a strategy asks for rows of a certain kind?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.plan import Step
from leaven.datasets.samples import Samples
from leaven.protocols import Keys, Rows

DRAWS = 64
"""For one row at most; the ones that found none are counted."""
NONE_FOUND = f"no row of its group in {DRAWS} draws"


@dataclass(frozen=True, eq=False)
class Matching:
    """A fitted generator of tables whose rows are of the same group as the rows that they stand for.

    groups: rows -> int64 (rows,), such as their class. Each row is drawn again, by keys of its own, until it is of its
    group: exactly the generator's law given the group (rejection sampling), whatever generator it is.
    """

    generator: Any
    groups: Callable[[Samples], npt.NDArray[np.int64]] | None

    @classmethod
    def of(cls, generator: Any, step: Step, train: Rows) -> Any:
        """The generator itself where it knows what rows should be like, else one that draws until they are."""
        if "like" in signature(generator.sample).parameters:
            return generator
        groups = getattr(step.copies, "groups", None)
        return cls(generator, None if groups is None else groups(train))

    def sample(self, keys: Keys, like: Samples) -> Samples:
        """One row a key, with the keys of `like`; rows that found none of their group are left out."""
        if self.groups is None or not len(like):
            made: Samples = self.generator.sample(keys)
            return replace(made, keys=like.keys)
        wanted, open_rows = self.groups(like), np.arange(len(like))
        parts, places = [], []
        for draw in range(DRAWS):
            new = self.generator.sample(rng.row_keys(rng.key(draw, "group"), keys[open_rows]))
            good = self.groups(new) == wanted[open_rows]
            parts.append(new.take(good))
            places.append(open_rows[good])
            open_rows = open_rows[~good]
            if not len(open_rows):
                break
        place = np.concatenate(places)
        order = np.argsort(place, kind="stable")
        found: Samples = parts[0].joined(parts[1:]).take(order)
        return replace(found, keys=like.keys[place[order]])
