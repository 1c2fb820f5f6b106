"""The autoregressive generator learns sequences, and respects times, availability and repeats."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [torch]")

import torch

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.sequence.decoder import Decoder
from leaven.generators.sequence.decoding import DecodingCache
from leaven.generators.sequence.fitted_decoder import FittedDecoder
from leaven.generators.sequence.fitting import prepend_start_token
from leaven.generators.sequence.item_sampling import truncate_logits
from leaven.generators.sequence.markov import Markov
from leaven.kernels.softmax_sampling import sample_from_logits
from leaven.nn.sequence_encoder import EncoderShape
from leaven.simulator import simulate_second_order


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def quick(rows: Histories, **config) -> FittedDecoder:
    small = {"width": 16, "layers": 1, "heads": 2, "steps": 40, "cell": "gru"}
    return Autoregressive(**small | config).fit(rows, 7)


@pytest.mark.parametrize("cell", ["transformer", "gru"])
def test_cached_decoding_equals_the_full_forward_pass(cell) -> None:
    chance = torch.Generator().manual_seed(1)
    net = Decoder(EncoderShape(9, 8, 2, 2, 16, 20, 0.0), cell, 4, torch.ones(9), chance).double().eval()
    items = torch.randint(1, 11, (5, 7), generator=chance)
    with torch.inference_mode():
        whole, memory = net.encode_events(items), DecodingCache(net, 5, 7)
        steps = torch.stack([memory.read_items(items[:, place]) for place in range(7)], dim=1)
    torch.testing.assert_close(steps, whole, rtol=1e-10, atol=1e-10)


def test_a_net_with_two_items_of_context_beats_a_chain_with_one() -> None:
    rows, _ = simulate_second_order(5, rows=1200, length=9, seed=3)
    unseen = simulate_second_order(5, rows=1500, length=9, seed=3)[0].take(np.arange(1200, 1500))
    net = quick(rows, width=32, steps=250, learning_rate=1e-2, dropout=0.0)
    chain = Markov(order=1).fit(rows, 7)
    assert net.log_likelihood(unseen).mean() > chain.log_likelihood(unseen).mean() + 0.5
    scored = Markov(order=2).fit(rows, 7)  # the true model gives the net's rows a higher likelihood
    assert scored.log_likelihood(net.sample(keys(400))).mean() > scored.log_likelihood(chain.sample(keys(400))).mean()


def test_items_are_on_sale_and_no_event_is_after_the_end() -> None:
    rows = [[1, 2, 1, 2]] * 60 + [[3, 1, 3, 2]] * 60
    times = [[0, 10, 20, 30]] * 60 + [[1000, 1010, 1020, 1030]] * 60
    made = quick(Histories.from_lists(rows, n_items=4, times=times), steps=5).sample(keys(400)).validate()
    assert made.times[made.items == 3].min() >= 1000
    assert made.times.max() <= 1030
    assert 4 not in made.items  # not in the training rows


def test_data_without_repeats_gives_rows_without_repeats() -> None:
    chance = np.random.default_rng(5)
    rows = Histories.from_lists([(chance.permutation(7)[:5] + 1).tolist() for _ in range(300)], 7)
    fitted = quick(rows, steps=10)
    made = fitted.sample(keys(200))
    assert fitted.decoding.repeat_factor == 0.0
    assert all(len(set(made.row_items(i).tolist())) == made.lengths[i] for i in range(200))
    known = Histories.from_lists([[1, 2, 3, 4, 5, 6, 7]] * 2, 7)  # holds everything: it may repeat itself
    longer = replace(fitted, config=replace(fitted.config, where="after")).sample(keys(2), known)
    assert (longer.lengths > 7).all()


def test_popularity_follows_the_time() -> None:
    rows = [[1, 2, 1, 2]] * 200 + [[3, 4, 3, 4]] * 200 + [[1, 2, 3, 4]] * 4
    times = [[0, 10, 20, 30]] * 200 + [[10**6 + n for n in (0, 10, 20, 30)]] * 200 + [[0, 1, 10**6, 10**6 + 1]] * 4
    fitted = quick(Histories.from_lists(rows, 4, times=times), steps=150, learning_rate=2e-2, dropout=0.0)
    made = fitted.sample(keys(300))
    first, begun_at = made.items[made.starts[:-1]], made.times[made.starts[:-1]]
    assert (first[begun_at < 10] <= 2).mean() > 0.9
    assert (first[begun_at >= 10**6] >= 3).mean() > 0.9


def test_training_and_sampling_leave_global_generators_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    rows, _ = simulate_second_order(4, rows=60, length=6, seed=1)
    one, two = quick(rows, steps=5), quick(rows, steps=5)
    assert one.sample(keys(20)).items.tolist() == two.sample(keys(20)).items.tolist()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_history_longer_than_the_context_is_continued_from_its_end() -> None:
    rows, _ = simulate_second_order(4, rows=60, length=12, seed=1)
    fitted = quick(rows, steps=5, max_length=4, where="after", new_events_range=(2, 2))
    whole = fitted.sample(keys(60), rows)
    tail = rows.take(np.arange(60))
    cut = np.concatenate([np.arange(s + 6, s + 12) for s in rows.starts[:-1]])
    tail = rows.replace_events(np.arange(61) * 6, rows.items[cut], rows.times[cut], cut)
    assert (
        whole.items.reshape(60, 14)[:, -2:].tolist()
        == fitted.sample(keys(60), tail).items.reshape(60, 8)[:, -2:].tolist()
    )


def test_truncation_keeps_the_most_probable_items() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.3, 0.2]], dtype=torch.float64).log()

    def kept(top_k: int, top_p: float) -> list[int]:
        return torch.isfinite(truncate_logits(logits.clone(), top_k, top_p)).int().tolist()[0]

    assert kept(2, 1.0) == [0, 1, 1, 0]
    assert kept(0, 0.6) == [0, 1, 1, 0]
    assert kept(0, 0.3) == [0, 1, 0, 0]
    assert kept(3, 1.0) == [0, 1, 1, 1]


def picks(u: float, now: int = 9, held: tuple[int, ...] = (), keep_seen: float = 1.0) -> int:
    """Among items of probability .1, .4, .3, .2, born at 0, 0, 5 and 9."""
    logits, born = np.log([[0.1, 0.4, 0.3, 0.2]]), np.array([0, 0, 5, 9])
    taken = np.isin(np.arange(4), held).astype(np.uint8)[None]
    return int(sample_from_logits(logits, born, np.array([now]), taken, keep_seen, np.array([u]))[0])


def test_draws_follow_the_item_probabilities() -> None:
    assert [picks(u) for u in (0.0, 0.09, 0.11, 0.49, 0.51, 0.79, 0.81, 1 - 2**-53)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [picks(u, now=4) for u in (0.19, 0.21, 0.99)] == [0, 1, 1]  # .1 and .4 of .5
    assert [picks(u, held=(1,), keep_seen=0.0) for u in (0.16, 0.17, 0.99)] == [0, 2, 3]  # .1, .3 and .2 of .6
    assert [picks(u, held=(1,), keep_seen=0.5) for u in (0.12, 0.13, 0.37, 0.38)] == [0, 1, 1, 2]  # .2 of .8
    assert [picks(u, held=(0, 1, 2, 3), keep_seen=0.0) for u in (0.09, 0.11)] == [0, 1]  # it may repeat itself
    assert picks(0.99, now=-1) == 3  # nothing is on sale yet


def test_rows_start_with_the_mask_id_and_contain_no_other() -> None:
    read = prepend_start_token(
        Histories.from_lists([[1, 4, 2], [], [4]], n_items=3, times=[[5, 6, 7], [], [9]])
    )  # 4 is the mask
    assert read.items.tolist() == [4, 1, 2, 4, 4]
    assert read.times[1:3].tolist() == [5, 7]
    assert read.n_targets.tolist() == [2, 0, 0]


def test_an_invalid_config_and_rows_without_events_are_rejected() -> None:
    for wrong in ({"cell": "lstm"}, {"width": 15}, {"dropout": 1.0}, {"temperature": 0}, {"steps": 0}):
        with pytest.raises(SpecError):
            Autoregressive(**wrong)
    with pytest.raises(FitError, match="at least one event"):
        Autoregressive().fit(Histories.from_lists([[]], 3), 7)
