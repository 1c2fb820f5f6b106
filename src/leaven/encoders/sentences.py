"""Item vectors from text, by a sentence encoder in a local folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.encoders.item_inputs import hash_model, join_columns, load_or_compute
from leaven.errors import DataError, MissingExtra, SpecError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SentenceEncoder:
    """Vectors of item text by a sentence encoder (Reimers and Gurevych, EMNLP 2019) in a local folder.

    folder      folder of Hugging Face's `save_pretrained`; nothing is downloaded
    columns     text columns of the catalog; empty: all
    pooling     "mean" of the token vectors, or the "first" one, as in the model's training
    max_tokens  longer texts are truncated
    batch_size  texts per forward pass
    cache       folder that caches vectors by the hash of model and text; "": off
    """

    folder: str = ""
    columns: tuple[str, ...] = ()
    pooling: str = "mean"
    max_tokens: int = 64
    batch_size: int = 64
    cache: str = ""
    modality: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        if self.pooling not in ("mean", "first"):
            raise SpecError("sentences.pooling", "'mean' or 'first'", repr(self.pooling), "")
        if self.max_tokens < 1 or self.batch_size < 1:
            raise SpecError("sentences.batch_size", "1 or more", f"{self.max_tokens}, {self.batch_size}", "")

    def can_encode(self, catalog: Catalog) -> bool:
        """Returns whether the catalog has any text in these columns."""
        return any(any(catalog.texts.get(column, ())) for column in self.columns or catalog.texts)

    def fit(self, catalog: Catalog, key: int = 0) -> FittedSentenceEncoder:
        """Loads the model; nothing is trained.

        Raises DataError for a folder without a model; MissingExtra without transformers.
        """
        tokenizer, model = load_model(Path(self.folder))
        fingerprint = hash_model(Path(self.folder)) if self.cache else ""
        return FittedSentenceEncoder(self, self.columns or tuple(catalog.texts), tokenizer, model, fingerprint)


def load_model(folder: Path) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Loads (tokenizer, model) from a folder.

    Raises DataError without a readable model; MissingExtra without transformers.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise MissingExtra("transformers", "llm") from None
    if not (folder / "config.json").is_file():
        fix = "put a model there: model.save_pretrained(folder), tokenizer.save_pretrained(folder)"
        raise DataError(str(folder), "a folder with a model (config.json …)", "none", fix)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(str(folder), "a model that can be read", str(error).splitlines()[0], "") from error
    return tokenizer, model.eval()


@dataclass(frozen=True, eq=False)
class FittedSentenceEncoder:
    """Loaded sentence encoder."""

    config: SentenceEncoder
    columns: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    fingerprint: str
    vectors_by_text: dict[str, Vectors] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Width of a vector."""
        return int(self.model.config.hidden_size)

    def __call__(self, catalog: Catalog) -> Vectors:
        """Returns item vectors of norm 1, float32 (items, width); zeros for items without text."""
        texts = join_columns(catalog, self.columns)
        missing = {text for text in texts if text.strip()} - self.vectors_by_text.keys()
        ordered = sorted(missing, key=lambda text: (len(text), text))
        for begin in range(0, len(ordered), self.config.batch_size):
            part = ordered[begin : begin + self.config.batch_size]
            identity = [self.fingerprint, self.config.pooling, str(self.config.max_tokens), *part]
            vectors = load_or_compute(
                self.config.cache, "\x1f".join(identity).encode(), partial(self._encode_texts, part)
            )
            self.vectors_by_text.update(zip(part, vectors, strict=True))
        zeros = np.zeros(self.width, np.float32)
        return (
            np.stack([self.vectors_by_text.get(text, zeros) for text in texts])
            if texts
            else np.zeros((0, self.width), "f4")
        )

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        import torch

        inputs = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.config.max_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            states = self.model(**inputs).last_hidden_state  # (texts, tokens, width)
        mask = inputs["attention_mask"][:, :, None].to(states.dtype)
        pooled = states[:, 0] if self.config.pooling == "first" else (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        vectors: Vectors = torch.nn.functional.normalize(pooled.float(), dim=-1).numpy()
        return vectors
