"""What will a user take next, by the order of what was taken before and by what the items are?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.encoders.attributes import Attributes
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError, SpecError
from leaven.protocols import Encoder, FittedEncoder, Ranked, Recommender, Training
from leaven.recommenders.transformer import ItemSide, Transformer, TransformerRecommender

if TYPE_CHECKING:
    from torch import Tensor

    from leaven.nn.fusion import FusedTable

_WEIGHTS, _COURSE = "multimodal.safetensors", "course.json"
_NO_PICTURES = 64


@dataclass(frozen=True)
class Multimodal:
    """The wish for a transformer whose item vectors are read from words, attributes and pictures, beside the ids.

    encoders     what reads the items, in any number. One whose modality the whole catalogue lacks is left out, which
                 the facts tell; an item that lacks a modality adds nothing there
    transformer  the recommender whose net this is
    id_dropout   share of the ids that are left out while training, so that items can be told by what is read of them
    consistency  weight of a second loss: two views of an item, drawn by the plan's steps on items, or told apart by
                 dropout where there are none, shall be alike among the items of a batch; 0: none
    consistency_temperature  of its cosines
    newcomers    share of each list's places that items get which no training row holds, 0..1. None: as often as
                 validation users took such items (0 where there are none), after the calibrated lists of Steck
                 (RecSys 2018). Training compares such items with nothing, and ids that were trained stand before
                 them: by scores alone lists would hardly hold one

    Items that no training row holds have no vector of their id, are told by what is read of them, and are never
    among the negatives, for nobody could have taken them. So items of the catalogue that nobody ever bought are
    recommended too. Steps of a plan on words and pictures give the views that training reads.
    """

    encoders: tuple[Encoder, ...] = field(default_factory=lambda: (TfIdf(), Attributes()))
    transformer: Recommender = field(default_factory=Transformer)
    id_dropout: float = 0.3
    consistency: float = 0.0
    consistency_temperature: float = 0.1
    newcomers: float | None = None

    def __post_init__(self) -> None:
        if not self.encoders:
            raise SpecError("multimodal.encoders", "one encoder or more", "none", "encoders = ['tfidf']")
        if not isinstance(self.transformer, Transformer):
            got = type(self.transformer).__name__
            raise SpecError("multimodal.transformer", "a transformer", got, 'transformer = { kind = "transformer" }')
        if not 0 <= self.id_dropout <= 1:
            raise SpecError("multimodal.id_dropout", "a share in 0..1", str(self.id_dropout), "")
        if not (self.consistency >= 0 and self.consistency_temperature > 0):
            got = f"{self.consistency}, {self.consistency_temperature}"
            raise SpecError("multimodal.consistency", "0 (off) or more, and a temperature above 0", got, "")
        if self.newcomers is not None and not 0 <= self.newcomers <= 1:
            fix = "leave it out, and validation users say how often"
            raise SpecError("multimodal.newcomers", "a share in 0..1", str(self.newcomers), fix)

    @property
    def reads(self) -> tuple[str, ...]:
        """The modalities that it knows."""
        return tuple(dict.fromkeys(encoder.modality for encoder in self.encoders))

    @property
    def picture_size(self) -> int:
        """Pixels along each side of the largest pictures that it reads; of views, where it reads none."""
        return max([getattr(encoder, "size", 0) for encoder in self.encoders]) or _NO_PICTURES

    @property
    def core(self) -> Transformer:
        """The transformer, as what it is."""
        assert isinstance(self.transformer, Transformer)
        return self.transformer

    def steps(self, train: Histories) -> int:
        """Optimiser steps that it takes on these rows, unless it stops early."""
        return self.core.steps(train)

    def fit(self, train: Histories, training: Training) -> MultimodalRecommender:
        """Encodes the items, then learns to predict each target from the events before it.

        Raises DataError where the rows have no catalogue, or one with nothing that the encoders read; FitError where no
        row has something to predict, or the loss is no finite number.
        """
        import torch

        from leaven.nn.fusion import FusedTable, ItemViews

        catalog = _catalog(train)
        fitted = self._fitted(catalog, training.key)
        plain = [encoder(catalog) for encoder in fitted.values()]
        unread = [dict(getattr(one, "unread", {})) for one in fitted.values()]
        taken = np.bincount(train.items, minlength=train.n_items + 2)[1 : train.n_items + 1] > 0
        read = [torch.from_numpy(one) for one in plain]
        table = FusedTable(self.core.width, read, torch.from_numpy(taken), self.id_dropout)
        views = _Reading(list(fitted.items()), read, training) if training.views is not None else None
        beside = ItemViews(table, views, self.consistency, self.consistency_temperature)
        mark = json.dumps([asdict(self), len(catalog), training.views is not None], default=str)
        inner = self.core.trained(train, training, ItemSide(table, beside, mark))
        known = {wish.modality: round(float(one.any(1).mean()), 4) for wish, one in zip(fitted, plain, strict=True)}
        facts = dict(inner.facts) | {"items_known_by": known, "items_never_taken": int((~taken).sum())}
        table.newcomers.fill_(self._newcomers(training.valid, taken))
        facts["newcomers"] = round(float(table.newcomers), 4)
        left_out = [wish.modality for wish in self.encoders if wish not in fitted]
        if left_out:
            facts["modalities_left_out"] = left_out
        if any(unread):
            facts["pictures_unread"] = next(filter(None, unread))
        return MultimodalRecommender(replace(inner, facts=facts), [one.shape[1] for one in plain])

    def _newcomers(self, valid: HeldOut | None, taken: npt.NDArray[np.bool_]) -> float:
        """The share of places for items that are not taken (bool (items,)); `valid` says how often users take them."""
        if self.newcomers is not None or valid is None or not len(valid.items):
            return self.newcomers or 0.0
        return float((~taken[valid.items - 1]).mean())

    def _fitted(self, catalog: Catalog, key: int) -> dict[Encoder, FittedEncoder]:
        """The encoders for which the catalogue has something, fitted."""
        found = {
            wish: wish.fit(catalog, rng.key(key, "encoder", place))
            for place, wish in enumerate(self.encoders)
            if wish.knows(catalog)
        }
        if not found:
            wanted = f"{' or '.join(self.reads)} of some item"
            raise DataError("data.items", wanted, "none", "name them in item_columns, or take kind = 'transformer'")
        return found

    @classmethod
    def load(cls, folder: Path) -> MultimodalRecommender:
        """What `save` wrote.

        Raises DataError where the folder holds no such recommender.
        """
        import torch

        from leaven.nn.checkpoint import read
        from leaven.nn.fusion import FusedTable

        weights, said = read(folder / _WEIGHTS)
        wish, n_items = Transformer(**said["wish"]), said["n_items"]
        blank = [torch.zeros(n_items, width) for width in said["widths"]]
        table = FusedTable(wish.width, blank, torch.zeros(n_items, dtype=torch.bool), 0.0)
        net = wish.net(n_items, 0, 0.0, table)
        net.load_state_dict(weights)
        course = json.loads((folder / _COURSE).read_text())
        return MultimodalRecommender(
            TransformerRecommender(wish, net.eval(), course["curve"], course["facts"]), said["widths"]
        )


def _catalog(train: Histories) -> Catalog:
    if train.catalog is None or len(train.catalog) != train.n_items:
        got = "none" if train.catalog is None else f"{len(train.catalog)} items for {train.n_items} ids"
        raise DataError("data.items", "a catalogue of the items", got, "name a table of items, or kind = 'transformer'")
    return train.catalog


@dataclass(frozen=True, eq=False)
class _Reading:
    """(epoch, progress) -> what the encoders read of the items as they are described then."""

    encoders: Sequence[tuple[Encoder, FittedEncoder]]
    plain: Sequence[Tensor]
    training: Training

    def __call__(self, epoch: int, progress: float) -> list[Tensor]:
        import torch

        assert self.training.views is not None
        seen = self.training.views(epoch, progress)
        changed = {"words": True, "pictures": seen.pixels is not None}
        return [
            torch.from_numpy(encoder(seen)) if changed.get(wish.modality) else plain
            for (wish, encoder), plain in zip(self.encoders, self.plain, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class MultimodalRecommender:
    """A trained transformer that reads items. What it read is kept with the weights: it needs no catalogue to rank.

    inner  the transformer, whose net holds the fused table; widths  numbers of each modality's vectors
    """

    inner: TransformerRecommender
    widths: Sequence[int]

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """How training went."""
        return self.inner.curve

    @property
    def facts(self) -> Mapping[str, Any]:
        """As the transformer's, and which share of the items each modality knows, how many items nobody took."""
        return self.inner.facts

    @property
    def table(self) -> FusedTable:
        """The item vectors."""
        from leaven.nn.fusion import FusedTable

        assert isinstance(self.inner.net.items, FusedTable)
        return self.inner.net.items

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> Ranked:
        """The k best items for each history, those that nobody took among them; scores are cosines.

        Raises SpecError for k below 1; DataError for histories over another catalogue.
        """
        return self.inner.recommend(histories, k, allow_repeats)

    def save(self, folder: Path) -> None:
        """Weights, what was read of the items, and sizes in one file; how training went in another."""
        from leaven.nn.checkpoint import write

        net = self.inner.net
        said = {"wish": asdict(self.inner.wish), "n_items": net.shape.n_items, "widths": list(self.widths)}
        write(folder / _WEIGHTS, net.state_dict(), said)
        self.inner.save_course(folder)
