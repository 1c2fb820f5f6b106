"""Self-attention encoder of histories for next-item prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.sequence_packing import PackedBatch


@dataclass(frozen=True)
class EncoderShape:
    """Sizes of an encoder. width: of vectors; feedforward_width: of the hidden layer; max_length: inputs."""

    n_items: int
    width: int
    layers: int
    heads: int
    feedforward_width: int
    max_length: int
    dropout: float


class TransformerBlock(nn.Module):
    """Causal self-attention and a feed-forward layer, both pre-norm (Xiong et al., 2020)."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = nn.LayerNorm(shape.width)
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.attention_output = nn.Linear(shape.width, shape.width)
        self.feedforward_norm = nn.LayerNorm(shape.width)
        self.feedforward_in = nn.Linear(shape.width, shape.feedforward_width)
        self.feedforward_out = nn.Linear(shape.feedforward_width, shape.width)
        self.dropout = shape.dropout

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Transforms x (rows, positions, width); bias (rows, 1, positions, positions) is added to the logits."""
        x = x + self._apply_dropout(self.attention_output(self._attend_causally(self.attention_norm(x), bias)))
        hidden = self._apply_dropout(F.gelu(self.feedforward_in(self.feedforward_norm(x))))
        return x + self._apply_dropout(self.feedforward_out(hidden))

    def _attend_causally(self, x: Tensor, bias: Tensor) -> Tensor:
        rows, positions, width = x.shape
        split = self.query_key_value(x).view(rows, positions, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (rows, heads, positions, width / heads)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return attended.transpose(1, 2).reshape(rows, positions, width)

    def _apply_dropout(self, x: Tensor) -> Tensor:
        return apply_dropout(x, self.dropout if self.training else 0.0)


class ItemVectorTable(Protocol):
    """Interface of a table of item vectors."""

    def __call__(self, ids: Tensor) -> Tensor: ...

    def get_all_vectors(self) -> Tensor:
        """Returns the vectors of all items, (items, width)."""

    def get_cold_items(self) -> tuple[Tensor, float] | None:
        """Returns (bool (items,): items with reserved list positions, share of those positions); None without."""

    def reset_padding(self) -> None:
        """Sets the padding vector to 0; called once after the weights are initialized."""


class ItemTable(nn.Embedding):
    """A vector for each id, learned by taking and being taken: 0 pads, the last is the mask's."""

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__(n_items + 2, width, padding_idx=0)

    def get_all_vectors(self) -> Tensor:
        """Returns the vectors of all items, (items, width)."""
        return self.weight[1:-1]

    def get_cold_items(self) -> tuple[Tensor, float] | None:
        """Returns None: no item has reserved positions."""
        return None

    def reset_padding(self) -> None:
        """Sets the padding vector to 0."""
        self.weight[0] = 0.0


class SequenceEncoder(nn.Module):
    """Pre-norm self-attention over item and position vectors; the item table also scores items (SASRec, ICDM 2018).

    Where we differ: pre-norm, GELU, and positions counted from the last input. item_table: another table with the
    methods of `ItemTable`, initialized together with the other weights.
    """

    def __init__(
        self, shape: EncoderShape, generator: torch.Generator, item_table: ItemVectorTable | None = None
    ) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(
            devices=[]
        ):  # layer constructors draw from the global generator; weights are redrawn below
            self.items: ItemVectorTable = (
                item_table if item_table is not None else ItemTable(shape.n_items, shape.width)
            )
            self.position_embeddings = nn.Embedding(shape.max_length, shape.width)
            self.blocks = nn.ModuleList(TransformerBlock(shape) for _ in range(shape.layers))
            self.output_norm = nn.LayerNorm(shape.width)
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(shape.n_items))  # occurrences of each item in the training rows
        self._draw_weights(generator)

    @torch.no_grad()
    def _draw_weights(self, chance: torch.Generator) -> None:
        for name, weights in self.named_parameters():
            if weights.dim() > 1:
                weights.normal_(0.0, 0.02, generator=chance)
            elif name.endswith("bias"):
                weights.zero_()
        self.items.reset_padding()

    def forward(self, pack: PackedBatch, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns (states (targets, width) at the output positions, vectors of `ids`, or of all items if None)."""
        inputs = pack.items.flatten()
        if ids is None:
            return self._encode_states(self.items(inputs), pack), self.items.get_all_vectors()
        both = self.items(torch.cat([inputs, ids]))  # one lookup, so that the table has one gradient
        return self._encode_states(both[: len(inputs)], pack), both[len(inputs) :]

    def _encode_states(self, embedded: Tensor, pack: PackedBatch) -> Tensor:
        x = embedded.view(*pack.items.shape, -1) + self.position_embeddings(pack.steps_to_end)
        x = apply_dropout(x, self.shape.dropout if self.training else 0.0)
        bias = build_attention_bias(pack.segments, x.dtype)
        for block in self.blocks:
            x = block(x, bias)
        return self.output_norm(x.flatten(0, 1)[pack.output_indices])


def apply_dropout(x: Tensor, rate: float) -> Tensor:
    """Applies dropout with a rate in steps of 1/256; kept values are scaled up so that the mean is unchanged.

    Uses one random byte per value from torch's global generator: about a sixth of the cost of `F.dropout` on a CPU.
    """
    threshold = round(rate * 256)
    if threshold == 0:
        return x
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
    random_bytes = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()]
    mask = torch.ge(
        random_bytes.view(x.shape), threshold, out=torch.empty(x.shape, dtype=x.dtype, device=x.device)
    )  # one pass
    return x * mask.mul_(256 / (256 - threshold))


def build_attention_bias(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns the attention mask, (rows, 1, positions, positions): 0 where attended, minus infinity elsewhere.

    segments int64 (rows, positions). A position attends to itself and to earlier positions of its segment.
    """
    same = segments[:, :, None] == segments[:, None, :]
    bias = torch.zeros(same.shape, dtype=dtype, device=segments.device)
    return bias.masked_fill_(~same.tril_(), -math.inf)[:, None]
