"""Checks of generated texts against their source text.

Checks run in order of cost, and the first failure is the rejection reason: format, evidence, facts (numbers, sizes,
brands, colors, materials), forbidden claims, length and script, similarity, category.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.encoders.tfidf import FittedTfIdf, TfIdf
from leaven.errors import DataError
from leaven.tokenization import has_han
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import TextReader, is_word

FORBIDDEN = (
    "certified", "organic", "vegan", "fda", "clinically", "dermatologist", "hypoallergenic", "cure", "cures", "heals",
    "free shipping", "best price", "cheapest", "discount", "guarantee", "guaranteed", "warranty", "bestseller",
    "认证", "有机", "治疗", "治愈", "包邮", "最低价", "特价", "折扣", "保证", "保修", "第一",
)  # fmt: skip
"""Claims that are rejected unless the source text makes them: certificates, health, price, shipping."""

_PARTS = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Rewrite:
    """A model's rewrite: a paraphrase, tags, and attributes as (name, value, evidence in the source text)."""

    paraphrase: str
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str, str], ...] = ()

    @property
    def full_text(self) -> str:
        """Paraphrase, tags and attribute values in one string."""
        return " ".join((self.paraphrase, *self.tags, *(value for _, value, _ in self.attributes)))


class RejectedAnswer(Exception):
    """An answer was rejected; the message is the reason, which is counted and sent to the model for one repair."""


def parse_answer(answer: str) -> Rewrite:
    """Parses the JSON object in an answer; surrounding text and code fences are ignored.

    Raises RejectedAnswer for anything else.
    """
    begin, end = answer.find("{"), answer.rfind("}")
    try:
        value: Any = json.loads(answer[begin : end + 1])
        attributes = tuple((one["name"], one["value"], one["evidence"]) for one in value.get("attributes", []))
        written = Rewrite(value["paraphrase"], tuple(value.get("tags", [])), attributes)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RejectedAnswer("no JSON of the requested form") from None
    texts = [written.paraphrase, *written.tags, *(part for one in attributes for part in one)]
    if not all(isinstance(text, str) for text in texts) or not written.paraphrase.strip():
        raise RejectedAnswer("no JSON of the requested form")
    return written


@dataclass(frozen=True, eq=False)
class OutputChecks:
    """The checks, fitted on a catalog.

    length_range      characters of the paraphrase over those of the text
    similarity_range  TF-IDF cosine of the two; below, the meaning differs, above, the text is nearly unchanged
    category_centers  float32 (categories, width): mean vectors, if the catalog has categories
    category_of       category of each text of the catalog, from 0
    """

    reader: TextReader
    encoder: FittedTfIdf | None
    forbidden: Sequence[str]
    length_range: tuple[float, float]
    similarity_range: tuple[float, float]
    category_centers: np.ndarray | None
    category_of: dict[str, int]

    @classmethod
    def from_catalog(
        cls,
        catalog: Catalog,
        protect: Sequence[str],
        forbidden: Sequence[str],
        length_range: tuple[float, float],
        likeness_range: tuple[float, float],
    ) -> OutputChecks:
        """Returns the checks of a catalog; with too few words for TF-IDF, without similarity and category."""
        try:
            encoder: FittedTfIdf | None = TfIdf().fit(catalog)
        except DataError:
            encoder = None
        centres, category_of = _compute_centers(catalog, encoder)
        reader = TextReader.from_catalog(catalog, protect)
        return cls(reader, encoder, forbidden, length_range, likeness_range, centres, category_of)

    def __call__(self, text: str, answer: str) -> Rewrite:
        """Returns the parsed rewrite. Raises RejectedAnswer with the first failed check."""
        written = parse_answer(answer)
        source = _normalize(text)
        for name, _, evidence in written.attributes:
            if not evidence.strip() or _normalize(evidence) not in source:
                raise RejectedAnswer(f"an attribute without evidence in the text: {name}"[:80])
        self._check_facts(text, written)
        self._check_claims(text, written)
        low, high = self.length_range
        if not low <= len(written.paraphrase) / max(len(text), 1) <= high:
            raise RejectedAnswer("too short or too long")
        if has_han(text) != has_han(written.paraphrase):
            raise RejectedAnswer("another language")
        if _normalize(written.paraphrase) == _normalize(text):
            raise RejectedAnswer("the same text again")
        self._check_similarity(text, written.paraphrase)
        return written

    def _check_facts(self, text: str, written: Rewrite) -> None:
        source, generated = self.extract_facts(text), self.extract_facts(written.full_text)
        if invented := sorted(generated - source):
            raise RejectedAnswer(f"facts that are not in the text: {', '.join(invented[:3])}")
        if lost := sorted(source - self.extract_facts(written.paraphrase)):
            raise RejectedAnswer(f"missing facts: {', '.join(lost[:3])}")

    def extract_facts(self, text: str) -> set[str]:
        """Returns numbers, units, brands, models, negations, colors, materials and sizes of a text, in lower case."""
        pieces, free = self.reader([text])
        held, guards = is_word(pieces) & ~free, Lexicon.load_default().attributes
        facts = {word.lower() for word, kept in zip(pieces.tokens, held.tolist(), strict=True) if kept}
        facts |= {word.lower() for word in pieces.tokens if guards.get(word.lower()) in ("color", "material", "size")}
        return {part for word in facts for part in _PARTS.findall(word)}

    def _check_claims(self, text: str, written: Rewrite) -> None:
        source, generated = f" {_normalize(text)} ", f" {_normalize(written.full_text)} "
        for claim in self.forbidden:
            pattern = claim if has_han(claim) else f" {claim} "
            if pattern in generated and pattern not in source:
                raise RejectedAnswer(f"a forbidden claim: {claim}")

    def _check_similarity(self, text: str, paraphrase: str) -> None:
        if self.encoder is None:
            return
        columns = self.encoder.columns
        both = Catalog(
            ["text", "paraphrase"], {name: [text, paraphrase] if name == columns[0] else ["", ""] for name in columns}
        )
        one, other = self.encoder(both)
        cosine, (low, high) = float(one @ other), self.similarity_range
        if one.any() and not low <= cosine <= high:
            raise RejectedAnswer("the meaning differs" if cosine < low else "nearly the same text")
        category = self.category_of.get(text, -1)
        if self.category_centers is None or category < 0 or not other.any():
            return
        nearest = int(np.argmax(self.category_centers @ one))
        if nearest == category and int(np.argmax(self.category_centers @ other)) != category:
            raise RejectedAnswer("reads as an item of another category")


def _compute_centers(catalog: Catalog, encoder: FittedTfIdf | None) -> tuple[np.ndarray | None, dict[str, int]]:
    """Returns the mean vector of each category, and the category of each text."""
    if encoder is None or catalog.category is None or not len(catalog.categories):
        return None, {}
    vectors, codes = encoder(catalog), catalog.category[1:]
    centres = np.zeros((len(catalog.categories), vectors.shape[1]), np.float32)
    np.add.at(centres, codes[codes > 0] - 1, vectors[codes > 0])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    category_of = {
        text: int(code) - 1
        for column in catalog.texts.values()
        for text, code in zip(column, codes, strict=True)
        if text
    }
    return centres, category_of


def _normalize(text: str) -> str:
    """Returns lower case words, without punctuation, separated by one blank."""
    return _BLANKS.sub(" ", re.sub(r"[^\w]+", " ", text.lower())).strip()
