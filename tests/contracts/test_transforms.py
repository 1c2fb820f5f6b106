"""Every registered transform satisfies its contract."""

import pickle
from dataclasses import fields, replace
from functools import cache
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories, concat_histories
from leaven.registry import list_kinds, load_kind

N_ITEMS, COLD = 40, (38, 39, 40)
KINDS = sorted(list_kinds("transforms"))
CERTAIN = {"repeat", "repeat_pad", "reverse", "truncate", "windows"}
"""Kinds with deterministic defaults."""
HIDING = {"mask", "substitute", "chain", "one_of", "some_of", "trivial_augment", "cold_items"}
"""Kinds that replace the item of an event."""
CALLS_COLD = {kind for kind in KINDS if load_kind("transforms", kind).traits.names_cold_items}
"""Kinds that add catalog items without events."""
WEIGHS = {kind for kind in KINDS if load_kind("transforms", kind).traits.weighs_rows}
"""Kinds that lower the weight of rows."""

histories = st.lists(
    st.lists(st.tuples(st.integers(1, N_ITEMS - len(COLD)), st.sampled_from([0, 0, 1, 60, 86_400])), max_size=14),
    min_size=1,
    max_size=12,
)


def wish(kind: str):
    module, _, name = list_kinds("transforms")[kind].partition(":")
    return getattr(import_module(module), name)()


def frozen(rows: Histories) -> Histories:
    """The same rows; writing into any of their arrays raises."""
    for array in [getattr(rows, f.name) for f in fields(rows)] + list(rows.extra.values()):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return rows


def catalog() -> Catalog:
    category = np.concatenate([[0], np.arange(N_ITEMS) % 4 + 1]).astype(np.int32)
    words = {"title": [f"thing number {i % 7} of kind{i % 4}" for i in range(N_ITEMS)]}
    return Catalog([f"i{i:03d}" for i in range(N_ITEMS)], words, category, ["a", "b", "c", "d"])


def rows_of(lists: list[list[tuple[int, int]]]) -> Histories:
    """Histories with a clock, a catalogue, and a column that numbers the events from 1."""
    items = [[item for item, _ in row] for row in lists]
    times = [(1_600_000_000 + np.cumsum([gap for _, gap in row])).astype(int).tolist() for row in lists]
    made = Histories.from_lists(items, N_ITEMS, times)
    names = rng.derive_row_keys(99, made.row_ids)
    made = replace(made, row_ids=names, parents=names, catalog=catalog())
    return frozen(replace(made, extra={"value": np.arange(1, made.n_events + 1, dtype=np.float64)}))


@cache
def train() -> Histories:
    """200 real rows without the cold items, and generated rows that are full of one of them."""
    chance = np.random.default_rng(5)
    lists = [
        [(int(i), int(g)) for i, g in zip(chance.integers(1, 38, n), chance.integers(0, 90_000, n), strict=True)]
        for n in chance.integers(1, 15, 200)
    ]
    real = rows_of(lists)
    made = replace(rows_of([[(COLD[0], 1), (item, 1)] for item in range(1, 38)]), origin=np.full(37, 3, np.int16))
    return frozen(replace(concat_histories([real, made]), catalog=catalog()))


@cache
def fitted(kind: str):
    return wish(kind).fit(train())


def ones(rows: Histories) -> np.ndarray:
    return np.ones(len(rows), np.float32)


def bytes_of(rows: Histories) -> list[bytes]:
    """Each row's bytes: events, lineage, targets, other columns."""
    columns = [rows.items, rows.times, *rows.extra.values()]
    named = [getattr(rows, n) for n in ("row_ids", "parents", "origin", "weight", "n_targets")]
    spans = list(zip(rows.starts, rows.starts[1:], strict=False))
    return [
        b"|".join([c[a:z].tobytes() for c in columns] + [n[i : i + 1].tobytes() for n in named])
        for i, (a, z) in enumerate(spans)
    ]


def by_row(kind: str, rows: Histories, keys: np.ndarray, strength: np.ndarray) -> dict[int, list[bytes]]:
    """Key of the row -> what it became."""
    new = fitted(kind)(rows, keys, strength)
    out: dict[int, list[bytes]] = {int(key): [] for key in rows.row_ids}
    for key, text in zip(new.row_ids, bytes_of(new), strict=True):
        out[int(key)].append(text)
    return out


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(lists=histories, step=st.integers(0, 5))
def test_new_rows_are_sound_and_keep_their_lineage(kind, lists, step) -> None:
    rows = rows_of(lists)
    before = bytes_of(rows)
    new = fitted(kind)(rows, rng.derive_row_keys(step, rows.row_ids), ones(rows)).validate()
    assert bytes_of(rows) == before
    assert new.n_items == rows.n_items
    order = {int(key): place for place, key in enumerate(rows.row_ids)}
    origins = np.array([order[int(key)] for key in new.row_ids])
    assert (np.diff(origins) >= 0).all()
    assert set(origins.tolist()) == set(range(len(rows)))
    for name in ("row_ids", "parents", "origin", *(() if kind in WEIGHS else ("weight",))):
        assert getattr(new, name).tolist() == getattr(rows, name)[origins].tolist()
    assert (new.weight <= rows.weight[origins]).all()
    assert ((new.lengths > 0) == (rows.lengths > 0)[origins]).all()
    assert (new.n_targets <= np.maximum(new.lengths - 1, 0)).all()
    assert kind in CALLS_COLD or not np.isin(new.items, COLD).any()
    if rows.n_events:
        assert new.times.max(initial=0) <= max(rows.times.max(), train().times.max())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(lists=histories, step=st.integers(0, 5))
def test_extra_columns_follow_their_event(kind, lists, step) -> None:
    rows = rows_of(lists)
    new = fitted(kind)(rows, rng.derive_row_keys(step, rows.row_ids), ones(rows))
    carried = np.nan_to_num(new.extra["value"]).astype(np.int64)  # the value of a new event is not known
    known = carried > 0
    source = carried[known] - 1
    assert (rows.row_ids[rows.event_rows()[source]] == new.row_ids[new.event_rows()[known]]).all()
    if kind not in HIDING:
        assert (new.items[known] == rows.items[source]).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(lists=histories, step=st.integers(0, 5), cut=st.integers(0, 12))
def test_a_result_does_not_depend_on_batch_and_order(kind, lists, step, cut) -> None:
    rows = rows_of(lists)
    keys, strength = rng.derive_row_keys(step, rows.row_ids), ones(rows)
    whole = by_row(kind, rows, keys, strength)
    shuffled = np.argsort(rng.mix_bits(keys))
    assert by_row(kind, rows.take(shuffled), keys[shuffled], strength) == whole
    cut = min(cut, len(rows))
    parts = [slice(0, cut), slice(cut, len(rows))]
    pieces = [by_row(kind, rows.slice(p.start, p.stop), keys[p], strength[p]) for p in parts]
    assert pieces[0] | pieces[1] == whole


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(lists=histories)
def test_strength_zero_changes_nothing(kind, lists) -> None:
    rows = rows_of(lists)
    keys = rng.derive_row_keys(1, rows.row_ids)
    assert bytes_of(fitted(kind)(rows, keys, np.zeros(len(rows), np.float32))) == bytes_of(rows)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(lists=histories, step=st.integers(0, 5))
def test_a_row_with_a_reason_never_changes(kind, lists, step) -> None:
    rows = rows_of(lists)
    reasons = fitted(kind).reasons(rows)
    assert all(words and mask.shape == (len(rows),) and mask.dtype == bool for words, mask in reasons.items())
    stuck = np.any(list(reasons.values()), axis=0) if reasons else np.zeros(len(rows), bool)
    new = by_row(kind, rows, rng.derive_row_keys(step, rows.row_ids), ones(rows))
    for row in np.flatnonzero(stuck):
        assert new[int(rows.row_ids[row])] == [bytes_of(rows)[row]]
    shortest = wish(kind).min_events
    assert stuck[rows.lengths < shortest].all()


@pytest.mark.parametrize("kind", KINDS)
def test_epochs_differ_and_the_same_epoch_does_not(kind) -> None:
    rows = train()
    first, second, again = (
        fitted(kind)(rows, rng.derive_row_keys(4, rows.row_ids, epoch=e), ones(rows)) for e in (0, 1, 0)
    )
    assert bytes_of(first) == bytes_of(again)
    assert (bytes_of(first) == bytes_of(second)) == (kind in CERTAIN)
    assert (bytes_of(first) == bytes_of(rows)) == (kind in {"repeat", "truncate"})  # none is longer than 50


@pytest.mark.parametrize("kind", [kind for kind in KINDS if any(f.name == "p" for f in fields(wish(kind)))])
def test_p_is_the_probability_that_a_row_is_changed(kind) -> None:
    rows = train().take(np.flatnonzero(train().lengths > 6))
    keys, before = rng.derive_row_keys(2, rows.row_ids), bytes_of(rows)
    never = replace(wish(kind), p=0.0).fit(train())(rows, keys, ones(rows))
    assert bytes_of(never) == before
    half = replace(wish(kind), p=0.5).fit(train())
    always = by_row(kind, rows, keys, ones(rows))
    seldom = half(rows, keys, ones(rows))
    became = {int(key): [] for key in rows.row_ids}
    for key, text in zip(seldom.row_ids, bytes_of(seldom), strict=True):
        became[int(key)].append(text)
    drawn = rng.draw_uniform(keys, 0) < 0.5
    for row, key in enumerate(rows.row_ids.tolist()):
        assert became[key] == (always[key] if drawn[row] else [before[row]])


@pytest.mark.parametrize("kind", KINDS)
def test_config_and_fitted_transform_can_be_pickled(kind) -> None:
    rows, keys = train(), rng.derive_row_keys(3, train().row_ids)
    assert pickle.loads(pickle.dumps(wish(kind))) == wish(kind)
    back = pickle.loads(pickle.dumps(fitted(kind)))
    assert bytes_of(back(rows, keys, ones(rows))) == bytes_of(fitted(kind)(rows, keys, ones(rows)))


@pytest.mark.parametrize("kind", KINDS)
def test_half_the_strength_changes_some_rows_less(kind) -> None:
    rows, keys = train(), rng.derive_row_keys(3, train().row_ids)
    half = np.full(len(rows), 0.5, np.float32)
    new = fitted(kind)(rows, keys, half).validate()
    assert len(new) <= len(fitted(kind)(rows, keys, ones(rows)))
    assert (bytes_of(new) == bytes_of(rows)) == (kind in {"repeat", "truncate"})


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_nothing(kind, monkeypatch) -> None:
    rows, keys = train(), rng.derive_row_keys(6, train().row_ids)
    alone = bytes_of(fitted(kind)(rows, keys, ones(rows)))
    monkeypatch.setattr("leaven.arrays.parallel.MIN_ROWS_PER_THREAD", 10)
    monkeypatch.setattr("leaven.arrays.parallel.config.NUMBA_NUM_THREADS", 3)
    assert bytes_of(fitted(kind)(rows, keys, ones(rows))) == alone


@pytest.mark.parametrize("kind", KINDS)
def test_empty_inputs_and_empty_rows_are_accepted(kind) -> None:
    for rows in (rows_of([]), rows_of([[], []]), rows_of([[(1, 0)]]), rows_of([[(1, 0), (1, 0)], []])):
        new = fitted(kind)(rows, rng.derive_row_keys(1, rows.row_ids), ones(rows)).validate()
        assert len(new) >= len(rows)
        fitted(kind).reasons(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_and_equal_items_are_accepted(kind) -> None:
    rows = Histories.from_lists([[N_ITEMS + 1] * 6, [5] * 6, [5, N_ITEMS + 1] * 3], N_ITEMS)
    new = fitted(kind)(rows, rng.derive_row_keys(1, rows.row_ids), ones(rows)).validate()
    made = set(new.items.tolist()) - {5, N_ITEMS + 1}
    assert kind in CALLS_COLD or not made & set(COLD)


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_rows_are_not_learned_from(kind) -> None:
    real = frozen(train().select_real())
    keys = rng.derive_row_keys(7, real.row_ids)
    assert bytes_of(wish(kind).fit(real)(real, keys, ones(real))) == bytes_of(fitted(kind)(real, keys, ones(real)))
