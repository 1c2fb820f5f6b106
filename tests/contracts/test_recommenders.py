"""Contract of every registered recommender.

Data are tiny, so that a network passes in seconds; a trained kind takes at most `STEPS` steps, and a kind in `SMALL`
has a small network.
"""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories, concat_histories
from leaven.errors import DataError, FitError, LeavenError, MissingExtra, SpecError
from leaven.protocols import RankedItems, TrainingContext
from leaven.recommenders.transformer import Transformer
from leaven.registry import list_kinds
from leaven.simulator import simulate_first_order

KINDS = sorted(list_kinds("recommenders"))
BLIND_TO_ORDER = {"popularity", "recent_popularity", "ease", "sparse_linear", "ials", "content_fusion"}
SEQUENTIAL = [kind for kind in KINDS if kind not in BLIND_TO_ORDER]
STEPS = 120
TINY = {"width": 32, "layers": 1, "negatives": 64, "batch_events": 128}
SMALL: dict[str, dict] = {"transformer": TINY, "multimodal": {"transformer": Transformer(**TINY)}}
SMALL["rank_fusion"] = {"first": Transformer(**TINY)}
N_ITEMS = 12
READS_ITEMS = {"multimodal", "content_fusion"}
"""Kinds that need a catalogue; the worlds of this suite get one."""


def class_of(kind: str):
    module, _, name = list_kinds("recommenders")[kind].partition(":")
    return getattr(import_module(module), name)


def wish_of(kind: str):
    """The wish in a size for tiny worlds, its own defaults where none is known."""
    return class_of(kind)(**SMALL.get(kind, {}))


def frozen(histories: Histories) -> Histories:
    """The same rows, every array read-only."""
    for array in (histories.items, histories.times, histories.starts, histories.row_ids, histories.parents):
        array.setflags(write=False)
    for array in (histories.origin, histories.weight, histories.n_targets):
        array.setflags(write=False)
    return histories


def with_items(kind: str, train: Histories) -> Histories:
    return replace(train, catalog=catalog(train.n_items)) if kind in READS_ITEMS else train


def fit(kind: str, train: Histories, key: int = 1, valid: HeldOut | None = None, refresh=None):
    wish, train = wish_of(kind), with_items(kind, train)
    wanted = wish.steps(train) if len(train) else None
    steps = None if wanted is None else min(wanted, STEPS)
    try:
        return wish.fit(frozen(train), TrainingContext(key=key, steps=steps, validation=valid, rows_for_epoch=refresh))
    except MissingExtra as missing:
        pytest.skip(str(missing))


def catalog(n_items: int) -> Catalog:
    """Items of two words each; the last item has none."""
    looks, things = ["rose", "plain", "steel"], ["soap", "cream", "knife", "lamp", "towel"]
    titles = [f"{looks[item % 3]} {things[item % 5]}" for item in range(n_items - 1)] + [""]
    return Catalog([str(item) for item in range(n_items)], {"title": titles})


def circle(rows: int, length: int, step: int = 1, n_items: int = N_ITEMS, first_key: int = 1) -> Histories:
    """Item i is followed by i + step, around a circle; rows begin at every place."""
    paths = [[(row + step * place) % n_items + 1 for place in range(length)] for row in range(rows)]
    return Histories.from_lists(paths, n_items, row_ids=list(range(first_key, first_key + rows)))


def crowded(rows: int = 150) -> Histories:
    """No order at all, but item 1 is taken most, then 2, then 3 …; 11 and 12 never."""
    chance = np.random.default_rng(5)
    law = 0.6 ** np.arange(N_ITEMS - 2)
    return Histories.from_lists(
        [(chance.choice(N_ITEMS - 2, 5, p=law / law.sum()) + 1).tolist() for _ in range(rows)], N_ITEMS
    )


@cache
def on_circle(kind: str):
    return fit(kind, circle(240, 6))


@cache
def on_crowd(kind: str):
    return fit(kind, crowded())


def known_users() -> Histories:
    """Histories of every kind: long and short, with repeats, with the mask, and none at all."""
    mask = N_ITEMS + 1
    rows = [[1, 2, 3], [5], [], [4, 4, 4], [mask, 7, 8], [9, mask], [mask], list(range(1, 11)), [3, 2, 1, 3, 2, 1]]
    return frozen(Histories.from_lists(rows, N_ITEMS))


def as_bytes(ranked: RankedItems) -> tuple[bytes, bytes]:
    return ranked.items.tobytes(), ranked.scores.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("repeats", [False, True])
def test_a_list_holds_k_different_items_with_falling_scores(kind, repeats) -> None:
    users = known_users()
    ranked = on_circle(kind).recommend(users, 4, allow_repeats=repeats)
    assert ranked.items.shape == ranked.scores.shape == (len(users), 4)
    assert ranked.items.dtype == np.int32
    assert ranked.scores.dtype == np.float32
    assert (ranked.scores[:, 1:] <= ranked.scores[:, :-1]).all()
    for user, row in enumerate(ranked.items):
        offered = row[row > 0]
        left = N_ITEMS if repeats else N_ITEMS - len(set(users.row_items(user).tolist()) & set(range(1, N_ITEMS + 1)))
        assert len(set(offered.tolist())) == len(offered) == min(4, left)
        assert np.isfinite(ranked.scores[user, : len(offered)]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_no_seen_item_is_listed(kind) -> None:
    users = known_users()
    ranked = on_circle(kind).recommend(users, N_ITEMS)
    for user, row in enumerate(ranked.items):
        assert not set(row.tolist()) & set(users.row_items(user).tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_seen_items_are_listed_if_repeats_are_allowed(kind) -> None:
    users = known_users()
    ranked = on_circle(kind).recommend(users, N_ITEMS, allow_repeats=True)
    for row in ranked.items:
        assert sorted(row.tolist()) == list(range(1, N_ITEMS + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_mask_and_padding_are_never_listed(kind) -> None:
    masked = circle(120, 6)
    items = masked.items.copy()
    items[::5] = masked.mask_id
    fitted = fit(kind, replace(masked, items=items))
    for repeats in (False, True):
        ranked = fitted.recommend(known_users(), 2, allow_repeats=repeats)
        assert ((ranked.items >= 1) & (ranked.items <= N_ITEMS)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("repeats", [False, True])
def test_a_list_longer_than_the_catalog_is_padded(kind, repeats) -> None:
    users = known_users()
    ranked = on_circle(kind).recommend(users, N_ITEMS + 5, allow_repeats=repeats)
    assert ranked.items.shape == (len(users), N_ITEMS + 5)
    empty = ranked.items == 0
    assert (np.diff(empty.astype(int), axis=1) >= 0).all()
    assert empty[:, -5:].all()
    assert np.isneginf(ranked.scores[empty]).all()
    assert np.isfinite(ranked.scores[~empty]).all()
    assert ranked.items.max() <= N_ITEMS


@pytest.mark.parametrize("kind", SEQUENTIAL)
def test_the_next_item_of_a_circle_comes_first(kind) -> None:
    users = circle(N_ITEMS, 4)
    ranked = on_circle(kind).recommend(users, 1)
    assert ranked.items[:, 0].tolist() == [(start + 4) % N_ITEMS + 1 for start in range(N_ITEMS)]


@pytest.mark.parametrize("kind", SEQUENTIAL)
def test_accuracy_is_close_to_the_optimum_of_a_markov_chain(kind) -> None:
    rows, law = simulate_first_order(n_items=10, rows=300, length=8, seed=3)
    last = rows.items[rows.starts[1:] - 1]
    first = fit(kind, rows).recommend(rows, 1, allow_repeats=True).items[:, 0]
    chance = law[last - 1, first - 1].mean()
    assert chance > 2 / 3 * law[last - 1].max(axis=1).mean()
    assert chance > 2 * law[last - 1].mean()


@pytest.mark.parametrize("kind", KINDS)
def test_without_sequential_signal_popular_items_come_first(kind) -> None:
    ranked = on_crowd(kind).recommend(crowded(), 3, allow_repeats=True)
    popular = np.isin(ranked.items, [1, 2, 3, 4]).mean()
    assert popular > (0.6 if kind in READS_ITEMS else 0.8)  # items of like words are pulled up with the popular ones


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_without_a_history_gets_popular_items(kind) -> None:
    train = crowded()
    counts = np.bincount(train.items, minlength=N_ITEMS + 1)
    ranked = on_crowd(kind).recommend(frozen(Histories.from_lists([[], []], N_ITEMS)), 3)
    assert ranked.items[0].tolist() == ranked.items[1].tolist()
    assert (ranked.items > 0).all()
    assert counts[ranked.items].mean() > 2 * counts[1:].mean()


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_change_nothing(kind, tmp_path) -> None:
    fitted, users = on_circle(kind), known_users()
    fitted.save(tmp_path / "new" / "folder")
    again = class_of(kind).load(tmp_path / "new" / "folder")
    for repeats in (False, True):
        one, two = (model.recommend(users, 6, allow_repeats=repeats) for model in (fitted, again))
        assert as_bytes(one) == as_bytes(two)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("kind", KINDS)
def test_loading_without_a_saved_model_raises_an_error_with_the_folder(kind, tmp_path) -> None:
    with pytest.raises(DataError, match=tmp_path.name):
        class_of(kind).load(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_gives_the_same_bytes(kind) -> None:
    users = known_users()
    again = fit(kind, circle(240, 6))
    assert as_bytes(again.recommend(users, 6)) == as_bytes(on_circle(kind).recommend(users, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_training_rows_does_not_matter(kind) -> None:
    train, users = circle(240, 6), known_users()
    shuffled = train.take(np.random.default_rng(1).permutation(len(train)))
    one, two = on_circle(kind).recommend(users, 6), fit(kind, shuffled).recommend(users, 6)
    assert as_bytes(one) == as_bytes(two)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_weight_zero_have_no_effect(kind) -> None:
    """Many rows tell a lie; with weight 0 they are as good as absent, with weight 1 they win."""
    truth, lie = circle(120, 4), circle(480, 4, step=N_ITEMS - 1, first_key=1000)
    if kind in BLIND_TO_ORDER:
        truth, lie = (
            Histories.from_lists([[1, 2]] * 10, N_ITEMS),
            Histories.from_lists([[3, 4]] * 40, N_ITEMS, row_ids=range(100, 140)),
        )
    users = frozen(Histories.from_lists([[7] if kind in SEQUENTIAL else []], N_ITEMS))
    true_next, false_next = ({8}, {5, 6}) if kind in SEQUENTIAL else ({1, 2}, {3, 4})
    both = concat_histories([truth, lie])
    weight = both.weight.copy()
    weight[len(truth) :] = 0.0
    quiet = fit(kind, replace(both, weight=weight)).recommend(users, 1).items[0, 0]
    loud = fit(kind, both).recommend(users, 1).items[0, 0]
    assert quiet in true_next
    assert loud in false_next


@pytest.mark.parametrize("kind", KINDS)
def test_training_uses_fresh_rows_in_each_epoch(kind) -> None:
    asked = []

    def refresh(epoch: int, progress: float) -> Histories:
        asked.append((epoch, progress))
        return circle(120, 4, step=5) if kind in SEQUENTIAL else Histories.from_lists([[3, 4]] * 10, N_ITEMS)

    fitted = fit(kind, circle(120, 4), refresh=refresh)
    first = fitted.recommend(Histories.from_lists([[4] if kind in SEQUENTIAL else []], N_ITEMS), 1).items[0, 0]
    assert first in ({9} if kind in SEQUENTIAL else {3, 4})
    epochs = [epoch for epoch, _ in asked]
    begun = [place for place, epoch in enumerate(epochs) if epoch == 0]
    assert len(begun) == (2 if kind == "rank_fusion" else 1)  # which asks for each of its two
    for first, last in pairwise([*begun, len(epochs)]):
        assert epochs[first:last] == list(range(last - first))
    assert all(0 <= progress <= 1 for _, progress in asked)


class Onlooker:
    """Keeps what it is shown; asks for the end once half is done."""

    def __init__(self, users: HeldOut) -> None:
        self.validation_rows, self.seen = users, []

    def on_validation(self, step: int, progress: float, losses: np.ndarray) -> str:
        self.seen.append((step, progress, losses))
        return "stop" if progress >= 0.5 else "go on"

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
def test_trained_kinds_report_falling_losses_and_stop_on_request_and_others_report_nothing(kind) -> None:
    world, wish = with_items(kind, circle(240, 6)), wish_of(kind)
    users = circle(40, 4, first_key=1000)
    held_out = HeldOut(users, (users.items[3::4] % N_ITEMS + 1).astype(np.int32), users.times[3::4], np.arange(41))
    onlooker, steps = Onlooker(held_out), None if wish.steps(world) is None else STEPS
    if kind in READS_ITEMS:
        world = replace(world, catalog=catalog(N_ITEMS))
    try:
        wish.fit(frozen(world), TrainingContext(key=1, steps=steps, callback=onlooker))
    except MissingExtra as missing:
        pytest.skip(str(missing))
    if steps is None:
        assert not onlooker.seen
        return
    assert [progress for _, progress, _ in onlooker.seen] == [step / STEPS for step, _, _ in onlooker.seen]
    assert all(losses.shape == (40,) and np.isfinite(losses).all() for _, _, losses in onlooker.seen)
    assert 0.5 <= onlooker.seen[-1][1] < 1.0
    assert onlooker.seen[-1][2].mean() < onlooker.seen[0][2].mean()
    assert onlooker.seen[-1][2].mean() < np.log(N_ITEMS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in READS_ITEMS])
def test_items_that_occur_only_in_held_out_data_are_not_recommended(kind) -> None:
    """The marker is the target of every validation user and absent from training rows. Kinds that read item features
    are excluded, because they can rank the marker by its features.
    """
    marker, users = N_ITEMS, crowded()
    ones = np.arange(len(users) + 1, dtype=np.int64)
    valid = HeldOut(users, np.full(len(users), marker, np.int32), np.full(len(users), 99, np.int64), ones)
    ranked = fit(kind, crowded(), valid=valid).recommend(users, 3)
    assert not (ranked.items == marker).any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_independent_of_the_batch(kind) -> None:
    users, fitted = known_users(), on_circle(kind)
    whole = fitted.recommend(users, 3)
    for user in range(len(users)):
        alone = fitted.recommend(users.slice(user, user + 1), 3)
        np.testing.assert_allclose(alone.scores[0], whole.scores[user], rtol=1e-4, atol=1e-5)
    assert as_bytes(fitted.recommend(users, 3)) == as_bytes(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_no_users_get_no_lists(kind) -> None:
    ranked = on_circle(kind).recommend(frozen(Histories.from_lists([], N_ITEMS)), 3)
    assert ranked.items.shape == ranked.scores.shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_length_are_accepted(kind) -> None:
    train = Histories.from_lists([[], [3], [3, 4], [5, 5, 5, 5], *[[1, 2, 3]] * 20], N_ITEMS)
    ranked = fit(kind, train).recommend(known_users(), 3)
    assert (ranked.items[:7] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_training_rows_without_weight_raise_an_error(kind) -> None:
    for train in (Histories.from_lists([], N_ITEMS), replace(circle(5, 4), weight=np.zeros(5, np.float32))):
        with pytest.raises(FitError):
            fit(kind, train)


@pytest.mark.parametrize("kind", KINDS)
def test_k_of_zero_and_another_catalog_raise_errors(kind) -> None:
    fitted = on_circle(kind)
    with pytest.raises(SpecError):
        fitted.recommend(known_users(), 0)
    with pytest.raises(LeavenError, match="13"):
        fitted.recommend(Histories.from_lists([[1, 13]], 13), 3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_curve_has_each_step_once(kind) -> None:
    steps = [point["step"] for point in on_circle(kind).curve]
    assert steps == sorted(set(steps))
    assert bool(steps) == (wish_of(kind).steps(circle(240, 6)) is not None)


def test_configs_load_without_heavy_libraries() -> None:
    modules = sorted({place.partition(":")[0] for place in list_kinds("recommenders").values()})
    heavy = "{'torch', 'numba', 'duckdb', 'scipy'}"
    code = (
        f"import sys; sys.path[:] = {sys.path}; import {', '.join(modules)}; print(sorted({heavy} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
