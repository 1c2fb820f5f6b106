"""A trained transformer as an ONNX graph, and its int8 form."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import MissingExtra
from leaven.nn.scoring import transpose_vectors
from leaven.nn.sequence_encoder import SequenceEncoder

if TYPE_CHECKING:
    from leaven.recommenders.transformer import TransformerRecommender


class HistoryScores(nn.Module):
    """Scores of all items after histories of one length.

    Unlike the trained network it reads one history a row, padded in front with 0, and all item vectors are constants:
    features of items and their projections are not in the graph.
    """

    def __init__(self, network: SequenceEncoder, use_cosine: bool) -> None:
        super().__init__()
        self.blocks, self.output_norm, self.use_cosine = network.blocks, network.output_norm, use_cosine
        n_ids, length = network.shape.n_items + 2, network.shape.max_length
        with torch.no_grad():
            self.register_buffer("input_vectors", network.items(torch.arange(n_ids)).detach().clone())
            self.register_buffer("output_vectors", transpose_vectors(network, use_cosine).clone())
            positions = network.position_embeddings(torch.arange(length - 1, -1, -1))
            self.register_buffer("positions", positions.detach().clone())
        self.register_buffer("is_before", torch.ones(length, length, dtype=torch.bool).tril())

    def forward(self, items: Tensor) -> Tensor:
        """items int64 (histories, max_length), 0 in front; float32 (histories, items)."""
        x = self.get_buffer("input_vectors")[items] + self.get_buffer("positions")
        is_event = items > 0
        attends = (is_event[:, :, None] == is_event[:, None, :]) & self.get_buffer("is_before")
        bias = torch.where(attends, 0.0, -torch.inf)[:, None]
        for block in self.blocks:
            x = block(x, bias)
        states = self.output_norm(x[:, -1])
        states = F.normalize(states, dim=-1) if self.use_cosine else states
        return states @ self.get_buffer("output_vectors")


def write_onnx(fitted: TransformerRecommender, path: Path) -> None:
    """Write the network as ONNX.

    Input `items` int64 (histories, max_length), 0 in front; output `scores` float32 (histories, items).

    Raises MissingExtra without the libraries of the extra `serve`.
    """
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("onnxscript", "serve") from None
    network = fitted.network.cpu().eval()
    graph = HistoryScores(network, fitted.config.loss != "binary").eval()
    example = torch.ones(2, network.shape.max_length, dtype=torch.int64)
    with _silence_warnings():
        torch.onnx.export(
            graph,
            (example,),
            path,
            input_names=["items"],
            output_names=["scores"],
            dynamic_shapes={"items": {0: torch.export.Dim("histories")}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def write_int8(path: Path, quantized_path: Path) -> None:
    """Write the int8 form of an ONNX file: weights are quantized, activations when they are computed."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _silence_warnings():
        quantize_dynamic(path, quantized_path, weight_type=QuantType.QInt8)


@contextmanager
def _silence_warnings() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
