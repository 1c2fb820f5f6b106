"""Splits labeled rows into training, validation, test and control parts, by time, users or rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_features.from_log import sample_by_time, sample_log
from leaven.ctr_features.sampling_config import SamplingConfig
from leaven.datasets.events import Events
from leaven.datasets.log_names import NAMES_FILE, load_names, merge_names, save_names
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError

NAMES, CONTROL = ("train", "valid", "test"), "control"


@dataclass(frozen=True, eq=False)
class SampleSplit:
    """Training, validation (thresholds, early stopping) and test rows. facts: of each part.

    control  rows of control users, who are in no other part: for adaptive augmentation and for the quality evaluation
             of synthetic rows; None without control users
    """

    train: Samples
    valid: Samples
    test: Samples
    facts: Mapping[str, object] = field(default_factory=dict)
    control: Samples | None = None

    @classmethod
    def build(
        cls, train: Samples, valid: Samples, test: Samples, kind: str, control_share: float = 0.0, key: int = 0
    ) -> SampleSplit:
        """Removes the control users, drawn by user id, from the parts; their training rows are the control part.

        Raises DataError where a part has no row of one of the classes.
        """
        parts, control, facts = {"train": train, "valid": valid, "test": test}, None, dict[str, object]()
        if control_share:
            control = train.take(_draw_control(train, control_share, key))
            parts = {name: rows.take(~_draw_control(rows, control_share, key)) for name, rows in parts.items()}
        for name, rows in parts.items():
            positive = int((rows.label > 0.5).sum())
            if not 0 < positive < len(rows):
                got = f"{len(rows):,} rows, {positive:,} of them positives"
                raise DataError(f"split, {name}", "rows of both classes", got, "give the part a larger share")
            counts = {name: value for name, value in rows.facts.items() if name not in ("missing", "source", "rows")}
            counts |= {"users": len(np.unique(rows.user_ids)), "positive_share": round(positive / len(rows), 4)}
            facts[name] = {"rows": len(rows), **counts}
        if control is not None:
            facts["control"] = {"rows": len(control), "users": len(np.unique(control.user_ids))}
        return cls(**parts, facts={"kind": kind, **facts}, control=control)

    @property
    def parts(self) -> dict[str, Samples]:
        """name -> rows, of the existing parts."""
        found = {"train": self.train, "valid": self.valid, "test": self.test}
        return found if self.control is None else found | {CONTROL: self.control}

    def save(self, folder: Path) -> None:
        """Writes one Parquet file per part, with its facts."""
        folder.mkdir(parents=True, exist_ok=True)
        save_names(merge_names([rows.names for rows in self.parts.values()]), folder / NAMES_FILE)
        for name, rows in self.parts.items():
            rows.write_file(folder / f"{name}.parquet")

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, Any]) -> SampleSplit:
        """Loads the files of `save`."""
        files = {name: folder / f"{name}.parquet" for name in (*NAMES, CONTROL)}
        existing = {name: path for name, path in files.items() if name in NAMES or path.is_file()}
        log_names = load_names(folder / NAMES_FILE)
        parts: dict[str, Any] = {
            name: replace(Samples.from_parquet(path), names=log_names) for name, path in existing.items()
        }
        return cls(**parts, facts=facts)


@dataclass(frozen=True)
class SampleTimeSplit:
    """Splits at the same times for all users.

    warm_up_share  share of a log's events that only warm up the features; unused for a table
    valid_share    share of the validation part
    test_share     share of the test part, the latest
    control_share  share of control users, drawn by user id, for adaptive plans and the quality evaluation of synthetic
                   rows. The events of a log's control users still count in the popularity of items

    Raises SpecError for shares that leave no training rows.
    """

    warm_up_share: float = 0.2
    valid_share: float = 0.15
    test_share: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("warm_up_share, valid_share, test_share", self.warm_up_share, self.valid_share, self.test_share)
        _check_control(self.control_share)

    def split_log(self, events: Events, config: SamplingConfig, key: int) -> SampleSplit:
        """Samples each part separately, from events up to the end of its period."""
        train, valid, test = sample_by_time(
            events, config, key, (self.warm_up_share, self.valid_share, self.test_share)
        )
        return SampleSplit.build(train, valid, test, "time", self.control_share, key)

    def split_table(self, rows: Samples, key: int) -> SampleSplit:
        """Keeps rows of one second in one part. Raises DataError for a table without times."""
        if not rows.times.any():
            raise DataError(
                "split by time", "a time column", "none", 'name it: time = "…", or set split.kind = "users"'
            )
        first, second = np.quantile(
            rows.times, [1 - self.valid_share - self.test_share, 1 - self.test_share], method="inverted_cdf"
        )
        early, late = rows.times <= first, rows.times > second
        train, valid, test = rows.take(early), rows.take(~early & ~late), rows.take(late)
        return SampleSplit.build(train, valid, test, "time", self.control_share, key)


@dataclass(frozen=True)
class SampleUserSplit:
    """Splits by users: each user is in one part. Tests on new users; all shares are of users
    (control users: see `SampleTimeSplit`)."""

    valid_share: float = 0.15
    test_share: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("valid_share, test_share", 0.0, self.valid_share, self.test_share)
        _check_control(self.control_share)

    def split_log(self, events: Events, config: SamplingConfig, key: int) -> SampleSplit:
        """Samples the whole log, then splits the rows."""
        return self.split_table(sample_log(events, config, rng.derive_key(key, "all")), key)

    def split_table(self, rows: Samples, key: int) -> SampleSplit:
        """Draws a part for each user id."""
        return _split_randomly(rows, rows.user_ids, self, "users", key)


@dataclass(frozen=True)
class SampleRowSplit:
    """Splits row by row, for tables without users and times: a user may be in all parts,
    except for control users (see `SampleTimeSplit`)."""

    valid_share: float = 0.15
    test_share: float = 0.15
    control_share: float = 0.05

    def __post_init__(self) -> None:
        _check("valid_share, test_share", 0.0, self.valid_share, self.test_share)
        _check_control(self.control_share)

    def split_log(self, events: Events, config: SamplingConfig, key: int) -> SampleSplit:
        """Samples the whole log, then splits the rows."""
        return self.split_table(sample_log(events, config, rng.derive_key(key, "all")), key)

    def split_table(self, rows: Samples, key: int) -> SampleSplit:
        """Draws a part for each row id."""
        return _split_randomly(rows, rows.row_ids, self, "rows", key)


def _split_randomly(
    rows: Samples, owners: npt.NDArray[np.uint64], shares: SampleUserSplit | SampleRowSplit, kind: str, key: int
) -> SampleSplit:
    """Draws a part for each owner; owners uint64 (rows,): user or row ids."""
    u = rng.draw_uniform(rng.derive_row_keys(rng.derive_key(key, "parts"), owners), 0)
    test, valid = u < shares.test_share, (u >= shares.test_share) & (u < shares.valid_share + shares.test_share)
    train, whole = ~test & ~valid, replace(rows, facts={})
    return SampleSplit.build(whole.take(train), whole.take(valid), whole.take(test), kind, shares.control_share, key)


def _draw_control(rows: Samples, share: float, key: int) -> npt.NDArray[np.bool_]:
    """bool (rows,): the rows of control users, drawn by user id."""
    chosen: npt.NDArray[np.bool_] = (
        rng.draw_uniform(rng.derive_row_keys(rng.derive_key(key, CONTROL), rows.user_ids), 0) < share
    )
    return chosen


def _check_control(share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise SpecError("split.control_share", "a share from 0 to below 1", str(share), "")


def _check(names: str, warm: float, valid: float, test: float) -> None:
    if min(warm, valid, test) < 0 or min(valid, test) == 0 or warm + valid + test >= 1:
        got = ", ".join(str(one) for one in (warm, valid, test))
        raise SpecError(f"split.{names}", "shares that sum to less than 1, validation and test above 0", got)
