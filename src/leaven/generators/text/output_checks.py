"""Is what a model wrote true to the text that it was made from?

Each check is a rung; the first that fails says why. Cheap ones come first: form, evidence, facts (numbers, sizes,
brands, colours, materials), forbidden claims, length and script, likeness, category.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError
from leaven.protocols import FittedEncoder
from leaven.tokenization import has_han
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import Reader, is_word

FORBIDDEN = (
    "certified", "organic", "vegan", "fda", "clinically", "dermatologist", "hypoallergenic", "cure", "cures", "heals",
    "free shipping", "best price", "cheapest", "discount", "guarantee", "guaranteed", "warranty", "bestseller",
    "认证", "有机", "治疗", "治愈", "包邮", "最低价", "特价", "折扣", "保证", "保修", "第一",
)  # fmt: skip
"""Claims that only a source may make: certificates, health, price, shipping."""

_PARTS = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Written:
    """What a model wrote: a paraphrase, tags, and attributes as (name, value, the words they were taken from)."""

    paraphrase: str
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str, str], ...] = ()

    @property
    def everything(self) -> str:
        """All that it says of the item."""
        return " ".join((self.paraphrase, *self.tags, *(value for _, value, _ in self.attributes)))


class Refused(Exception):
    """Why an answer is not taken; its text is counted, and told the model when it may try once more."""


def read(said: str) -> Written:
    """The JSON object in an answer; words around it, and a fence, are forgiven.

    Raises Refused for what is no such object.
    """
    begin, end = said.find("{"), said.rfind("}")
    try:
        found: Any = json.loads(said[begin : end + 1])
        attributes = tuple((one["name"], one["value"], one["evidence"]) for one in found.get("attributes", []))
        written = Written(found["paraphrase"], tuple(found.get("tags", [])), attributes)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("no JSON of the form that was asked") from None
    texts = [written.paraphrase, *written.tags, *(part for one in attributes for part in one)]
    if not all(isinstance(text, str) for text in texts) or not written.paraphrase.strip():
        raise Refused("no JSON of the form that was asked")
    return written


@dataclass(frozen=True, eq=False)
class Checks:
    """The rungs, fitted on a catalogue.

    length_range    letters of the paraphrase over those of the text
    likeness_range  cosine of the two by TF-IDF; below it says something else, above it says nothing new
    centres         float32 (categories, width): mean vectors, where the catalogue has categories; names of them
    """

    reader: Reader
    encoder: FittedEncoder | None
    forbidden: Sequence[str]
    length_range: tuple[float, float]
    likeness_range: tuple[float, float]
    centres: np.ndarray | None
    category_of: dict[str, int]

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        protect: Sequence[str],
        forbidden: Sequence[str],
        length_range: tuple[float, float],
        likeness_range: tuple[float, float],
    ) -> Checks:
        """A catalogue of too few words to compare has no rungs of likeness and category."""
        try:
            encoder: FittedEncoder | None = TfIdf().fit(catalog)
        except DataError:
            encoder = None
        centres, of = _centres(catalog, encoder)
        reader = Reader.of(catalog, protect)
        return cls(reader, encoder, forbidden, length_range, likeness_range, centres, of)

    def __call__(self, text: str, said: str) -> Written:
        """What was written, all rungs passed. Raises Refused with the first that was not."""
        written = read(said)
        self._evidence(text, written)
        self._facts(text, written)
        self._claims(text, written)
        self._shape(text, written.paraphrase)
        self._likeness(text, written.paraphrase)
        return written

    def _evidence(self, text: str, written: Written) -> None:
        source = _plain(text)
        for name, _, evidence in written.attributes:
            if not evidence.strip() or _plain(evidence) not in source:
                raise Refused(f"an attribute without words of the text to show for it: {name}"[:80])

    def _facts(self, text: str, written: Written) -> None:
        source, made = self.facts(text), self.facts(written.everything)
        if invented := sorted(made - source):
            raise Refused(f"facts that the text lacks: {', '.join(invented[:3])}")
        if lost := sorted(source - self.facts(written.paraphrase)):
            raise Refused(f"facts that were lost: {', '.join(lost[:3])}")

    def facts(self, text: str) -> set[str]:
        """Numbers, units, brands, models, negations, colours, materials and sizes of a text, in small letters."""
        pieces, free = self.reader([text])
        held, guards = is_word(pieces) & ~free, Lexicon.ours().guards
        found = {word.lower() for word, kept in zip(pieces.words, held.tolist(), strict=True) if kept}
        found |= {word.lower() for word in pieces.words if guards.get(word.lower()) in ("color", "material", "size")}
        return {part for word in found for part in _PARTS.findall(word)}

    def _claims(self, text: str, written: Written) -> None:
        source, made = f" {_plain(text)} ", f" {_plain(written.everything)} "
        for claim in self.forbidden:
            sought = claim if has_han(claim) else f" {claim} "
            if sought in made and sought not in source:
                raise Refused(f"a forbidden claim: {claim}")

    def _shape(self, text: str, paraphrase: str) -> None:
        low, high = self.length_range
        if not low <= len(paraphrase) / max(len(text), 1) <= high:
            raise Refused("too short or too long")
        if has_han(text) != has_han(paraphrase):
            raise Refused("another language")
        if _plain(paraphrase) == _plain(text):
            raise Refused("the same text again")

    def _likeness(self, text: str, paraphrase: str) -> None:
        if self.encoder is None:
            return
        columns = getattr(self.encoder, "columns", ("title",))
        both = Catalog(
            ["text", "made"], {name: [text, paraphrase] if name == columns[0] else ["", ""] for name in columns}
        )
        one, other = self.encoder(both)
        cosine, (low, high) = float(one @ other), self.likeness_range
        if one.any() and not low <= cosine <= high:
            raise Refused("says something else" if cosine < low else "says nothing new")
        category = self.category_of.get(text, -1)
        if self.centres is None or category < 0 or not other.any():
            return
        told = int(np.argmax(self.centres @ one))
        if told == category and int(np.argmax(self.centres @ other)) != category:
            raise Refused("reads as an item of another category")


def _centres(catalog: Catalog, encoder: FittedEncoder | None) -> tuple[np.ndarray | None, dict[str, int]]:
    """(mean vector of each category, text -> its category): what a text's category is told by."""
    if encoder is None or catalog.category is None or not len(catalog.categories):
        return None, {}
    vectors, codes = encoder(catalog), catalog.category[1:]
    centres = np.zeros((len(catalog.categories), vectors.shape[1]), np.float32)
    np.add.at(centres, codes[codes > 0] - 1, vectors[codes > 0])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    of = {
        text: int(code) - 1
        for column in catalog.words.values()
        for text, code in zip(column, codes, strict=True)
        if text
    }
    return centres, of


def _plain(text: str) -> str:
    """Small letters, signs as blanks, one blank between words."""
    return _BLANKS.sub(" ", re.sub(r"[^\w]+", " ", text.lower())).strip()
