"""Which words of a text can be said in other words?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from leaven.datasets.catalog import Catalog
from leaven.tokenization import Pieces
from leaven.transforms.text import distributional_similarity, wordnet
from leaven.transforms.text import lexicon as lexicons
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import Reader
from leaven.transforms.text.token_sampling import Bools, WordEdit, check, put_in_place
from leaven.transforms.validation import check_count, check_share, check_word

SOURCES = ("user", "lexicon", "wordnet", "cilin")


@dataclass(frozen=True)
class Synonyms:
    """Replace words by synonyms (同义词替换), from the first source that knows the word.

    sources      "user": the dictionary; "lexicon": ours, English and Chinese; "wordnet": its files where they lie on
                 this machine (`wordnet.folder`), left out where they do not; "cilin": a file you supply
    share_range  share of the words with synonyms that are replaced, drawn per text (× strength), rounded by lot
    p            chance that a text is changed
    dictionary   path of your own synonyms, TOML or CSV (`lexicon.dictionary`); its word is final, no filter runs on it
    cilin        path of a file in the Cilin format (`lexicon.cilin`)
    max_sense    WordNet: rank of the shared sense for both words
    least_share  WordNet: share of a word's counted uses that fall on that sense, for both words
    parts        WordNet: parts of speech
    in_catalog   sources whose words must stand in the catalogue, `least_texts` times or more
    names        where no column tells brands, two-word names that begin titles are learned and stay
    guard        colours, materials, sizes and product nouns are not replaced by WordNet or Cilin
    blocked      words that never come in, beside the lexicon's own list
    protect      words and phrases that are never replaced, beside brands and what patterns find
    """

    sources: tuple[str, ...] = ("user", "lexicon", "wordnet", "cilin")
    share_range: tuple[float, float] = (0.3, 0.7)
    p: float = 1.0
    dictionary: str = ""
    cilin: str = ""
    max_sense: int = 1
    least_share: float = 0.9
    parts: tuple[str, ...] = ("adjective", "adverb")
    in_catalog: tuple[str, ...] = ("wordnet", "cilin")
    least_texts: int = 3
    names: bool = True
    guard: bool = True
    blocked: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("synonyms", self.share_range, self.p)
        check_count("synonyms.max_sense", self.max_sense, 1)
        check_count("synonyms.least_texts", self.least_texts, 1)
        check_share("synonyms.least_share", self.least_share)
        for name, words, known in (
            ("sources", self.sources, SOURCES),
            ("in_catalog", self.in_catalog, SOURCES),
            ("parts", self.parts, wordnet.PARTS),
        ):
            for word in words:
                check_word(f"synonyms.{name}", word, known)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Reads the sources, and counts the catalogue's words where a filter asks for them.

        Raises DataError for a dictionary or a Cilin file that cannot be read.
        """
        known = self.thesaurus(catalog)
        whole = Lexicon.ours().whole | frozenset(word for word in known if len(word) <= _LONGEST_WHOLE)
        learn = self.names and not any(catalog.words.get("brand", ()))
        kept = [*self.protect, *(distributional_similarity.names(catalog, Lexicon.ours()) if learn else ())]
        reader = Reader.of(catalog, kept, lambda piece: known.get(piece.lower(), ()), whole)
        return WordEdit(reader, self.share_range, self.p, _is_open, put_in_place, "no word has a synonym")

    def thesaurus(self, catalog: Catalog) -> dict[str, tuple[str, ...]]:
        """word in small letters -> what may take its place, all filters passed."""
        found: dict[str, tuple[str, ...]] = {}
        counts: Counter[str] | None = None
        for source in self.sources:
            table = self._table(source)
            if table and source in self.in_catalog:
                counts = (
                    counts if counts is not None else distributional_similarity.frequencies(catalog, Lexicon.ours())
                )
            for word, others in table.items():
                if word not in found and (kept := self._kept(source, word, others, counts)):
                    found[word] = kept
        return found

    def _table(self, source: str) -> Mapping[str, tuple[str, ...]]:
        if source == "user":
            return lexicons.dictionary(self.dictionary) if self.dictionary else {}
        if source == "cilin":
            return lexicons.cilin(self.cilin) if self.cilin else {}
        if source == "lexicon":
            return Lexicon.ours().synonyms
        place = wordnet.folder()
        return wordnet.load(place).synonyms(self.max_sense, self.least_share, self.parts) if place else {}

    def _kept(self, source: str, word: str, others: tuple[str, ...], counts: Counter[str] | None) -> tuple[str, ...]:
        if source == "user":
            return others
        ours = Lexicon.ours()
        blocked = ours.blocked | {word.lower() for word in self.blocked}
        kept = [other for other in others if other.lower() not in blocked]
        if source in self.in_catalog and counts is not None:
            kept = [other for other in kept if counts[other.lower()] >= self.least_texts]
        if source != "lexicon":
            kept = [other for other in kept if not lexicons.alike(word, other)]
            if self.guard:
                kept = [other for other in kept if not ours.guarded(word) and not ours.guarded(other.lower())]
        return tuple(kept)


_LONGEST_WHOLE = 4  # characters: a longer Chinese entry of a big file would glue phrases together


def _is_open(pieces: Pieces, free: Bools) -> Bools:
    return free & pieces.open
