"""What does a language model, read from a folder of this machine, make of an item's words?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.encoders.item_text import joined
from leaven.encoders.vector_cache import hash_of, kept
from leaven.errors import DataError, MissingExtra, SpecError

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sentences:
    """Vectors of the items' words by a sentence encoder (Reimers and Gurevych, EMNLP 2019) of a local folder.

    folder      where the model lies, in the form of Hugging Face's `save_pretrained`; nothing is ever downloaded
    columns     text columns of the catalogue; none: all of them
    pooling     "mean" of the words' vectors, or the "first" one, as the model was trained
    most_tokens a longer text is cut
    batch       texts at a time
    cache       a folder where vectors are kept by the hash of model and text; "": nowhere
    """

    folder: str = ""
    columns: tuple[str, ...] = ()
    pooling: str = "mean"
    most_tokens: int = 64
    batch: int = 64
    cache: str = ""
    modality: ClassVar[str] = "words"

    def __post_init__(self) -> None:
        if self.pooling not in ("mean", "first"):
            raise SpecError("sentences.pooling", "'mean' or 'first'", repr(self.pooling), "")
        if self.most_tokens < 1 or self.batch < 1:
            raise SpecError("sentences.batch", "1 or more", f"{self.most_tokens}, {self.batch}", "")

    def knows(self, catalog: Catalog) -> bool:
        """Whether the catalogue has any words at all in these columns."""
        return any(any(catalog.words.get(column, ())) for column in self.columns or catalog.words)

    def fit(self, catalog: Catalog, key: int = 0) -> SentenceVectors:
        """Opens the model; nothing is learned.

        Raises DataError for a folder without a model; MissingExtra without transformers.
        """
        tokens, model = opened(Path(self.folder))
        mark = hash_of(Path(self.folder)) if self.cache else ""
        return SentenceVectors(self, self.columns or tuple(catalog.words), tokens, model, mark)


def opened(folder: Path) -> tuple[Any, Any]:
    """(tokenizer, model) of a folder.

    Raises DataError where there is none; MissingExtra without transformers.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise MissingExtra("transformers", "llm") from None
    if not (folder / "config.json").is_file():
        fix = "put a model there: model.save_pretrained(folder), tokenizer.save_pretrained(folder)"
        raise DataError(str(folder), "a folder with a model (config.json …)", "none", fix)
    try:
        tokens = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(str(folder), "a model that can be read", str(error).splitlines()[0], "") from error
    return tokens, model.eval()


@dataclass(frozen=True, eq=False)
class SentenceVectors:
    """The opened encoder."""

    wish: Sentences
    columns: tuple[str, ...]
    tokens: Any
    model: Any
    mark: str
    known: dict[str, Vectors] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.model.config.hidden_size)

    def __call__(self, catalog: Catalog) -> Vectors:
        """float32 (items, width), each of length 1; zeros for items without words."""
        texts = joined(catalog, self.columns)
        wanted = sorted(
            {text for text in texts if text.strip()} - self.known.keys(), key=lambda text: (len(text), text)
        )
        for begin in range(0, len(wanted), self.wish.batch):
            part = wanted[begin : begin + self.wish.batch]
            said = [self.mark, self.wish.pooling, str(self.wish.most_tokens), *part]
            vectors = kept(self.wish.cache, "\x1f".join(said).encode(), partial(self._encoded, part))
            self.known.update(zip(part, vectors, strict=True))
        nothing = np.zeros(self.width, np.float32)
        return np.stack([self.known.get(text, nothing) for text in texts]) if texts else np.zeros((0, self.width), "f4")

    def _encoded(self, texts: Sequence[str]) -> Vectors:
        import torch

        read = self.tokens(
            list(texts), padding=True, truncation=True, max_length=self.wish.most_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            states = self.model(**read).last_hidden_state  # (texts, tokens, width)
        there = read["attention_mask"][:, :, None].to(states.dtype)
        pooled = states[:, 0] if self.wish.pooling == "first" else (states * there).sum(1) / there.sum(1).clamp(min=1)
        vectors: Vectors = torch.nn.functional.normalize(pooled.float(), dim=-1).numpy()
        return vectors
