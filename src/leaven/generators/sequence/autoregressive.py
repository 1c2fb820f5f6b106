"""Autoregressive generation of histories.

A decoder-only transformer or a GRU, trained on the likelihood of the next item; `where = "before"` trains on reversed
rows (pseudo-prior items, ASReP, SIGIR 2021). Times follow the gap distribution of the Markov generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from leaven.datasets.histories import Histories
from leaven.generators.privacy import PrivacyBudget
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig, check_heads, check_training_data
from leaven.generators.sequence.fitted_decoder import FittedDecoder, load_decoder
from leaven.generators.sequence.sequence_scaffold import FieldCheck, Placement, ScaffoldSampler, reverse_rows
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import OperatorTraits


@dataclass(frozen=True, kw_only=True)
class Autoregressive(DecoderGeneratorConfig):
    """Generates new rows, or extends real rows, with a next-item network and sampled time gaps.

    cell              transformer or gru; heads: of the transformer. Other fields: see `DecoderGeneratorConfig`
    privacy           differential privacy budget of a user: { epsilon = 1.0 }; it covers the generated items, given
                      times and lengths, whose distributions are counted without noise; None: no privacy
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits(
        "autoregressive", role="generator", reports_progress=True, accepts_like=True, has_default_filters=True
    )
    cell: Literal["transformer", "gru"] = "transformer"
    where: Placement = "alone"
    heads: int = 2
    privacy: PrivacyBudget | None = None

    def __post_init__(self) -> None:
        cell = ("cell", self.cell in ("transformer", "gru"), "transformer or gru")
        object.__setattr__(self, "privacy", PrivacyBudget.parse_budget(self.privacy))
        self.validate_fields(
            "autoregressive", [cell, *check_heads(self.width, self.heads), *self._list_privacy_checks()]
        )

    def _list_privacy_checks(self) -> list[FieldCheck]:
        """Returns checks that only the network uses user data; removes the default filters under privacy."""
        if self.privacy is None:
            return []
        if tuple(self.default_filters) == ("validity", "copies"):  # the rejected rows would leak membership
            object.__setattr__(self, "default_filters", ())
        return [
            ("cell", self.cell == "transformer", "transformer, with privacy"),
            ("where", self.where == "alone", "alone, with privacy: other rows hold real histories"),
            ("default_filters", not self.default_filters, "none, with privacy: filters look at the training rows"),
        ]

    def fit(self, train: Histories, key: int, on_progress: ProgressCallback = no_progress) -> FittedDecoder:
        """Trains the network. All random draws derive from `key`.

        Raises FitError for rows without events or a non-finite loss; MissingExtra without torch.
        """
        check_training_data("autoregressive", train)
        from leaven.generators.sequence.fitting import (
            build_decoding_config,
            build_network_shape,
            build_training_split,
            calibrate_repeats,
            train_decoder,
        )
        from leaven.generators.sequence.popularity_calibration import calibrate_popularity

        if self.privacy is not None:
            from leaven.generators.sequence.dp_training import train_private_decoder

            return train_private_decoder(
                self, build_network_shape(self, train.n_items), self.privacy, train, key, on_progress
            )
        scaffolds = ScaffoldSampler.from_training_rows(train, self)
        ground = build_training_split(reverse_rows(train) if scaffolds.backwards else train, key)
        net, curve = train_decoder(self, ground, key, on_progress)
        decoding = build_decoding_config(self, train, ground, calibrate_repeats(net, ground, self.max_length))
        return calibrate_popularity(
            FittedDecoder("autoregressive", self, net, decoding, scaffolds, curve), train, key, on_progress
        )

    @staticmethod
    def load(folder: Path) -> FittedDecoder:
        """Loads a generator that `FittedDecoder.save` wrote, without the catalog.

        Raises DataError where the folder holds no such file.
        """
        return load_decoder(Autoregressive, "autoregressive", folder)
