"""The Markov chain matches hand counts and recovers the distribution of its training rows."""

import math
from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.generators.sequence.markov import Markov
from leaven.kernels.inter_event_times import find_gap_buckets
from leaven.kernels.markov import compute_log_likelihoods, count_transitions, fit_chain
from leaven.kernels.time_popularity import fit_time_popularity
from leaven.simulator import simulate_first_order, simulate_second_order


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def likelihood(chain, row: list[int]) -> float:
    """Of a row, by the chain alone: no fashion."""
    items, times = np.array(row, np.int32), np.zeros(len(row), np.int64)
    timeless = fit_time_popularity(items, times, chain.n_items)._replace(global_share=1.0)
    return float(compute_log_likelihoods(chain, timeless, items, times, np.array([0, len(row)]))[0])


def test_probabilities_are_those_of_a_hand_count() -> None:
    rows = Histories.from_lists([[1, 2, 3], [1, 2, 1], [2, 2]], n_items=4)
    chain = count_transitions(rows.items, rows.starts, 4, order=2, concentration=2.0)
    p0 = {item: (count + 2 / 4) / (8 + 2) for item, count in {1: 3, 2: 4, 3: 1, 4: 0}.items()}
    after_2 = {item: (count + 2 * p0[item]) / (3 + 2) for item, count in {1: 1, 3: 1, 4: 0}.items()}
    after_1 = {2: (2 + 2 * p0[2]) / (2 + 2)}
    after_12 = {item: (count + 2 * after_2[item]) / (2 + 2) for item, count in {3: 1, 4: 0}.items()}
    begin_1 = {2: (2 + 2 * after_1[2]) / (2 + 2)}  # a row that began with 1
    assert math.isclose(likelihood(chain, [1, 2, 3]), math.log(begin_1[2]) + math.log(after_12[3]))
    assert math.isclose(likelihood(chain, [1, 2, 4]), math.log(begin_1[2]) + math.log(after_12[4]))
    assert math.isclose(likelihood(chain, [3, 4]), math.log(p0[4]))  # nothing ever followed 3


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_of_all_followers_sum_to_one(order) -> None:
    rows, _ = simulate_second_order(6, rows=40, length=9, seed=2)
    fashion = fit_time_popularity(rows.items, rows.times, 6)
    chain = fit_chain(rows.items, rows.times, rows.starts, fashion, 6, order)
    for begin in ([1], [1, 2], [3, 3, 3, 5, 6, 1]):
        total = sum(math.exp(likelihood(chain, [*begin, item]) - likelihood(chain, begin)) for item in range(1, 7))
        assert math.isclose(total, 1.0)


def distance_to_second_order(rows: Histories, law: np.ndarray) -> float:
    """Total variation of the follower after two items, over the pairs that occur often."""
    items = rows.items.reshape(len(rows), -1) - 1
    counts = np.zeros_like(law)
    np.add.at(counts, (items[:, :-2].ravel(), items[:, 1:-1].ravel(), items[:, 2:].ravel()), 1)
    often = counts.sum(axis=2) > 200
    share = counts[often] / counts[often].sum(axis=1, keepdims=True)
    return float(np.abs(share - law[often]).sum(axis=1).mean() / 2)


def test_order_two_beats_order_one_where_two_items_count() -> None:
    rows, law = simulate_second_order(8, rows=6000, length=10, seed=3)
    one, two = (Markov(order=order).fit(rows, 7).sample(keys(6000)) for order in (1, 2))
    assert distance_to_second_order(two, law) < 0.25 * distance_to_second_order(one, law)
    assert distance_to_second_order(two, law) < 3 * distance_to_second_order(rows, law)
    unseen = simulate_second_order(8, rows=6500, length=10, seed=3)[0].take(np.arange(6000, 6500))
    one, two = (Markov(order=order).fit(rows, 7).log_likelihood(unseen).sum() for order in (1, 2))
    assert two > one


def test_its_likelihood_is_close_to_the_true_one() -> None:
    rows, law = simulate_first_order(10, rows=4000, length=10, seed=4)
    unseen = simulate_first_order(10, rows=4300, length=10, seed=4)[0].take(np.arange(4000, 4300))
    items = unseen.items.reshape(300, 10) - 1
    truth = np.log(law[items[:, :-1], items[:, 1:]]).sum()
    assert truth * 1.02 < Markov(order=1).fit(rows, 7).log_likelihood(unseen).sum() < truth


def test_a_low_temperature_draws_the_probable_follower_more_often() -> None:
    rows = Histories.from_lists([[1, 2]] * 70 + [[1, 3]] * 30, n_items=3)

    def share(**config) -> float:
        made = Markov(order=1, events_range=(2, 2), **config).fit(rows, 7).sample(keys(20_000))
        pairs = made.items.reshape(-1, 2)
        after_1 = pairs[pairs[:, 0] == 1, 1]
        return float((after_1 == 2).mean() / np.isin(after_1, [2, 3]).mean())

    assert abs(share() - 0.7) < 0.02
    assert abs(share(temperature=0.5) - 0.49 / (0.49 + 0.09)) < 0.02
    assert share(top_k=1) > 0.95  # the rest comes from the levels below
    assert share(top_p=0.5) > 0.95
    assert abs(share(top_p=0.9) - 0.7) < 0.02


def test_weights_that_change_nothing_draw_the_same_rows(tmp_path) -> None:
    rows, _ = simulate_second_order(6, rows=300, length=8, seed=4)
    plain, weighed = (Markov(order=3, top_k=top).fit(rows, 7) for top in (0, 6))
    assert len(plain.chain.cumulative_weights) == 0
    assert len(weighed.chain.cumulative_weights) == len(weighed.chain.followers)
    for fitted in (plain, weighed):
        fitted.save(tmp_path)
        again = Markov.load(tmp_path)
        assert again.sample(keys(200)).items.tolist() == plain.sample(keys(200)).items.tolist()
        assert again.log_likelihood(rows).tolist() == plain.log_likelihood(rows).tolist()


def test_no_item_is_drawn_before_its_first_day() -> None:
    early = [[1, 2, 1, 2]] * 50
    late = [[3, 1, 3, 2]] * 50
    times = [[0, 10, 20, 30]] * 50 + [[1000, 1010, 1020, 1030]] * 50
    made = Markov(order=1).fit(Histories.from_lists(early + late, n_items=3, times=times), 7).sample(keys(3000))
    taken = made.times[made.items == 3]
    assert len(taken) > 100
    assert taken.min() >= 1000


def test_an_earlier_first_day_of_the_catalog_is_used() -> None:
    rows = Histories.from_lists([[1, 1]] * 20 + [[2, 2]] * 20, n_items=2, times=[[0, 10]] * 20 + [[1000, 1010]] * 20)
    catalog = Catalog(ids=["a", "b"], first_sale_times=np.array([0, 0, 0]))
    free, bound = (Markov().fit(one, 7).sample(keys(2000)) for one in (replace(rows, catalog=catalog), rows))
    assert free.times[free.items == 2].min() < 1000 <= bound.times[bound.items == 2].min()


def test_gaps_follow_the_category_and_the_last_gap() -> None:
    chance = np.random.default_rng(1)
    rows, times = [], []
    for _ in range(2000):
        row = chance.integers(1, 3, 6)
        gaps = np.where(row[:-1] == 1, chance.integers(60, 120, 5), chance.integers(80_000, 90_000, 5))
        rows.append(row.tolist())
        times.append((chance.integers(0, 10**8) + np.concatenate([[0], np.cumsum(gaps)])).tolist())
    catalog = Catalog(ids=["a", "b"], category=np.array([0, 1, 2], np.int32))
    made = Markov().fit(replace(Histories.from_lists(rows, 2, times=times), catalog=catalog), 7).sample(keys(500))
    gaps, inner = np.diff(made.times), np.diff(made.event_rows()) == 0
    after = made.items[:-1][inner]
    quick, slow = gaps[inner][after == 1], gaps[inner][after == 2]
    assert (quick < 120).mean() > 0.98
    assert (slow >= 80_000).mean() > 0.98


def test_gap_buckets_are_powers_of_two() -> None:
    assert find_gap_buckets(np.array([0, 1, 2, 3, 4, 7, 8, 2**62])).tolist() == [0, 1, 2, 2, 3, 3, 4, 41]


def test_data_without_repeats_gives_rows_without_repeats() -> None:
    chance = np.random.default_rng(5)
    rows = [(chance.permutation(8)[:5] + 1).tolist() for _ in range(400)]
    made = Markov(order=1).fit(Histories.from_lists(rows, 8), 7).sample(keys(500))
    assert all(len(set(made.row_items(i).tolist())) == made.lengths[i] for i in range(500))


def test_repeats_are_as_frequent_as_in_training_rows() -> None:
    chance = np.random.default_rng(6)
    rows = []
    for _ in range(3000):
        row = [int(chance.integers(1, 41))]
        while len(row) < 8:
            again = chance.random() < 0.05
            row.append(int(chance.choice(row)) if again else int(chance.integers(1, 41)))
            if not again and row[-1] in row[:-1]:
                row.pop()
        rows.append(row)

    def share(histories: Histories) -> float:
        return 1 - np.mean([len(set(histories.row_items(i).tolist())) for i in range(len(histories))]) / 8

    real = Histories.from_lists(rows, 40)
    assert abs(share(Markov(order=1).fit(real, 7).sample(keys(3000))) / share(real) - 1) < 0.25


def test_lengths_and_first_times_are_those_of_the_rows() -> None:
    chance = np.random.default_rng(7)
    lengths = chance.choice([2, 3, 9], 2000, p=[0.5, 0.3, 0.2])
    begun = chance.integers(0, 10**6, 2000)
    times = [list(range(b, b + 10 * n, 10)) for b, n in zip(begun, lengths, strict=True)]
    rows = Histories.from_lists([[1] * n for n in lengths], 1, times=times)
    made = Markov().fit(rows, 7).sample(keys(4000))
    assert abs((made.lengths == 9).mean() - 0.2) < 0.03
    assert abs(np.median(made.times[made.starts[:-1]]) - np.median(begun)) < 30_000
    assert Markov(events_range=(3, 4)).fit(rows, 7).sample(keys(50)).lengths.tolist().count(3) > 20


def test_fitting_targets_are_the_new_events_after_and_the_given_ones_before() -> None:
    rows, _ = simulate_first_order(6, rows=50, length=5, seed=1)
    rows = replace(rows, n_targets=np.full(50, 1, np.int32))  # windows: only the last event is a target

    def targets(where: str, chosen: str) -> list[int]:
        config = Markov(where=where, targets=chosen, new_events_range=(2, 2))
        return np.unique(config.fit(rows, 7).sample(keys(50), rows).n_targets).tolist()

    assert targets("after", "fitting") == targets("after", "new") == [2]
    assert targets("after", "given") == [3]
    assert targets("after", "all") == targets("before", "all") == [6]
    assert targets("before", "fitting") == targets("before", "given") == [1]


def test_a_reversed_chain_predicts_the_previous_item() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4]] * 30, n_items=4, times=[[0, 100, 200, 300]] * 30)
    known = Histories.from_lists([[3, 4]], n_items=4, times=[[250, 300]])
    made = Markov(order=2, where="before", new_events_range=(2, 2)).fit(rows, 7)
    drawn = [made.sample(key, known).items.tolist() for key in keys(50)[:, None]]
    assert drawn.count([1, 2, 3, 4]) > 35


def test_other_columns_follow_and_are_empty_for_synthetic_events() -> None:
    rows = replace(Histories.from_lists([[1, 2]], 2), extra={"price": np.array([3.0, 4.0])})
    fitted = Markov(where="after", new_events_range=(1, 1)).fit(rows, 7)
    np.testing.assert_array_equal(fitted.sample(keys(1), rows).extra["price"], [3.0, 4.0, np.nan])
    assert np.isnan(fitted.sample(keys(3)).extra["price"]).all()


def test_a_single_item_is_enough() -> None:
    made = Markov().fit(Histories.from_lists([[1]], 1), 7).sample(keys(5))
    assert set(made.items.tolist()) == {1}


def test_items_that_training_never_saw_are_context_without_a_follower() -> None:
    fitted = Markov(where="after", new_events_range=(3, 3)).fit(Histories.from_lists([[1, 2, 1, 2]], n_items=9), 7)
    made = fitted.sample(keys(2), Histories.from_lists([[8], [10]], n_items=9))  # 10 is the mask
    assert set(made.items[[1, 2, 3, 5, 6, 7]].tolist()) <= {1, 2}
    assert np.isfinite(fitted.log_likelihood(Histories.from_lists([[8, 9, 1]], n_items=9))).all()


def test_bad_input_raises_a_clear_error(tmp_path) -> None:
    with pytest.raises(FitError, match="at least one event"):
        Markov().fit(Histories.from_lists([[], []], 3), 7)
    with pytest.raises(DataError, match="2 keys, one a row"):
        Markov(where="after").fit(Histories.from_lists([[1, 2]], 3), 7).sample(
            keys(3), Histories.from_lists([[1], [2]], 3)
        )
    with pytest.raises(DataError, match=r"markov\.json of a fitted markov"):
        Markov.load(tmp_path)
    fitted = Markov().fit(Histories.from_lists([[1, 2]], 3), 7)
    fitted.save(tmp_path)
    with np.load(tmp_path / "markov.npz") as held:
        np.savez(tmp_path / "markov.npz", **dict(held), **{"chain.counts": np.zeros(1)})
    with pytest.raises(DataError, match="of this version"):
        Markov.load(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": 0},
        {"where": "afer"},
        {"events_range": (3, 2)},
        {"temperature": 0},
        {"top_p": 0},
        {"where": "before", "targets": "new"},
    ],
)
def test_an_invalid_config_is_rejected(wrong) -> None:
    with pytest.raises(SpecError):
        Markov(**wrong)
