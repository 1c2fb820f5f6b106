"""The traits of every registered operator agree with its behavior."""

from dataclasses import fields, replace
from inspect import signature
from typing import Any, get_type_hints

import numpy as np
import pytest

from contracts import test_table_transforms as tabular
from contracts import test_transforms as sequence
from leaven import rng
from leaven.config.build import list_operator_families
from leaven.datasets.histories import Histories
from leaven.protocols import OperatorTraits, get_traits
from leaven.registry import FAMILIES, load_kind

EVERY = [(family, kind) for family in list_operator_families() for kind in FAMILIES[family]]
TRANSFORMS, TABULAR = sequence.KINDS, tabular.KINDS
REMOVING = ["crop", "truncate", "mask", "drop", "reorder", "reverse", "rotate", "swap", "repeat_pad", "resample"]
"""Kinds that add no item to a row, but for the mask."""
GENERATORS: dict[str, dict[str, Any]] = {
    "generators": {"steps": 4, "layers": 1, "width": 8, "match_popularity": False},
    "tabular_generators": {"epochs": 1, "layers": 1, "width": 8, "batch": 64},
}
PROGRESS = [(family, kind) for family, kind in EVERY if load_kind(family, kind).traits.reports_progress]


def changed(kind: str, rows: Histories, step: int = 1) -> Histories:
    return sequence.fitted(kind)(rows, rng.derive_row_keys(step, rows.row_ids), sequence.ones(rows))


def is_changed(kind: str, rows: Histories) -> bool:
    return any(sequence.bytes_of(changed(kind, rows, step)) != sequence.bytes_of(rows) for step in range(20))


@pytest.mark.parametrize(("family", "kind"), EVERY)
def test_traits_agree_with_fields_and_signatures(family: str, kind: str) -> None:
    cls = load_kind(family, kind)
    names, arguments = {field.name for field in fields(cls)}, signature(cls.fit).parameters
    traits: OperatorTraits = cls.traits
    assert "traits" not in names
    assert (traits.role == "generator") == ("key" in arguments)
    assert ("key" in arguments) == (family in ("generators", "image_generators", "tabular_generators"))
    assert traits.reports_progress == ("on_progress" in arguments)
    assert traits.has_cache == ("cache" in names)
    assert traits.has_default_filters == ("default_filters" in names)
    if traits.role == "generator":
        assert traits.accepts_like == ("like" in signature(get_type_hints(cls.fit)["return"].sample).parameters)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_a_transform_of_histories_copies_weighs_and_names_cold_items_as_its_traits_say(kind: str) -> None:
    rows, traits = sequence.train(), get_traits(sequence.wish(kind))
    new = changed(kind, rows)
    both = sequence.rows_of([[(item, 3_600) for item in range(1, 21)] * times for times in (1, 4)])
    assert is_changed(kind, both) != traits.copies_rows
    if len(new) == len(rows):
        assert bool((new.weight < rows.weight).any()) == traits.weighs_rows
    assert bool(np.isin(new.items, np.setdiff1d(sequence.COLD, rows.items)).any()) == traits.names_cold_items


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_without_time_gaps_only_a_transform_that_needs_times_changes_nothing(kind: str) -> None:
    rows = sequence.rows_of([[(item, 0) for item in range(1, 21)] * times for times in (1, 4)])
    traits = get_traits(sequence.wish(kind))
    assert is_changed(kind, rows) != (traits.needs_times or traits.copies_rows)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_rows_shorter_than_min_events_never_change_and_longer_ones_do(kind: str) -> None:
    shortest = sequence.wish(kind).min_events

    def rows(length: int) -> Histories:
        return sequence.rows_of([[(1 + (first + n) % 36, 3_600) for n in range(length)] for first in range(36)])

    assert shortest < 2 or not is_changed(kind, rows(shortest - 1))
    longer = (rows(max(shortest, 1) + more) for more in range(2))  # a share of the shortest row may be one event
    assert get_traits(sequence.wish(kind)).copies_rows or any(is_changed(kind, some) for some in longer)


@pytest.mark.parametrize("kind", [*REMOVING, "mixup", "splice"])
def test_only_a_transform_that_mixes_users_shows_items_of_other_users(kind: str) -> None:
    rows = sequence.train().select_real()
    new = changed(kind, rows)
    owner = np.searchsorted(np.sort(rows.row_ids), new.row_ids)
    own = rows.take(np.argsort(rows.row_ids)[owner])
    width = rows.n_items + 2
    is_own = np.isin(new.event_rows() * width + new.items, own.event_rows() * width + own.items)
    is_foreign = ~is_own & (new.items != rows.mask_id)
    assert bool(is_foreign.any()) == get_traits(sequence.wish(kind)).mixes_users


@pytest.mark.parametrize("kind", TABULAR)
def test_a_transform_of_labelled_rows_copies_and_mixes_as_its_traits_say(kind: str) -> None:
    traits = load_kind("tabular_transforms", kind).traits
    train = tabular.frozen(tabular.table())
    rows = train.take(np.arange(100))
    # two trainings with the same distribution of each column, of which one has other rows
    other = replace(train, numbers=train.numbers[::-1].copy(), codes=train.codes[::-1].copy(), label=train.label[::-1])
    one, two = (tabular.fitted(kind, part)(rows, rows.row_ids, tabular.ones(rows)) for part in (train, other))
    assert tabular.same(one, rows) == traits.copies_rows
    assert tabular.same(one, two) != traits.mixes_users


@pytest.mark.parametrize(("family", "kind"), PROGRESS)
def test_a_slow_fit_calls_its_callback(family: str, kind: str) -> None:
    pytest.importorskip("torch")
    cls, calls = load_kind(family, kind), list[tuple[int, int, str]]()
    config = cls(**{name: size for name, size in GENERATORS[family].items() if name in {f.name for f in fields(cls)}})
    train = sequence.train().select_real() if family == "generators" else tabular.table()
    config.fit(train, 7, on_progress=lambda done, total, text: calls.append((done, total, text)))
    assert calls
    assert all(0 <= done <= total for done, total, _ in calls)
