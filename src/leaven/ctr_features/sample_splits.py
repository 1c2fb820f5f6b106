"""Splits labeled rows into training, validation, test and control parts, by time, users or rows."""

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
    """Training, validation (thresholds, early stopping) and test rows. facts: of each part.

    control  rows of control users, who are in no other part: for adaptive augmentation and for the quality evaluation
             of synthetic rows; None without control users
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
        """Removes the control users, drawn by user id, from the parts; their training rows are the control part.

        Raises DataError where a part has no row of one of the classes.
        """
        parts, control, facts = {"train": train, "valid": valid, "test": test}, None, dict[str, Any]()
        if control_share:
            control = train.take(_draw_control(train, control_share, key))
            parts = {name: rows.take(~_draw_control(rows, control_share, key)) for name, rows in parts.items()}
        for name, rows in parts.items():
            positive = int((rows.label > 0.5).sum())
            if not 0 < positive < len(rows):
                got = f"{len(rows):,} rows, {positive:,} of them positives"
                raise DataError(f"split, {name}", "rows of both classes", got, "give the part a larger share")
            counts = {name: value for name, value in rows.facts.items() if name not in ("missing", "source", "rows")}
            counts |= {"users": len(np.unique(rows.users)), "positive_share": round(positive / len(rows), 4)}
            facts[name] = {"rows": len(rows), **counts}
        if control is not None:
            facts["control"] = {"rows": len(control), "users": len(np.unique(control.users))}
        return cls(**parts, facts={"kind": kind, **facts}, control=control)

    @property
    def named(self) -> dict[str, Samples]:
        """name -> rows, of the existing parts."""
        found = {"train": self.train, "valid": self.valid, "test": self.test}
        return found if self.control is None else found | {CONTROL: self.control}

    def save(self, folder: Path) -> None:
        """Writes one Parquet file per part, with its facts."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.named.items():
            rows.to_parquet(folder / f"{name}.parquet")

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, Any]) -> SampleParts:
        """Loads the files of `save`."""
        files = {name: folder / f"{name}.parquet" for name in (*NAMES, CONTROL)}
        existing = {name: path for name, path in files.items() if name in NAMES or path.is_file()}
        parts: dict[str, Any] = {name: Samples.from_parquet(path) for name, path in existing.items()}
        return cls(**parts, facts=facts)


@dataclass(frozen=True)
class ByTime:
    """Splits at the same times for all users.

    warm   share of a log's events that only warm up the features; unused for a table
    valid  share of the validation part
    test   share of the test part, the latest
    control_share  share of control users, drawn by user id, for adaptive plans and the quality evaluation of
                   synthetic rows. The events of a log's control users still count in the popularity of items

    Raises SpecError for shares that leave no training rows.
    """

    warm: float = 0.2
    valid: float = 0.15
    test: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("warm_up_share, valid_share, test_share", self.warm, self.valid, self.test)
        _check_control(self.control_share)

    def of_log(self, events: Events, config: Sampling, key: int) -> SampleParts:
        """Samples each part separately, from events up to the end of its period."""
        train, valid, test = by_time(events, config, key, (self.warm, self.valid, self.test))
        return SampleParts.of(train, valid, test, "time", self.control_share, key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """Keeps rows of one second in one part. Raises DataError for a table without times."""
        if not rows.times.any():
            raise DataError(
                "split by time", "a time column", "none", 'name it: time = "…", or set split.kind = "users"'
            )
        first, second = np.quantile(rows.times, [1 - self.valid - self.test, 1 - self.test], method="inverted_cdf")
        early, late = rows.times <= first, rows.times > second
        train, valid, test = rows.take(early), rows.take(~early & ~late), rows.take(late)
        return SampleParts.of(train, valid, test, "time", self.control_share, key)


@dataclass(frozen=True)
class ByUsers:
    """Splits by users: each user is in one part. Tests on new users; all shares are of users
    (control users: see `SampleTimeSplit`)."""

    valid: float = 0.15
    test: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("valid_share, test_share", 0.0, self.valid, self.test)
        _check_control(self.control_share)

    def of_log(self, events: Events, config: Sampling, key: int) -> SampleParts:
        """Samples the whole log, then splits the rows."""
        return self.of_table(sample(events, config, rng.key(key, "all")), key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """Draws a part for each user id."""
        return _split_randomly(rows, rows.users, self, "users", key)


@dataclass(frozen=True)
class ByRows:
    """Splits row by row, for tables without users and times: a user may be in all parts,
    except for control users (see `SampleTimeSplit`)."""

    valid: float = 0.15
    test: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("valid_share, test_share", 0.0, self.valid, self.test)
        _check_control(self.control_share)

    def of_log(self, events: Events, config: Sampling, key: int) -> SampleParts:
        """Samples the whole log, then splits the rows."""
        return self.of_table(sample(events, config, rng.key(key, "all")), key)

    def of_table(self, rows: Samples, key: int) -> SampleParts:
        """Draws a part for each row id."""
        return _split_randomly(rows, rows.keys, self, "rows", key)


def _split_randomly(
    rows: Samples, owners: npt.NDArray[np.uint64], shares: ByUsers | ByRows, kind: str, key: int
) -> SampleParts:
    """Draws a part for each owner; owners uint64 (rows,): user or row ids."""
    u = rng.uniform(rng.row_keys(rng.key(key, "parts"), owners), 0)
    test, valid = u < shares.test, (u >= shares.test) & (u < shares.valid + shares.test)
    train, whole = ~test & ~valid, replace(rows, facts={})
    return SampleParts.of(whole.take(train), whole.take(valid), whole.take(test), kind, shares.control_share, key)


def _draw_control(rows: Samples, share: float, key: int) -> npt.NDArray[np.bool_]:
    """bool (rows,): the rows of control users, drawn by user id."""
    chosen: npt.NDArray[np.bool_] = rng.uniform(rng.row_keys(rng.key(key, CONTROL), rows.users), 0) < share
    return chosen


def _check_control(share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise SpecError("split.control_share", "a share from 0 to below 1", str(share), "")


def _check(names: str, warm: float, valid: float, test: float) -> None:
    if min(warm, valid, test) < 0 or min(valid, test) == 0 or warm + valid + test >= 1:
        got = ", ".join(str(one) for one in (warm, valid, test))
        raise SpecError(f"split.{names}", "shares that sum to less than 1, validation and test above 0", got)
