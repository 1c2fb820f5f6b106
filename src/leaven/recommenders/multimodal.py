"""Transformer recommender that also reads item text, attributes and images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.encoders.attributes import Attributes
from leaven.encoders.item_inputs import FittedImageEncoder
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError, SpecError
from leaven.protocols import Encoder, FittedEncoder, ImageEncoder, RankedItems, Recommender, TrainingContext
from leaven.recommenders.transformer import ItemInputs, Transformer, TransformerRecommender

if TYPE_CHECKING:
    from torch import Tensor

    from leaven.nn.fusion import FusedItemTable

_WEIGHTS, _TRAINING_LOG = "multimodal.safetensors", "course.json"
_DEFAULT_IMAGE_SIZE = 64


@dataclass(frozen=True)
class Multimodal:
    """Configuration of a transformer whose item vectors combine ids with text, attributes and images.

    encoders                 item encoders. An encoder whose modality the catalog lacks is skipped and listed in the
                             facts; a missing modality of an item adds nothing
    transformer              the recommender that provides the network
    id_dropout               share of the ids that are dropped in training, so that the item features also work alone
    consistency_weight       of a contrastive loss of two views of each item in a batch, drawn by the plan's steps on
                             items, or by dropout without such steps; 0: off
    consistency_temperature  of its cosine logits
    cold_item_share          share of list positions that is reserved for items outside the training rows, 0..1. None:
                             the share of such items among validation targets (0 without users), as in calibrated
                             recommendations (Steck, RecSys 2018). Without it lists rarely contain cold items, because
                             training ranks known ids higher

    Items outside the training rows have no id embedding, are represented by their features only, and are never
    negatives. So all items of the catalog can be recommended. A plan's steps on text and images provide the views that
    training reads.
    """

    encoders: tuple[Encoder, ...] = field(default_factory=lambda: (TfIdf(), Attributes()))
    transformer: Recommender = field(default_factory=Transformer)
    id_dropout: float = 0.3
    consistency_weight: float = 0.0
    consistency_temperature: float = 0.1
    cold_item_share: float | None = None

    def __post_init__(self) -> None:
        if not self.encoders:
            raise SpecError("multimodal.encoders", "one encoder or more", "none", "encoders = ['tfidf']")
        if not isinstance(self.transformer, Transformer):
            got = type(self.transformer).__name__
            raise SpecError("multimodal.transformer", "a transformer", got, 'transformer = { kind = "transformer" }')
        if not 0 <= self.id_dropout <= 1:
            raise SpecError("multimodal.id_dropout", "a share in 0..1", str(self.id_dropout), "")
        if not (self.consistency_weight >= 0 and self.consistency_temperature > 0):
            got = f"{self.consistency_weight}, {self.consistency_temperature}"
            raise SpecError("multimodal.consistency_weight", "0 (off) or more, and a temperature above 0", got, "")
        if self.cold_item_share is not None and not 0 <= self.cold_item_share <= 1:
            fix = "leave it out to derive it from validation users"
            raise SpecError("multimodal.cold_item_share", "a share in 0..1", str(self.cold_item_share), fix)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Item modalities of the encoders."""
        return tuple(dict.fromkeys(encoder.modality for encoder in self.encoders))

    @property
    def image_size(self) -> int:
        """Side of the largest input images in pixels, or the default size of views without image encoders."""
        sizes = [encoder.size for encoder in self.encoders if isinstance(encoder, ImageEncoder)]
        return max(sizes, default=_DEFAULT_IMAGE_SIZE)

    @property
    def transformer_config(self) -> Transformer:
        """The transformer configuration, with its type."""
        assert isinstance(self.transformer, Transformer)
        return self.transformer

    def steps(self, train: Histories) -> int:
        """Returns the number of optimizer steps on these rows, without early stopping."""
        return self.transformer_config.steps(train)

    def fit(self, train: Histories, training: TrainingContext) -> MultimodalRecommender:
        """Encodes the items, then trains to predict each target from the events before it.

        Raises DataError without a catalog that at least one encoder can read; FitError if no row has a target, or if
        the loss is not finite.
        """
        import torch

        from leaven.nn.fusion import FusedItemTable, ItemViewLoss

        catalog = _require_catalog(train)
        fitted = self._fit_encoders(catalog, training.key)
        features = [torch.from_numpy(encoder(catalog)) for encoder in fitted.values()]
        unread = [
            dict(encoder.unreadable_counts) for encoder in fitted.values() if isinstance(encoder, FittedImageEncoder)
        ]
        in_training = np.bincount(train.items, minlength=train.n_items + 2)[1 : train.n_items + 1] > 0
        table = FusedItemTable(self.transformer_config.width, features, torch.from_numpy(in_training), self.id_dropout)
        views = (
            _ViewFeatures(list(fitted.items()), features, training) if training.catalog_for_epoch is not None else None
        )
        auxiliary = ItemViewLoss(table, views, self.consistency_weight, self.consistency_temperature)
        fingerprint = json.dumps([asdict(self), len(catalog), training.catalog_for_epoch is not None], default=str)
        inner = self.transformer_config.fit_with_items(train, training, ItemInputs(table, auxiliary, fingerprint))
        table.cold_item_share.fill_(self._choose_cold_item_share(training.validation, in_training))
        known = {
            config.modality: round(float(vectors.numpy().any(1).mean()), 4)
            for config, vectors in zip(fitted, features, strict=True)
        }
        facts = dict(inner.facts) | {"items_known_by": known, "items_never_taken": int((~in_training).sum())}
        facts["newcomers"] = round(float(table.cold_item_share), 4)
        skipped = [config.modality for config in self.encoders if config not in fitted]
        if skipped:
            facts["modalities_left_out"] = skipped
        if any(unread):
            facts["pictures_unread"] = next(filter(None, unread))
        return MultimodalRecommender(replace(inner, facts=facts), [vectors.shape[1] for vectors in features])

    def _choose_cold_item_share(self, valid: HeldOut | None, in_training: npt.NDArray[np.bool_]) -> float:
        """Returns the configured share, or that of cold items among the validation targets."""
        if self.cold_item_share is not None or valid is None or not len(valid.target_items):
            return self.cold_item_share or 0.0
        return float((~in_training[valid.target_items - 1]).mean())

    def _fit_encoders(self, catalog: Catalog, key: int) -> dict[Encoder, FittedEncoder]:
        """Fits the encoders whose modality the catalog has. Raises DataError if there are none."""
        fitted = {
            config: config.fit(catalog, rng.derive_key(key, "encoder", index))
            for index, config in enumerate(self.encoders)
            if config.can_encode(catalog)
        }
        if not fitted:
            wanted = f"{' or '.join(self.modalities)} of some item"
            raise DataError("data.items", wanted, "none", "name them in item_columns, or use kind = 'transformer'")
        return fitted

    @classmethod
    def load(cls, folder: Path) -> MultimodalRecommender:
        """Loads what `save` wrote. Raises DataError if the folder has no such recommender."""
        import torch

        from leaven.nn.checkpoint import load_tensors
        from leaven.nn.fusion import FusedItemTable

        weights, metadata = load_tensors(folder / _WEIGHTS)
        config, n_items = Transformer(**metadata["config"]), metadata["n_items"]
        empty = [torch.zeros(n_items, width) for width in metadata["widths"]]
        table = FusedItemTable(config.width, empty, torch.zeros(n_items, dtype=torch.bool), 0.0)
        net = config.build_network(n_items, 0, 0.0, table)
        net.load_state_dict(weights)
        log = json.loads((folder / _TRAINING_LOG).read_text())
        inner = TransformerRecommender(config, net.eval(), log["curve"], log["facts"])
        return MultimodalRecommender(inner, metadata["widths"])


def _require_catalog(train: Histories) -> Catalog:
    """Returns the catalog. Raises DataError if it is missing or has another number of items."""
    if train.catalog is None or len(train.catalog) != train.n_items:
        got = "none" if train.catalog is None else f"{len(train.catalog)} items for {train.n_items} ids"
        raise DataError("data.items", "a catalog of the items", got, "name a table of items, or kind = 'transformer'")
    return train.catalog


@dataclass(frozen=True, eq=False)
class _ViewFeatures:
    """(epoch, progress) -> features of the item views of that epoch."""

    encoders: Sequence[tuple[Encoder, FittedEncoder]]
    features: Sequence[Tensor]
    training: TrainingContext

    def __call__(self, epoch: int, progress: float) -> list[Tensor]:
        import torch

        assert self.training.catalog_for_epoch is not None
        views = self.training.catalog_for_epoch(epoch, progress)
        changed = {"text": True, "images": views.pixels is not None}
        return [
            torch.from_numpy(encoder(views)) if changed.get(config.modality) else original
            for (config, encoder), original in zip(self.encoders, self.features, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class MultimodalRecommender:
    """A trained multimodal recommender. Item features are stored with the weights, so ranking needs no catalog.

    transformer  contains the network with the fused item table
    widths       of each modality's features
    """

    transformer: TransformerRecommender
    widths: Sequence[int]

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """Training curve."""
        return self.transformer.curve

    @property
    def facts(self) -> Mapping[str, object]:
        """Facts of the transformer, the share of items with each modality and the number of cold items."""
        return self.transformer.facts

    @property
    def item_table(self) -> FusedItemTable:
        """The fused item table."""
        from leaven.nn.fusion import FusedItemTable

        assert isinstance(self.transformer.network.items, FusedItemTable)
        return self.transformer.network.items

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k best items for each history, including cold items; scores are cosines.

        Raises SpecError for k below 1; DataError for histories over another catalog.
        """
        return self.transformer.recommend(histories, k, allow_repeats)

    def save(self, folder: Path) -> None:
        """Saves weights, item features and sizes in one file, the training log in another."""
        from leaven.nn.checkpoint import save_tensors

        net = self.transformer.network
        metadata = {
            "config": asdict(self.transformer.config),
            "n_items": net.shape.n_items,
            "widths": list(self.widths),
        }
        save_tensors(folder / _WEIGHTS, net.state_dict(), metadata)
        self.transformer.save_training_log(folder)
