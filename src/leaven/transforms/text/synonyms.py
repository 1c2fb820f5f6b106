"""Replaces words by synonyms, or by words that share their contexts in the catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from leaven.datasets.catalog import Catalog
from leaven.field_checks import check_choice, check_count, check_share
from leaven.protocols import OperatorTraits
from leaven.transforms.text import distributional_similarity, wordnet
from leaven.transforms.text import lexicon as lexicons
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import TextReader
from leaven.transforms.text.token_sampling import WordEdit, check_text_edit, has_options, replace_words

SYNONYM_SOURCES = ("user", "lexicon", "wordnet", "cilin")


@dataclass(frozen=True)
class Synonyms:
    """Replace words by synonyms (同义词替换), from the first source that has the word.

    sources             "user": the dictionary; "lexicon": ours, English and Chinese; "wordnet": its files if they are
                        installed (`wordnet.find_wordnet_folder`); "cilin": a file you supply
    share_range         share of the words with synonyms that are replaced, drawn per text (× strength), rounded
                        stochastically
    p                   probability that a text is changed
    dictionary          path of your own synonyms, TOML or CSV (`lexicon.load_dictionary`); no filter applies to them
    cilin               path of a file in the Cilin format (`lexicon.load_cilin`)
    max_sense           WordNet: largest rank of the shared sense, for both words
    min_share           WordNet: share of a word's counted uses in that sense, for both words
    parts_of_speech     WordNet: parts of speech
    require_in_catalog  sources whose words must occur in the catalog, in `min_texts` texts or more
    min_texts           see `require_in_catalog`
    protect_names       without a brand column, learn two-word names that begin titles, and protect them
    guard_attributes    colors, materials, sizes and product nouns are not replaced by WordNet or Cilin
    blocked_words       words that are never inserted, in addition to the lexicon's own list
    protect             words and phrases that are never replaced, in addition to brands and patterns
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("synonyms")
    sources: tuple[str, ...] = ("user", "lexicon", "wordnet", "cilin")
    share_range: tuple[float, float] = (0.3, 0.7)
    p: float = 1.0
    dictionary: str = ""
    cilin: str = ""
    max_sense: int = 1
    min_share: float = 0.9
    parts_of_speech: tuple[str, ...] = ("adjective", "adverb")
    require_in_catalog: tuple[str, ...] = ("wordnet", "cilin")
    min_texts: int = 3
    protect_names: bool = True
    guard_attributes: bool = True
    blocked_words: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("synonyms", self.share_range, self.p)
        check_count("synonyms.max_sense", self.max_sense, 1)
        check_count("synonyms.min_texts", self.min_texts, 1)
        check_share("synonyms.min_share", self.min_share)
        for name, words, known in (
            ("sources", self.sources, SYNONYM_SOURCES),
            ("require_in_catalog", self.require_in_catalog, SYNONYM_SOURCES),
            ("parts_of_speech", self.parts_of_speech, wordnet.PARTS_OF_SPEECH),
        ):
            for word in words:
                check_choice(f"synonyms.{name}", word, known)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Reads the sources, and counts the catalog's words where a filter needs them.

        Raises DataError for a dictionary or a Cilin file that cannot be read.
        """
        known = self.build_thesaurus(catalog)
        whole = Lexicon.load_default().unsplit_words | frozenset(word for word in known if len(word) <= _MAX_UNSPLIT)
        needs_names = self.protect_names and not any(catalog.texts.get("brand", ()))
        names = distributional_similarity.find_brand_names(catalog, Lexicon.load_default()) if needs_names else ()
        reader = TextReader.from_catalog(
            catalog, [*self.protect, *names], lambda word: known.get(word.lower(), ()), whole
        )
        # a user's own synonyms may be of another script
        apply = partial(replace_words, fits=lambda word, title: True) if self.dictionary else replace_words
        return WordEdit(reader, self.share_range, self.p, has_options, apply, "no word has a synonym")

    def build_thesaurus(self, catalog: Catalog) -> dict[str, tuple[str, ...]]:
        """Lower-case word -> its synonyms, after all filters."""
        found: dict[str, tuple[str, ...]] = {}
        counts: Counter[str] | None = None
        for source in self.sources:
            table = self._load_source(source)
            if table and source in self.require_in_catalog and counts is None:
                counts = distributional_similarity.count_word_texts(catalog, Lexicon.load_default())
            for word, others in table.items():
                if word not in found and (filtered := self._filter_synonyms(source, word, others, counts)):
                    found[word] = filtered
        return found

    def _load_source(self, source: str) -> Mapping[str, tuple[str, ...]]:
        if source == "user":
            return lexicons.load_dictionary(self.dictionary) if self.dictionary else {}
        if source == "cilin":
            return lexicons.load_cilin(self.cilin) if self.cilin else {}
        if source == "lexicon":
            return Lexicon.load_default().synonyms
        folder = wordnet.find_wordnet_folder()
        return (
            wordnet.load_wordnet(folder).build_synonyms(self.max_sense, self.min_share, self.parts_of_speech)
            if folder
            else {}
        )

    def _filter_synonyms(
        self, source: str, word: str, others: tuple[str, ...], counts: Counter[str] | None
    ) -> tuple[str, ...]:
        if source == "user":
            return others
        lexicon = Lexicon.load_default()
        blocked = lexicon.blocked_words | {blocked.lower() for blocked in self.blocked_words}
        is_guarded = self.guard_attributes and source != "lexicon"
        if is_guarded and lexicon.is_attribute(word):
            return ()
        n_texts = counts if source in self.require_in_catalog else None

        def is_kept(other: str) -> bool:
            small = other.lower()
            if small in blocked or (n_texts is not None and n_texts[small] < self.min_texts):
                return False
            return source == "lexicon" or not (
                lexicons.share_stem(word, other) or (is_guarded and lexicon.is_attribute(small))
            )

        return tuple(other for other in others if is_kept(other))


_MAX_UNSPLIT = 4  # characters: longer Chinese entries of a large file would merge phrases


@dataclass(frozen=True)
class NeighborWords:
    """Replace words by distributional neighbors in the catalog: near-synonyms in any language.

    share_range     share of the words with neighbors that are replaced, drawn per text (× strength), rounded
                    stochastically
    p               probability that a text is changed
    min_texts       texts that a word must occur in
    min_similarity  cosine of the contexts, from 0 to 1
    guard_attributes  attributes and words that exclude each other are not replaced
    protect         words and phrases that stay

    Shared contexts alone are a trap: "large" and "small", "men" and "women", "dry" and "oily" are the closest pairs. So
    colors, materials, sizes, product nouns and contrasts of the lexicon, and words that state a property by their form
    (`lexicon.is_claim`: waterproof, washable, oil-free), are neither replaced nor inserted; neighbors must be mutual.
    Without a catalog texts stay unchanged (counted).
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("neighbour words")
    share_range: tuple[float, float] = (0.2, 0.5)
    p: float = 1.0
    min_texts: int = 5
    min_similarity: float = 0.2
    guard_attributes: bool = True
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("neighbors", self.share_range, self.p)
        check_count("neighbors.min_texts", self.min_texts, 2)
        check_share("neighbors.min_similarity", self.min_similarity)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Learns the contexts of the catalog's words."""
        lexicon = Lexicon.load_default()
        known = distributional_similarity.find_word_neighbors(
            catalog, lexicon, self.min_texts, self.min_similarity, guard_attributes=self.guard_attributes
        )
        reader = TextReader.from_catalog(
            catalog, self.protect, lambda piece: known.get(piece.lower(), ()), lexicon.unsplit_words
        )
        return WordEdit(reader, self.share_range, self.p, has_options, replace_words, "no word has a neighbor")
