"""Every registered generator keeps its contract."""

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest

from contracts.registered import frozen, same, wish_of
from leaven import rng
from leaven.datasets.histories import Histories, concat_histories
from leaven.errors import FitError
from leaven.protocols import FittedGenerator
from leaven.registry import list_kinds
from leaven.simulator import simulate_first_order

KINDS = list(list_kinds("generators"))
ITEMS, LENGTH = 12, 10
MORE_STEPS = {"denoiser": 600, "recommender_rollouts": 400}  # one hides half of its input, one learns to rank
AS_LISTED = {"recommender_rollouts": {"match_popularity": False}}  # twelve items: costs more than it gains
PLACES = [(kind, where) for kind in KINDS for where in ("alone", "after", "before")]


def has(kind: str, field: str) -> bool:
    return field in {f.name for f in fields(wish_of("generators", kind))}


@cache
def real() -> tuple[Histories, np.ndarray]:
    histories, law = simulate_first_order(ITEMS, rows=1500, length=LENGTH, seed=1)
    return frozen(histories), law


@cache
def fitted(kind: str, where: str = "alone", steps: int = 150) -> FittedGenerator:
    short = {name: value for name, value in {"steps": steps, "layers": 1}.items() if has(kind, name)}
    place = {"where": where} if has(kind, "where") else {}
    return wish_of("generators", kind)(**short, **place, **AS_LISTED.get(kind, {})).fit(real()[0], key=7)


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def like() -> Histories:
    """Short and long real rows, an empty one, and one of a single event."""
    rows = [[1], [2, 3], [], [4, 4, 4, 4], [5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3]]
    known = Histories.from_lists(rows, ITEMS, times=[[9], [0, 50], [], [7, 7, 7, 7], list(range(0, 11_000, 1_000))])
    return frozen(replace(known, row_ids=keys(5), parents=keys(5), weight=np.array([1, 2, 1, 1, 0.5], np.float32)))


def counted(rows: Histories) -> np.ndarray:
    """float64 (items, items): share of each follower after each item."""
    counts = np.full((ITEMS, ITEMS), 1e-9)
    row = rows.event_rows()
    inside = row[1:] == row[:-1]
    np.add.at(counts, (rows.items[:-1][inside] - 1, rows.items[1:][inside] - 1), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def distance(rows: Histories, law: np.ndarray) -> float:
    """Total variation between followers in rows and the true distribution, averaged over items."""
    return float(np.abs(counted(rows) - law).sum(axis=1).mean() / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_gives_one_valid_row_from_noise(kind) -> None:
    made = fitted(kind).sample(keys(200)).validate()
    assert len(made) == 200
    assert made.row_ids.tolist() == keys(200).tolist()
    assert not made.parents.any()
    assert not made.is_real.any()
    assert (made.lengths > 0).all()
    assert made.n_items == ITEMS
    assert made.items.max() <= ITEMS
    assert len(concat_histories([real()[0], made])) == 1700


@pytest.mark.parametrize("kind", KINDS)
def test_no_event_is_outside_the_training_period(kind) -> None:
    made = fitted(kind).sample(keys(500))
    assert made.times.max() <= real()[0].times.max()
    assert made.times.min() >= real()[0].times.min()


@pytest.mark.parametrize(("kind", "where"), PLACES)
def test_rows_do_not_depend_on_the_batch(kind, where) -> None:
    generator, known = fitted(kind, where), real()[0].slice(0, 60)
    whole, one, rest = (generator.sample(keys(60)[a:b], known.slice(a, b)) for a, b in ((0, 60), (0, 1), (1, 60)))
    assert same(concat_histories([one, rest]), whole)
    assert same(generator.sample(keys(60)[::-1]), generator.sample(keys(60)).take(np.arange(59, -1, -1)))


@pytest.mark.parametrize("kind", KINDS)
def test_other_keys_give_other_rows(kind) -> None:
    one, two = fitted(kind).sample(keys(50)), fitted(kind).sample(rng.mix_bits(keys(50)))
    assert one.items.tolist() != two.items.tolist()


@pytest.mark.parametrize(("kind", "where"), [place for place in PLACES if place[1] != "alone"])
def test_an_extended_row_contains_its_parent(kind, where) -> None:
    if not has(kind, "where"):
        pytest.skip(f"{kind} has no field `where`")
    known = like()
    made = fitted(kind, where).sample(keys(5), known).validate()
    assert made.parents.tolist() == known.parents.tolist()
    assert made.weight.tolist() == known.weight.tolist()
    assert not made.is_real.any()
    assert (made.lengths >= np.maximum(known.lengths, 1)).all()
    for row in range(5):
        length = known.lengths[row]
        span = slice(0, length) if where == "after" else slice(made.lengths[row] - length, None)
        assert made.row_items(row)[span].tolist() == known.row_items(row).tolist()
        assert (
            made.times[made.starts[row] : made.starts[row + 1]][span].tolist()
            == known.times[known.starts[row] : known.starts[row + 1]].tolist()
        )


@pytest.mark.parametrize(("kind", "where"), PLACES)
def test_targets_never_exceed_the_events_after_the_first(kind, where) -> None:
    made = fitted(kind, where).sample(keys(5), like())
    assert (made.n_targets >= 0).all()
    assert (made.n_targets <= np.maximum(made.lengths - 1, 0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_rows_follow_the_known_distribution_far_better_than_uniform_draws(kind) -> None:
    rows, law = real()
    made = fitted(kind, "alone", MORE_STEPS.get(kind, 150)).sample(keys(1500))
    uniform = Histories.from_lists(np.random.default_rng(1).integers(1, ITEMS + 1, (1500, LENGTH)).tolist(), ITEMS)
    assert distance(made, law) < 0.25 * distance(uniform, law)
    assert distance(made, law) < 2.5 * distance(rows, law) + 0.01


@pytest.mark.parametrize(("kind", "where"), PLACES)
def test_saving_and_loading_changes_nothing(kind, where, tmp_path) -> None:
    generator = fitted(kind, where)
    generator.save(tmp_path / "made")
    loaded = wish_of("generators", kind).load(tmp_path / "made")
    assert same(loaded.sample(keys(20)), generator.sample(keys(20)))
    assert same(loaded.sample(keys(5), like()), generator.sample(keys(5), like()))
    if hasattr(generator, "log_likelihood"):
        assert loaded.log_likelihood(like()).tolist() == generator.log_likelihood(like()).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_true_rows_are_more_probable_than_noise(kind) -> None:
    if not hasattr(fitted(kind), "log_likelihood"):
        pytest.skip(f"{kind} has no likelihood")
    truth, _ = simulate_first_order(ITEMS, rows=1700, length=LENGTH, seed=1)
    unseen = truth.take(np.arange(1500, 1700))
    noise = Histories.from_lists(np.random.default_rng(1).integers(1, ITEMS + 1, (200, LENGTH)).tolist(), ITEMS)
    assert fitted(kind).log_likelihood(unseen).mean() > fitted(kind).log_likelihood(noise).mean() + 1
    short = fitted(kind).log_likelihood(Histories.from_lists([[], [3], [3, 4]], ITEMS))
    assert short[:2].tolist() == [0.0, 0.0]
    assert short[2] < 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_config_names_registered_filters(kind) -> None:
    assert set(wish_of("generators", kind)().default_filters) <= set(list_kinds("filters"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_rows_of_one_item_are_enough(kind) -> None:
    short = {name: value for name, value in {"steps": 2, "layers": 1}.items() if has(kind, name)}
    rows = frozen(Histories.from_lists([[1, 1, 1], [1], []], 1))
    made = wish_of("generators", kind)(**short).fit(rows, key=7).sample(keys(3)).validate()
    assert set(made.items.tolist()) == {1}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_an_event_are_rejected(kind) -> None:
    with pytest.raises(FitError, match="at least one event"):
        wish_of("generators", kind)().fit(Histories.from_lists([[], []], 3), key=7)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if has(kind, "steps")])
def test_trained_generators_report_progress_and_give_the_same_rows(kind) -> None:
    short = {name: 4 for name in ("steps", "adversarial_steps") if has(kind, name)}
    config, heard = wish_of("generators", kind)(**short), []
    told = config.fit(real()[0], 7, lambda done, total, words: heard.append((done, total)))
    assert (4, 4) in heard
    assert all(0 <= done <= total for done, total in heard)
    assert same(told.sample(keys(3)), config.fit(real()[0], 7).sample(keys(3)))
