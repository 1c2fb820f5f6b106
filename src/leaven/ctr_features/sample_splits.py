"""Which labelled rows teach, which choose, which judge?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_features.from_log import by_time, sample
from leaven.ctr_features.sampling_config import Sampling
from leaven.datasets.events import Events
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError

NAMES, CONTROL = ("train", "valid", "test"), "control"


@dataclass(frozen=True, eq=False)
class SampleParts:
    """Rows to learn from, to choose on (thresholds, when to stop), and to judge by. facts: of each part.

    control  rows of users kept out of the others, whom no transform, generator or model learns from: they steer
             augmentation, and made rows are judged by them; None where none were asked for
    """

    train: Samples
    valid: Samples
    test: Samples
    facts: Mapping[str, Any] = field(default_factory=dict)
    control: Samples | None = None

    @classmethod
    def of(
        cls, train: Samples, valid: Samples, test: Samples, kind: str, control_share: float = 0.0, key: int = 0
    ) -> SampleParts:
        """The parts; rows of the control users, chosen by their key, are those that would have been training rows.

        Raises DataError where a part holds no row of one of the classes: nothing could be learned or judged.
        """
        apart = [_apart(rows, control_share, key) for rows in (train, valid, test)]
        control = train.take(apart[0]) if control_share else None
        kept = [
            rows.take(~out) if control_share else rows for rows, out in zip((train, valid, test), apart, strict=True)
        ]
        parts, facts = dict(zip(NAMES, kept, strict=True)), dict[str, Any]()
        for name, rows in parts.items():
            positive = int((rows.label > 0.5).sum())
            if not 0 < positive < len(rows):
                got = f"{len(rows):,} rows, {positive:,} of them positives"
                raise DataError(f"split, {name}", "rows of both classes", got, "give the part a larger share")
            counts = {key: value for key, value in rows.facts.items() if key not in ("missing", "source", "rows")}
            counts |= {"users": len(np.unique(rows.users)), "positive_share": round(positive / len(rows), 4)}
            facts[name] = {"rows": len(rows), **counts}
        if control is not None:
            facts["control"] = {"rows": len(control), "users": len(np.unique(control.users))}
        return cls(**parts, facts={"kind": kind, **facts}, control=control)

    @property
    def named(self) -> dict[str, Samples]:
        """name -> rows, of the parts that are there."""
        found = {name: getattr(self, name) for name in NAMES}
        return found if self.control is None else found | {CONTROL: self.control}

    def save(self, folder: Path) -> None:
        """A Parquet file a part; its facts are in it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.named.items():
            rows.to_parquet(folder / f"{name}.parquet")

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, Any]) -> SampleParts:
        """What `save` wrote, all parts over the levels of the training rows where they know them."""
        files = {name: folder / f"{name}.parquet" for name in (*NAMES, CONTROL)}
        there = {name: path for name, path in files.items() if name in NAMES or path.is_file()}
        parts: dict[str, Any] = {name: Samples.from_parquet(path) for name, path in there.items()}
        return cls(**parts, facts=facts)


@dataclass(frozen=True)
class ByTime:
    """One moment each for all users: what is known up to a day teaches, what came after it judges.

    warm   share of the events of a log that only warm the features up; a ready table needs none
    valid  share that chooses
    test   share that judges, the latest
    control_share  share of users kept apart, chosen by their key: they steer plans that steer themselves, and made rows
                   are judged by them. Of a log, what they did still counts in how popular an item was

    Raises SpecError for shares that leave nothing to learn from.
    """

    warm: float = 0.2
    valid: float = 0.15
    test: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("warm, valid, test", self.warm, self.valid, self.test)
        _check_control(self.control_share)

    def of_log(self, events: Events, wish: Sampling, key: int) -> SampleParts:
        """Each part is sampled by itself: nothing of it knows what comes after its own period."""
        parts = by_time(events, wish, key, (self.warm, self.valid, self.test))
        return SampleParts.of(*parts, "time", self.control_share, key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """Rows of one second are in one part. Raises DataError for a table without times."""
        if not rows.times.any():
            raise DataError(
                "split by time", "a time column", "none", 'name it: time = "…", or say split.kind = "users"'
            )
        first, second = np.quantile(rows.times, [1 - self.valid - self.test, 1 - self.test], method="inverted_cdf")
        early, late = rows.times <= first, rows.times > second
        parts = rows.take(early), rows.take(~early & ~late), rows.take(late)
        return SampleParts.of(*parts, "time", self.control_share, key)


@dataclass(frozen=True)
class ByUsers:
    """Users of the test part are in no other: how good is it for people whom nobody knows? Shares are of the users,
    that of the control users too (see `ByTime`)."""

    valid: float = 0.15
    test: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("valid, test", 0.0, self.valid, self.test)
        _check_control(self.control_share)

    def of_log(self, events: Events, wish: Sampling, key: int) -> SampleParts:
        """Sampled as a whole, then dealt."""
        return self.of_table(sample(events, wish, rng.key(key, "all")), key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """By the key of each user."""
        return _dealt(rows, rows.users, key, (self.valid, self.test), ("users", self.control_share))


@dataclass(frozen=True)
class ByRows:
    """Row by row, for tables that know no users and no times; a user may be in all parts,
    but control users (see `ByTime`) are in no other."""

    valid: float = 0.15
    test: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("valid, test", 0.0, self.valid, self.test)
        _check_control(self.control_share)

    def of_log(self, events: Events, wish: Sampling, key: int) -> SampleParts:
        """Sampled as a whole, then dealt."""
        return self.of_table(sample(events, wish, rng.key(key, "all")), key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """By the key of each row."""
        return _dealt(rows, rows.keys, key, (self.valid, self.test), ("rows", self.control_share))


def _dealt(
    rows: Samples, owners: npt.NDArray[np.uint64], key: int, shares: tuple[float, float], rest: tuple[str, float]
) -> SampleParts:
    """rest: the kind of split, and the share of the control users."""
    lot = rng.uniform(rng.row_keys(rng.key(key, "parts"), owners), 0)
    test, valid = lot < shares[1], (lot >= shares[1]) & (lot < sum(shares))
    whole = replace(rows, facts={})
    return SampleParts.of(whole.take(~test & ~valid), whole.take(valid), whole.take(test), *rest, key)


def _apart(rows: Samples, share: float, key: int) -> npt.NDArray[np.bool_]:
    """bool (rows,): which rows belong to control users."""
    chosen: npt.NDArray[np.bool_] = rng.uniform(rng.row_keys(rng.key(key, CONTROL), rows.users), 0) < share
    return chosen


def _check_control(share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise SpecError("split.control_share", "a share from 0 to below 1", str(share), "")


def _check(names: str, warm: float, valid: float, test: float) -> None:
    if min(warm, valid, test) < 0 or min(valid, test) == 0 or warm + valid + test >= 1:
        got = ", ".join(str(one) for one in (warm, valid, test))
        raise SpecError(f"split.{names}", "shares together below 1, valid and test above 0", got)
