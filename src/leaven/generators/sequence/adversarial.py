"""Can a judge tell rows that a net draws from real ones, and can the net learn from being told?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.generators.sequence.decoder import Decoder, Epoch
from leaven.generators.sequence.fitting import Ground
from leaven.nn.training import Chance

Ints = npt.NDArray[np.int64]

_SPANS = (2, 3)  # neighbouring events that the judge looks at together


@dataclass(frozen=True)
class Aim:
    """loss: relativistic or source; penalty: weight of both gradient penalties, 0: none; anchor: weight of the
    likelihood of real rows beside the judge's word; heat: of the Gumbel-softmax; places: most events of a row."""

    loss: str
    penalty: float
    anchor: float
    heat: float
    rows: int
    places: int


class Judge(nn.Module):
    """A score of rows, higher is realer: convolutions over neighbouring events' vectors, their mean and largest."""

    def __init__(self, items: Tensor, chance: torch.Generator) -> None:
        super().__init__()
        width = items.shape[1]
        with torch.random.fork_rng(devices=[]):
            self.items = nn.Embedding(*items.shape)
            self.spans = nn.ModuleList(nn.Conv1d(width, width, span, padding=span - 1) for span in _SPANS)
            self.rise, self.score = nn.Linear(2 * len(_SPANS) * width, width), nn.Linear(width, 1)
        with torch.no_grad():
            self.items.weight.copy_(items)
            for module in (self.spans, self.rise, self.score):
                for name, weights in module.named_parameters():
                    if name.endswith("bias"):
                        weights.zero_()
                    else:
                        weights.normal_(0.0, (2 / weights[0].numel()) ** 0.5, generator=chance)

    def forward(self, vectors: Tensor, inside: Tensor) -> Tensor:
        """vectors (rows, places, width), inside bool (rows, places) -> (rows,)."""
        x, seen = (vectors * inside[..., None]).transpose(1, 2), []
        for span in self.spans:
            there = F.leaky_relu(span(x)[..., : x.shape[2]], 0.2)
            there = there * inside[:, None]
            seen += [there.sum(2) / inside.sum(1, keepdim=True), there.amax(2)]
        score: Tensor = self.score(F.leaky_relu(self.rise(torch.cat(seen, dim=1)), 0.2))
        return score[:, 0]


class Rivals(nn.Module):
    """A decoder of cell `gru` and its judge."""

    def __init__(self, decoder: Decoder, judge: Judge) -> None:
        super().__init__()
        self.decoder, self.judge = decoder, judge

    def forward(self, rows: Real, noise: Tensor, heat: float) -> Tensor:
        """float (rows, places, items): rows drawn at the times of real ones, each event a 1 among zeros whose gradient
        is that of the Gumbel-softmax (Jang, Gu and Poole, ICLR 2017, sec. 2.2). noise: Gumbel's, of that shape."""
        net, drawn = self.decoder, []
        assert net.gru is not None
        table, vectors = net.items.weight[1 : net.shape.n_items + 1], net.vectors()
        hidden = net.bias.new_zeros(net.shape.layers, len(rows.items), net.shape.width)
        read = net.items.weight[net.shape.n_items + 1].expand(len(rows.items), -1)
        for place in range(rows.items.shape[1]):
            out, hidden = net.gru(read[:, None], hidden)
            state = net.last(out[:, 0]) + net.at(rows.when[:, place])
            logits = state @ vectors[:, :-1].T + vectors[:, -1] + noise[:, place]
            soft = torch.softmax(logits / heat, dim=1)
            hard = F.one_hot(logits.argmax(1), logits.shape[1]).to(soft.dtype)
            drawn.append(hard - soft.detach() + soft)
            read = drawn[-1] @ table
        return torch.stack(drawn, dim=1)


class Real(NamedTuple):
    """items int64 (rows, places), 0 behind a row's end; when float64 (rows, places): times as places between knots;
    judging: whose turn it is to learn."""

    items: Tensor
    when: Tensor
    judging: bool

    @property
    def inside(self) -> Tensor:
        """bool (rows, places): where there is an event."""
        return self.items > 0


class Rivalry:
    """The task (`training.Task`) of a judge and a decoder that learn in turns; there is nothing to look at."""

    def __init__(self, net: Rivals, aim: Aim, ground: Ground, key: int) -> None:
        self.net: nn.Module = net
        self.rivals, self.aim, self.ground, self.key = net, aim, ground, key
        self.long = np.flatnonzero(ground.learning.lengths >= 3)  # the id that begins it, and two events

    def epoch(self, number: int, progress: float) -> Sequence[Real]:
        """Batches of rows, each twice: for the judge, then for the decoder."""
        rows = self.ground.learning
        order = self.long[np.argsort(rng.row_keys(rng.key(self.key, "order", number), rows.keys[self.long]))]
        cuts = list(_cuts(order, self.aim.rows))
        return Epoch(2 * len(cuts), lambda nth: self._real(cuts[nth // 2], nth % 2 == 0))

    def _real(self, index: Ints, judging: bool) -> Real:
        rows = self.ground.learning
        first, length = rows.starts[index][:, None] + 1, np.minimum(rows.lengths[index] - 1, self.aim.places)[:, None]
        place = np.arange(int(length.max()))
        events = np.where(place < length, first + place, first)
        knots = self.ground.knots
        when = torch.from_numpy(np.interp(rows.times[events], knots, np.arange(len(knots))))
        items = np.where(place < length, rows.items[events], 0).astype(np.int64)
        return Real(torch.from_numpy(items), when, judging)

    def loss(self, net: nn.Module, batch: Real, chance: Chance) -> tuple[Tensor, int]:
        """(the loss of whose turn it is, rows)."""
        device, n_items = self.rivals.decoder.bias.device, self.rivals.decoder.shape.n_items
        real = Real(batch.items.to(device), batch.when.to(device), batch.judging)
        points = torch.rand(*real.items.shape, n_items, generator=chance.generator("gumbel")).clamp(1e-10, 1 - 1e-7)
        noise = -(-points.log()).log().to(device)
        self.rivals.judge.requires_grad_(real.judging)  # who does not learn keeps its weights
        with torch.set_grad_enabled(not real.judging):
            drawn = net(real, noise, self.aim.heat)
        made = drawn @ self.rivals.judge.items.weight[1 : n_items + 1]
        known = self.rivals.judge.items(real.items)
        if real.judging:
            return self._judges_loss(known, made, real.inside), len(batch.items)
        return self._decoders_loss(known, made, real), len(batch.items)

    def _judges_loss(self, known: Tensor, made: Tensor, inside: Tensor) -> Tensor:
        judge, apart = self.rivals.judge, self.aim.penalty > 0
        of_known, of_made = judge(known, inside), judge(made, inside)
        loss = _judges(self.aim.loss, of_known, of_made)
        if not apart:
            return loss
        slopes = torch.autograd.grad((of_known.sum(), of_made.sum()), (known, made), create_graph=True)
        return loss + 0.5 * self.aim.penalty * sum((slope**2).sum((1, 2)).mean() for slope in slopes)

    def _decoders_loss(self, known: Tensor, made: Tensor, real: Real) -> Tensor:
        judge = self.rivals.judge
        of_made = judge(made, real.inside)
        if self.aim.loss == "source":
            loss = -F.softplus(of_made).mean()  # log(1 - D(G(z))): the decoder wants it small
        else:
            loss = F.softplus(judge(known, real.inside) - of_made).mean()
        return loss + self.aim.anchor * self._surprisal(real) if self.aim.anchor > 0 else loss

    def _surprisal(self, real: Real) -> Tensor:
        """Mean surprisal of the real rows' events."""
        net = self.rivals.decoder
        begun = torch.full_like(real.items[:, :1], net.shape.n_items + 1)
        inputs, inside = torch.cat([begun, real.items[:, :-1]], dim=1), real.inside
        vectors, states = net.vectors(), net.states(inputs)[inside] + net.at(real.when[inside])
        return F.cross_entropy(states @ vectors[:, :-1].T + vectors[:, -1], real.items[inside] - 1)

    def look(self, net: nn.Module) -> float | None:
        return None


def _judges(loss: str, known: Tensor, made: Tensor) -> Tensor:
    """source: -E log D(x) - E log(1 - D(G(z))); relativistic: each real row against one made at its times
    (Jolicoeur-Martineau, ICLR 2019; Huang et al., NeurIPS 2024, eq. 2)."""
    if loss == "source":
        return F.softplus(-known).mean() + F.softplus(made).mean()
    return F.softplus(made - known).mean()


def _cuts(order: Ints, rows: int) -> Iterator[Ints]:
    for first in range(0, len(order), rows):
        yield order[first : first + rows]
