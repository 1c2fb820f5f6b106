"""How does a history become a vector that points at the next item?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.sequence_packing import Pack


@dataclass(frozen=True)
class Shape:
    """Sizes of an encoder. width: numbers of a vector; hidden: of the feed-forward layer; length: most inputs."""

    n_items: int
    width: int
    layers: int
    heads: int
    hidden: int
    length: int
    dropout: float


class Block(nn.Module):
    """Attention to what came before, then a feed-forward layer, both on normalised input (Xiong et al., 2020)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.before_attention = nn.LayerNorm(shape.width)
        self.attend = nn.Linear(shape.width, 3 * shape.width)
        self.mix = nn.Linear(shape.width, shape.width)
        self.before_feed = nn.LayerNorm(shape.width)
        self.rise = nn.Linear(shape.width, shape.hidden)
        self.fall = nn.Linear(shape.hidden, shape.width)
        self.dropout = shape.dropout

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (lines, places, width); bias (lines, 1, places, places) is added to the attention's logits."""
        x = x + self._drop(self.mix(self._attended(self.before_attention(x), bias)))
        hidden = self._drop(F.gelu(self.rise(self.before_feed(x))))
        return x + self._drop(self.fall(hidden))

    def _attended(self, x: Tensor, bias: Tensor) -> Tensor:
        lines, places, width = x.shape
        split = self.attend(x).view(lines, places, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (lines, heads, places, width / heads)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return mixed.transpose(1, 2).reshape(lines, places, width)

    def _drop(self, x: Tensor) -> Tensor:
        return dropped(x, self.dropout if self.training else 0.0)


class ItemVectors(Protocol):
    """What an encoder needs from a table of item vectors."""

    def __call__(self, ids: Tensor) -> Tensor: ...

    def every(self) -> Tensor:
        """(items, width): the vectors of all items."""

    def apart(self) -> tuple[Tensor, float] | None:
        """(bool (items,): items with reserved places in lists, the share of those places); None without."""

    def settle(self) -> None:
        """Called once after the weights were initialised: sets the padding vector to 0."""


class ItemTable(nn.Embedding):
    """A vector for each id, learned by taking and being taken: 0 pads, the last is the mask's."""

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__(n_items + 2, width, padding_idx=0)

    def every(self) -> Tensor:
        """(items, width): the vectors of all items."""
        return self.weight[1:-1]

    def apart(self) -> tuple[Tensor, float] | None:
        """(bool (items,): which have places of their own in lists, their share); None: no item has."""
        return None

    def settle(self) -> None:
        """After its numbers were drawn: what pads is nothing."""
        self.weight[0] = 0.0


class Encoder(nn.Module):
    """Pre-norm self-attention over item vectors and ages, whose table also scores the items (SASRec, ICDM 2018).

    Where we differ: layer norm before, GELU, and places counted from the last input. `items`: another table of item
    vectors, with the methods of `ItemTable`, whose numbers are drawn with the others.
    """

    def __init__(self, shape: Shape, chance: torch.Generator, items: ItemVectors | None = None) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(devices=[]):  # layers draw from the global generator, for nothing
            self.items: ItemVectors = items if items is not None else ItemTable(shape.n_items, shape.width)
            self.ages = nn.Embedding(shape.length, shape.width)
            self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
            self.last = nn.LayerNorm(shape.width)
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(shape.n_items))  # how often each item was taken
        self._draw(chance)

    @torch.no_grad()
    def _draw(self, chance: torch.Generator) -> None:
        for name, weights in self.named_parameters():
            if weights.dim() > 1:
                weights.normal_(0.0, 0.02, generator=chance)
            elif name.endswith("bias"):
                weights.zero_()
        self.items.settle()

    def forward(self, pack: Pack, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(states (targets, width) at the pack's places, vectors of `ids`, or of all items where None)."""
        inputs = pack.items.flatten()
        if ids is None:
            return self._states(self.items(inputs), pack), self.items.every()
        both = self.items(torch.cat([inputs, ids]))  # one look-up: one gradient of the table
        return self._states(both[: len(inputs)], pack), both[len(inputs) :]

    def _states(self, looked_up: Tensor, pack: Pack) -> Tensor:
        x = looked_up.view(*pack.items.shape, -1) + self.ages(pack.ages)
        x = dropped(x, self.shape.dropout if self.training else 0.0)
        bias = attention_bias(pack.stretch, x.dtype)
        for block in self.blocks:
            x = block(x, bias)
        return self.last(x.flatten(0, 1)[pack.places])


def dropped(x: Tensor, share: float) -> Tensor:
    """Sets a share of the numbers to 0, in steps of 1/256, and the others so much higher that the mean stays.

    One random byte a number from torch's global generator: about a sixth of the cost of `F.dropout` on a CPU.
    """
    bar = round(share * 256)
    if bar == 0:
        return x
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
    drawn = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()]
    kept = torch.ge(drawn.view(x.shape), bar, out=torch.empty(x.shape, dtype=x.dtype, device=x.device))  # one pass
    return x * kept.mul_(256 / (256 - bar))


def attention_bias(stretch: Tensor, dtype: torch.dtype) -> Tensor:
    """(lines, 1, places, places): 0 where a place may look, minus infinity elsewhere.

    stretch int64 (lines, places). A place sees itself and what came before in its own stretch.
    """
    same = stretch[:, :, None] == stretch[:, None, :]
    bias = torch.zeros(same.shape, dtype=dtype, device=stretch.device)
    return bias.masked_fill_(~same.tril_(), -math.inf)[:, None]
