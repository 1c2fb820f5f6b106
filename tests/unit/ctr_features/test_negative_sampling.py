"""Negatives are on sale, not taken by the user, and drawn by the row's own key."""

import numpy as np
import pytest

from leaven import rng
from leaven.ctr_features.negative_sampling import DAY, EventArrays, SampledNegatives, sample_negatives
from leaven.ctr_features.sampling_config import SamplingConfig
from leaven.errors import SpecError

N_USERS, N_ITEMS = 30, 20
NO_RELEASE = np.iinfo(np.int64).max


def build_events(seed: int = 1, n: int = 600, born: dict[int, int] | None = None) -> EventArrays:
    """Random events of 100 days; items 1..10 are of category 1, the others of category 2."""
    generator = np.random.default_rng(seed)
    release = np.full(N_ITEMS + 1, NO_RELEASE)
    for item, time in (born or {}).items():
        release[item] = time
    return EventArrays(
        generator.integers(1, N_USERS + 1, n),
        generator.integers(1, N_ITEMS + 1, n),
        np.sort(generator.integers(0, 100 * DAY, n)),
        np.array([0, *[1] * 10, *[2] * 10]),
        release,
    )


def sample(events: EventArrays, config: SamplingConfig, rows: np.ndarray | None = None) -> SampledNegatives:
    """Negatives of all events (or of these) as positives, with the rng keys of their positions."""
    rows = np.arange(len(events.user)) if rows is None else rows
    keys = rng.derive_row_keys(5, rows.astype(np.uint64) + np.uint64(1))
    return sample_negatives(events, events.user[rows], events.item[rows], events.time[rows], keys, config)


@pytest.mark.parametrize("strategy", ["mixed", "uniform", "popularity", "category"])
def test_no_negative_is_taken_at_that_time_or_later_and_none_is_drawn_twice(strategy: str) -> None:
    events = build_events()
    found = sample(events, SamplingConfig(ratio=3, negatives=strategy))
    assert len(found.item) > 500
    for positive, item in zip(found.positive, found.item, strict=True):
        later = (events.user == events.user[positive]) & (events.time >= events.time[positive])
        assert item not in events.item[later]
    pairs = list(zip(found.positive.tolist(), found.item.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


def test_without_repeats_no_item_of_the_user_is_a_negative() -> None:
    events = build_events(n=200)
    found = sample(events, SamplingConfig(ratio=2, allow_repeats=False))
    owned = set(zip(events.user.tolist(), events.item.tolist(), strict=True))
    assert not {(int(events.user[p]), int(i)) for p, i in zip(found.positive, found.item, strict=True)} & owned


def test_negatives_of_a_row_do_not_depend_on_the_other_rows() -> None:
    events = build_events()
    config = SamplingConfig(ratio=2)
    rows = np.arange(0, 600, 7)
    whole, part = sample(events, config), sample(events, config, rows)
    for index, row in enumerate(rows):
        assert part.item[part.positive == index].tolist() == whole.item[whole.positive == row].tolist()


def test_hard_negatives_share_the_category_of_their_positive() -> None:
    events = build_events(n=2000)
    found = sample(events, SamplingConfig(ratio=1, negatives="category"))
    same = events.category[found.item] == events.category[events.item[found.positive]]
    assert same.mean() > 0.9  # the rest had no other item left


def test_popular_items_are_drawn_more_often_by_popularity() -> None:
    events = build_events(n=3000)
    popular = np.where(np.arange(3000) % 2 == 0, 1, events.item)
    skewed = EventArrays(events.user, popular, events.time, events.category, events.born)
    late = np.flatnonzero(skewed.time > 50 * DAY)
    shares = []
    for strategy in ("uniform", "popularity"):
        found = sample(skewed, SamplingConfig(ratio=1, negatives=strategy), late)
        shares.append((found.item == 1).mean())
    assert shares[1] > shares[0]


def test_an_item_is_a_candidate_from_the_day_after_its_release_and_not_long_after_its_last_event() -> None:
    events = build_events(born={20: 0})
    only_early = events.time < 10 * DAY
    item = np.where((events.item == 20) & ~only_early, 1, events.item)
    events = EventArrays(events.user, item, events.time, events.category, events.born)
    found = sample(events, SamplingConfig(ratio=3, on_sale_days=20))
    days = events.time[found.positive[found.item == 20]] // DAY
    assert len(days)
    assert days.max() <= 10 + 20
    assert days.min() >= 1


def test_every_lost_negative_is_counted() -> None:
    events = build_events(n=300)
    config = SamplingConfig(ratio=4)
    found = sample(events, config)
    wanted = int(found.on_sale.sum()) * config.ratio
    assert len(found.item) + found.counts["given_up"] == wanted
    assert found.counts["not_on_sale"] == int((~found.on_sale).sum())


@pytest.mark.parametrize(
    "fields", [{"ratio": 0}, {"on_sale_days": 0}, {"negatives": "hard"}, {"window_days": ()}, {"window_days": (0,)}]
)
def test_impossible_configs_are_refused(fields) -> None:
    with pytest.raises(SpecError, match="sampling"):
        SamplingConfig(**fields)
