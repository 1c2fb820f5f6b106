"""Which labelled rows teach, which choose, which judge?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.data.events import Events
from leaven.data.samples import Samples
from leaven.data.sampling.building import by_time, sample
from leaven.data.sampling.wish import Sampling
from leaven.errors import DataError, SpecError

NAMES = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class SampleParts:
    """Rows to learn from, to choose on (thresholds, when to stop), and to judge by. facts: of each part."""

    train: Samples
    valid: Samples
    test: Samples
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, train: Samples, valid: Samples, test: Samples, kind: str) -> SampleParts:
        """Raises DataError where a part holds no row of one of the classes: nothing could be learned or judged."""
        parts, facts = dict(zip(NAMES, (train, valid, test), strict=True)), dict[str, Any]()
        for name, rows in parts.items():
            positive = int((rows.label > 0.5).sum())
            if not 0 < positive < len(rows):
                got = f"{len(rows):,} rows, {positive:,} of them positives"
                raise DataError(f"split, {name}", "rows of both classes", got, "give the part a larger share")
            counts = {key: value for key, value in rows.facts.items() if key not in ("missing", "source", "rows")}
            counts |= {"users": len(np.unique(rows.users)), "positive_share": round(positive / len(rows), 4)}
            facts[name] = {"rows": len(rows), **counts}
        return cls(**parts, facts={"kind": kind, **facts})

    def save(self, folder: Path) -> None:
        """A Parquet file a part; its facts are in it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet")

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, Any]) -> SampleParts:
        """What `save` wrote, all parts over the levels of the training rows where they know them."""
        parts: dict[str, Any] = {name: Samples.from_parquet(folder / f"{name}.parquet") for name in NAMES}
        return cls(**parts, facts=facts)


@dataclass(frozen=True)
class ByTime:
    """One moment each for all users: what is known up to a day teaches, what came after it judges.

    warm   share of the events of a log that only warm the features up; a ready table needs none
    valid  share that chooses
    test   share that judges, the latest

    Raises SpecError for shares that leave nothing to learn from.
    """

    warm: float = 0.2
    valid: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        _check("warm, valid, test", self.warm, self.valid, self.test)

    def of_log(self, events: Events, wish: Sampling, key: int) -> SampleParts:
        """Each part is sampled by itself: nothing of it knows what comes after its own period."""
        return SampleParts.of(*by_time(events, wish, key, (self.warm, self.valid, self.test)), "time")

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """Rows of one second are in one part. Raises DataError for a table without times."""
        if not rows.times.any():
            raise DataError(
                "split by time", "a time column", "none", 'name it: time = "…", or say split.kind = "users"'
            )
        first, second = np.quantile(rows.times, [1 - self.valid - self.test, 1 - self.test], method="inverted_cdf")
        early, late = rows.times <= first, rows.times > second
        return SampleParts.of(rows.take(early), rows.take(~early & ~late), rows.take(late), "time")


@dataclass(frozen=True)
class ByUsers:
    """Users of the test part are in no other: how good is it for people whom nobody knows? Shares are of the users."""

    valid: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        _check("valid, test", 0.0, self.valid, self.test)

    def of_log(self, events: Events, wish: Sampling, key: int) -> SampleParts:
        """Sampled as a whole, then dealt."""
        return self.of_table(sample(events, wish, seeds.key(key, "all")), key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """By the key of each user."""
        return _dealt(rows, rows.users, key, (self.valid, self.test), "users")


@dataclass(frozen=True)
class ByRows:
    """Row by row, for tables that know no users and no times; a user may be in all parts."""

    valid: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        _check("valid, test", 0.0, self.valid, self.test)

    def of_log(self, events: Events, wish: Sampling, key: int) -> SampleParts:
        """Sampled as a whole, then dealt."""
        return self.of_table(sample(events, wish, seeds.key(key, "all")), key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """By the key of each row."""
        return _dealt(rows, rows.keys, key, (self.valid, self.test), "rows")


def _dealt(
    rows: Samples, owners: npt.NDArray[np.uint64], key: int, shares: tuple[float, float], kind: str
) -> SampleParts:
    lot = seeds.uniform(seeds.row_keys(seeds.key(key, "parts"), owners), 0)
    test, valid = lot < shares[1], (lot >= shares[1]) & (lot < sum(shares))
    whole = replace(rows, facts={})
    return SampleParts.of(whole.take(~test & ~valid), whole.take(valid), whole.take(test), kind)


def _check(names: str, warm: float, valid: float, test: float) -> None:
    if min(warm, valid, test) < 0 or min(valid, test) == 0 or warm + valid + test >= 1:
        got = ", ".join(str(one) for one in (warm, valid, test))
        raise SpecError(f"split.{names}", "shares together below 1, valid and test above 0", got)
