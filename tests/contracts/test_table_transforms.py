"""Every registered tabular transform satisfies its contract."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contracts.registered import wish_of
from leaven import rng
from leaven.datasets.samples import ROW_COLUMNS, Samples
from leaven.registry import list_kinds

KINDS = sorted(list_kinds("tabular_transforms"))
FIELDS: dict[str, dict[str, Any]] = {
    "roll_up": {"column": "kind", "parents": {"mug": "kitchen", "bag": "outdoor"}, "share": 0.8},
    "swap_noise": {"share": 0.5},
    "feature_mask": {"share": 0.5},
}


def table(rows: int = 300, seed: int = 1) -> Samples:
    draw = np.random.default_rng(seed)
    price = draw.lognormal(size=rows)
    price[::7] = np.nan
    kind = draw.choice(np.array(["mug", "bag", "kitchen", "outdoor", None], object), rows)
    columns = {"price": price, "count": draw.integers(0, 9, rows).astype(float), "kind": kind}
    label = draw.integers(0, 2, rows)
    keys = rng.mix_bits(np.arange(1, rows + 1, dtype=np.uint64) + np.uint64(seed * 1000))
    return Samples.from_columns(columns, label, keys)


def frozen(rows: Samples) -> Samples:
    arrays = {name: getattr(rows, name).copy() for name in ("numbers", "codes", *ROW_COLUMNS)}
    for array in arrays.values():
        array.setflags(write=False)
    return replace(rows, **arrays)


def same(one: Samples, two: Samples) -> bool:
    names = ("numbers", "codes", *ROW_COLUMNS)
    return all(np.array_equal(getattr(one, n), getattr(two, n), equal_nan=n == "numbers") for n in names)


def fitted(kind: str, train: Samples | None = None) -> Any:
    return wish_of("tabular_transforms", kind)(**FIELDS.get(kind, {})).fit(frozen(train or table()))


def ones(rows: Samples) -> Any:
    return np.ones(len(rows), np.float32)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "repeat"])
def test_it_changes_rows_reproducibly(kind: str) -> None:
    rows, change = frozen(table()), fitted(kind)
    new = change(rows, rows.row_ids, ones(rows))
    assert not same(new, rows)
    assert same(new, change(rows, rows.row_ids, ones(rows)))
    assert not same(new, change(rows, rng.mix_bits(rows.row_ids), ones(rows)))
    new.validate()


@pytest.mark.parametrize("kind", KINDS)
def test_strength_0_is_the_identity(kind: str) -> None:
    rows = frozen(table())
    assert same(fitted(kind)(rows, rows.row_ids, np.zeros(len(rows), np.float32)), rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_other_rows(kind: str) -> None:
    rows, change = table(), fitted(kind)
    order = np.random.default_rng(2).permutation(len(rows))[:120]
    part = rows.take(order)
    alone = change(part, part.row_ids, ones(part))
    assert same(alone, change(rows, rows.row_ids, ones(rows)).take(order))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learned_does_not_depend_on_the_order_of_training_rows(kind: str) -> None:
    rows, train = table(seed=3), table()
    shuffled = train.take(np.random.default_rng(4).permutation(len(train)))
    one, two = fitted(kind, train), fitted(kind, shuffled)
    first, second = one(rows, rows.row_ids, ones(rows)), two(rows, rows.row_ids, ones(rows))
    np.testing.assert_allclose(first.numbers, second.numbers, rtol=1e-12)
    assert np.array_equal(first.codes, second.codes)


@pytest.mark.parametrize("kind", KINDS)
def test_lineage_and_label_stay_unless_rows_are_mixed(kind: str) -> None:
    rows = table()
    new = fitted(kind)(rows, rows.row_ids, ones(rows))
    for name in ("row_ids", "parents", "origin", "user_ids", "times", "weight"):
        assert np.array_equal(getattr(new, name), getattr(rows, name)), name
    if kind != "row_mixup":
        assert np.array_equal(new.label, rows.label)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_and_one_row_are_accepted(kind: str) -> None:
    for count in (0, 1):
        rows = table().take(np.arange(count))
        assert len(fitted(kind)(rows, rows.row_ids, ones(rows))) == count


@pytest.mark.parametrize("kind", KINDS)
def test_another_order_of_levels_is_accepted(kind: str) -> None:
    train, rows = table(), table(seed=3)
    other = rows.recode_levels({"kind": ("outdoor", "mug", "kitchen", "bag")})
    one = fitted(kind, train)(rows, rows.row_ids, ones(rows))
    two = fitted(kind, train)(other, other.row_ids, ones(other))
    assert one.categorical_column("kind").tolist() == two.categorical_column("kind").tolist()
