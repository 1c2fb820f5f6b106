"""Is the law of the simulated shop the one that its users follow?"""

import time
from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.simulator import Simulator, World
from leaven.simulator.behavior_kernels import draw_next, simulate_events
from leaven.simulator.vocabulary import FLAVORS


@pytest.fixture(scope="module")
def world() -> World:
    return Simulator(users=600, items=200, days=300, seed=3).build_world()


def last_out(histories: Histories) -> HeldOut:
    """The last event of every user with three or more."""
    long = histories.take(histories.lengths >= 3)
    last = long.starts[1:] - 1
    source = np.setdiff1d(np.arange(long.n_events), last)
    starts = np.concatenate([[0], np.cumsum(long.lengths - 1)])
    known = long.replace_events(starts, long.items[source], long.times[source], source)
    return HeldOut(known, long.items[last], long.times[last], np.arange(len(long) + 1))


def popularity_ndcg(held_out: HeldOut) -> float:
    known = held_out.histories
    scores = np.tile(np.bincount(known.items, minlength=known.n_items + 1)[1:].astype(float), (len(known), 1))
    scores[known.event_rows(), known.items - 1] = -1
    top = np.argsort(-scores, axis=1)[:, :10] + 1
    return float(((top == held_out.target_items[:, None]) / np.log2(np.arange(2, 12))).sum(axis=1).mean())


@pytest.mark.parametrize("kind", sorted(FLAVORS))
def test_probabilities_sum_to_one_and_every_event_is_possible(kind: str) -> None:
    world = Simulator(users=80, items=60, days=200, seed=5, kind=kind).build_world()
    law = world.next_item_probabilities(world.histories, world.last_times())
    np.testing.assert_allclose(law.sum(axis=1), 1.0, atol=1e-5)
    assert law.min() >= 0
    assert np.isfinite(world.log_likelihood(world.histories)).all()
    world.histories.validate()


@pytest.mark.parametrize("kind", ["shop", "music"])
def test_drawn_items_follow_the_probabilities(kind: str) -> None:
    world = Simulator(users=1, items=60, days=200, seed=2, kind=kind).build_world()
    tries, past = 20_000, [5, 17, 9, 23]
    begin = int(world.table.born.max()) - 86_400 * 20  # late enough for most items, not for all
    when = [begin + 3600 * step for step in range(len(past) + 1)]
    history = Histories.from_lists([past], 60, [when[:-1]])
    chances = world.next_item_probabilities(history, [when[-1]])[0].astype(float)
    counts = np.bincount(simulated_next(world, past, when, tries), minlength=61)[1:]
    assert counts[chances == 0].sum() == 0
    often = tries * chances >= 5
    squares = (counts - tries * chances)[often] ** 2 / (tries * chances)[often]
    freedom = often.sum() - 1
    assert squares.sum() < freedom + 4 * np.sqrt(2 * freedom)  # far in the tail of chi-square


def simulated_next(world: World, past: list[int], when: list[int], tries: int) -> np.ndarray:
    """What the simulator takes after `past`, once a key."""
    keys = np.arange(1, tries + 1, dtype=np.uint64)
    return draw_next(world.choice_model, np.array(past, np.int32), np.array(when[:-1]), when[-1], keys)


def test_the_same_seed_gives_the_same_bytes(world: World) -> None:
    again = world.simulator.build_world()
    assert again.histories.items.tobytes() == world.histories.items.tobytes()
    assert again.histories.times.tobytes() == world.histories.times.tobytes()
    other = replace(world.simulator, seed=4).build_world()
    assert other.histories.items.tobytes() != world.histories.items.tobytes()


def test_more_users_do_not_change_the_histories_of_the_first_ones(world: World) -> None:
    more = replace(world.simulator, users=700).build_world().histories
    assert more.slice(0, 600).items.tobytes() == world.histories.items.tobytes()


def test_no_item_occurs_before_its_release(world: World) -> None:
    assert (world.histories.times >= world.table.born[world.histories.items]).all()
    assert (world.table.born[1:] > world.histories.times.min()).mean() > 0.2  # and many are born later


def test_social_users_never_repeat_and_music_listeners_do() -> None:
    def repeats(kind: str) -> float:
        histories = Simulator(users=200, items=300, seed=1, kind=kind).build_world().histories
        pairs = histories.event_rows() * 1000 + histories.items
        return 1 - len(np.unique(pairs)) / len(pairs)

    assert repeats("social") == 0.0
    assert repeats("music") > 0.3


def test_true_probabilities_rank_better_than_popularity_and_depend_on_the_last_two_events(world: World) -> None:
    held_out = last_out(world.histories)
    best = world.best_ndcg(held_out)
    assert best.shape == (len(held_out),)
    assert best.mean() > 2 * popularity_ndcg(held_out)
    short_sighted = replace(
        world, choice_model=world.choice_model._replace(after_two=np.zeros_like(world.choice_model.after_two))
    )
    assert best.mean() > 1.1 * short_sighted.best_ndcg(held_out).mean()


def test_the_expected_ndcg_of_the_true_ranking_is_reached(world: World) -> None:
    held_out = last_out(world.histories)
    ranked = world.rank_items(held_out, k=200, exclude_seen=False)
    discounts = 1 / np.log2(np.arange(2, 12))
    expected = (np.maximum(ranked.scores[:, :10], 0) * discounts).sum(axis=1)
    got = world.best_ndcg(held_out, exclude_seen=False)
    standard_error = np.std(got - expected) / np.sqrt(len(got))
    assert abs(got.mean() - expected.mean()) < 4 * standard_error


def test_seen_items_are_ranked_only_where_allowed(world: World) -> None:
    held_out = last_out(world.histories)
    ranked = world.rank_items(held_out, k=10)
    for user in range(0, len(held_out), 50):
        assert not set(ranked.items[user]) & set(held_out.histories.row_items(user))
    assert (np.diff(ranked.scores, axis=1) <= 0).all()


def test_renumbered_items_are_matched_by_their_ids(world: World) -> None:
    held_out = last_out(world.histories)
    kept = [name for place, name in enumerate(world.catalog().ids, 1) if place in held_out.histories.items]
    place = Catalog(ids=kept).encode_ids(world.catalog().ids)
    renumber = np.concatenate([[0], place]).astype(np.int32)
    fewer = np.isin(held_out.target_items, held_out.histories.items)
    part = held_out.take(fewer)
    histories = replace(
        part.histories, items=renumber[part.histories.items], n_items=len(kept), catalog=Catalog(ids=kept)
    )
    renamed = HeldOut(histories, renumber[part.target_items], part.target_times, part.target_starts)
    assert world.best_ndcg(renamed).mean() == pytest.approx(world.best_ndcg(part).mean(), rel=0.02)


def test_histories_over_unknown_items_are_an_error(world: World) -> None:
    with pytest.raises(DataError, match="keep the catalog"):
        world.next_item_probabilities(Histories.from_lists([[1]], n_items=3), [world.last_times()[0]])


def test_invalid_configs_are_errors_with_the_fix() -> None:
    with pytest.raises(SpecError, match="did you mean 'music'"):
        Simulator(kind="musik")
    with pytest.raises(SpecError, match="16 or more"):
        Simulator(items=3)


def test_a_world_with_few_items_still_follows_its_probabilities() -> None:
    world = Simulator(users=20, items=16, days=3000, seed=1, mean_events=60).build_world()
    assert np.isfinite(world.log_likelihood(world.histories)).all()


def test_popularity_that_fades_moves_events_to_new_items() -> None:
    shares = []
    for fade_days in (None, 60.0):
        world = Simulator(users=400, items=200, days=300, seed=4, fade_days=fade_days).build_world()
        age = world.histories.times - world.table.born[world.histories.items]
        shares.append(float((age < 60 * 86_400).mean()))
    assert shares[1] > 1.5 * shares[0]


def test_fading_popularity_follows_its_probabilities() -> None:
    world = Simulator(users=60, items=60, days=200, seed=5, initial_share=0.2, fade_days=60).build_world()
    probabilities = world.next_item_probabilities(world.histories, world.last_times())
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert np.isfinite(world.log_likelihood(world.histories)).all()


def test_shares_of_kinds_are_those_of_the_log() -> None:
    world = Simulator(users=300, items=60, days=200, kind_shares=(0.0, 0.25, 0.75)).build_world()
    kinds = world.build_log().interactions["kind"].to_pylist()
    assert set(kinds) == {"cart", "purchase"}
    assert kinds.count("cart") / len(kinds) == pytest.approx(0.25, abs=0.03)


def test_true_events_are_the_history_without_accidental_views(world: World) -> None:
    past = world.histories
    stray = past.replace_events(past.starts, past.items, past.times + 1, np.arange(past.n_events))
    both = np.sort(np.concatenate([np.arange(past.n_events), np.arange(past.n_events)]), kind="stable")
    items, times = past.items[both], np.where(np.arange(len(both)) % 2, stray.times[both], past.times[both])
    noisy = past.replace_events(past.starts * 2, items, times, both)
    held_out = HeldOut(noisy, np.ones(len(past), np.int32), world.last_times(), np.arange(len(past) + 1))
    kept = world.select_true_events(held_out).histories
    np.testing.assert_array_equal(kept.items, past.items)
    np.testing.assert_array_equal(kept.times, past.times)


def test_invalid_shares_are_errors() -> None:
    with pytest.raises(SpecError, match="view, cart, purchase"):
        Simulator(kind_shares=(0.5, 0.5))
    with pytest.raises(SpecError, match="initial_share"):
        Simulator(initial_share=1.5)
    with pytest.raises(SpecError, match="fade_days"):
        Simulator(fade_days=0.0)


@pytest.mark.slow
def test_a_million_events_take_seconds() -> None:
    simulate_events(*_tiny_arguments())
    begun = time.perf_counter()
    events = Simulator(users=70_000, items=20_000).build_world().histories.n_events
    print(f"{events} events in {time.perf_counter() - begun:.1f} s")
    assert events > 1_000_000


def _tiny_arguments() -> tuple:  # type: ignore[type-arg]
    world = Simulator(users=2, items=16, days=10).build_world()
    return world.choice_model, world.histories.times, world.histories.starts, world.histories.row_ids
