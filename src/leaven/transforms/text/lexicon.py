"""Provides synonym tables: our own lexicon, user dictionaries and Cilin files.

`lexicon.tsv` is ours: a kind, a tab, and words that may replace each other in an item title (with ">": the first by
the others only). A kind with "!" lists attribute words, such as colors, that are *not* synonyms; the kind "contrast"
lists words that exclude others of their line: men and women, dry and oily, left and right, waterproof and washable.
Other sources (WordNet, neighbor words, a Cilin file) neither replace nor insert attributes. Groups of an attribute's
own kind, such as "color: grey, gray", are two spellings of the same value and may replace each other.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from leaven.errors import DataError
from leaven.tokenization import has_han, tokenize_text

ATTRIBUTES = ("color", "shade", "material", "size", "product", "contrast")
SynonymTable = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Synonyms and attributes, all keys lower-case.

    synonyms       word -> its synonyms
    attributes     word -> kind of attribute
    modifiers      lower-case words of the groups without a noun, such as adjectives
    blocked_words  words that are never inserted
    unsplit_words  Chinese words that a segmenter must not split
    """

    synonyms: SynonymTable
    attributes: Mapping[str, str]
    modifiers: frozenset[str]
    blocked_words: frozenset[str]
    unsplit_words: frozenset[str]

    @classmethod
    def load_default(cls) -> Lexicon:
        """The lexicon of leaven; read once.

        >>> Lexicon.load_default().synonyms["trousers"]
        ('pants',)
        """
        return _load_lexicon()

    def is_attribute(self, word: str) -> bool:
        """Whether a lower-case word is an attribute: a color, a material, a size, a product, a contrast, a claim.

        >>> [Lexicon.load_default().is_attribute(word) for word in ("red", "oily", "lintproof", "防摔", "gentle")]
        [True, True, True, True, False]
        """
        return word in self.attributes or is_claim(word)


_CLAIM = re.compile(
    r".{2,}(?:proof|resistant|repellent|retardant|free|less|safe|friendly|dicht|fest|frei|los|abweisend|beständig)"
    r"|.{4,}(?:able|ible|bar)|(?:non|un|anti|pre)-?.{4,}|.+-(?:in|out|up|on|off)"
    r"|[防抗耐不无免非零][^\W\da-z]{1,4}|可[^\W\da-z]{2,4}|.+[型性]"
)
_NO_CLAIMS = frozenset(
    ("vegetable", "unique", "united", "universal", "uniform", "understated", "premium", "pretty", "present", "presents")
) | frozenset(("非常", "不错", "无敌"))


def is_claim(word: str) -> bool:
    """Whether a word states a property that others exclude, by its form: lintproof, oil-free, washable, 可折叠."""
    return word not in _NO_CLAIMS and _CLAIM.fullmatch(word) is not None


@cache
def _load_lexicon() -> Lexicon:
    text = files("leaven.transforms.text").joinpath("lexicon.tsv").read_text(encoding="utf-8")
    synonyms: dict[str, list[str]] = {}
    guards: dict[str, str] = {}
    blocked: set[str] = set()
    modifiers: set[str] = set()
    for kind, words in _iterate_groups(text):
        name = kind.rstrip("!>")
        if name == "blocked":
            blocked |= set(words)
            continue
        if name in ATTRIBUTES:
            guards |= dict.fromkeys(words, name)
        if name == "word":
            modifiers |= {word.lower() for word in words}
        if kind.endswith(">"):
            synonyms.setdefault(words[0], []).extend(words[1:])
        elif not kind.endswith("!"):
            _add_group(synonyms, words)
    known = {*synonyms, *guards}
    whole = frozenset(word for word in known if has_han(word))
    table = {word: tuple(others) for word, others in synonyms.items()}
    return Lexicon(table, guards, frozenset(modifiers), frozenset(blocked), whole)


def _iterate_groups(text: str) -> Iterator[tuple[str, list[str]]]:
    """(kind, words) of each line; English nouns of some kinds get a second group of plurals."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kind, _, cells = line.partition("\t")
            words = [word.strip() for word in cells.split(",")]
            yield kind, words
            if kind.rstrip("!>") in ("product", "noun"):
                plurals = [build_plural(word) for word in words]
                if all(plurals) or kind.endswith("!"):
                    yield kind, [word for word in plurals if word]


def build_plural(noun: str) -> str:
    """The regular plural of an English noun; "" for plurals and other words.

    >>> build_plural("brush"), build_plural("candy"), build_plural("tray"), build_plural("jeans"), build_plural("围巾")
    ('brushes', 'candies', 'trays', '', '')
    """
    if not noun.isascii() or (noun.endswith("s") and not noun.endswith("ss")):
        return ""
    if noun.endswith(("ch", "sh", "x", "ss", "z")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    if noun.endswith("fe") or noun in ("scarf", "shelf", "leaf", "loaf"):
        return f"{noun.removesuffix('fe').removesuffix('f')}ves"
    return f"{noun}s"


def _add_group(synonyms: dict[str, list[str]], words: Iterable[str]) -> None:
    """Add the other words of a group to each word."""
    group = list(dict.fromkeys(words))
    for word in group:
        others = synonyms.setdefault(word.lower(), [])
        others += [other for other in group if other.lower() != word.lower() and other not in others]


def load_dictionary(path: str) -> SynonymTable:
    """A user's own synonyms: lower-case word -> its synonyms, in the file's order.

    TOML: `cream = ["lotion", "balm"]` (one direction), or `groups = [["sofa", "couch"], …]` (all directions).
    CSV or TSV: a word, then its synonyms. Cycles are allowed, since replacement is one step; a word is never its own
    synonym; "Cream" and "cream" are the same word.

    Raises DataError for a file that cannot be read, and for a key of several words.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, "a dictionary in UTF-8", str(error), "write a .toml, .csv or .tsv file") from error
    found: dict[str, list[str]] = {}
    for word, others in _iterate_toml(path, text, found) if file.suffix == ".toml" else _iterate_table(text):
        _check_word(path, word)
        synonyms = found.setdefault(word.lower(), [])
        synonyms += [other for other in others if other.lower() != word.lower() and other not in synonyms]
    return {word: tuple(others) for word, others in found.items() if others}


def _iterate_table(text: str) -> Iterator[tuple[str, list[str]]]:
    delimiter = "\t" if "\t" in text else ","
    for cells in csv.reader(text.splitlines(), delimiter=delimiter):
        words = [cell.strip() for cell in cells if cell.strip()]
        if len(words) > 1 and not words[0].startswith("#"):
            yield words[0], words[1:]


def _iterate_toml(path: str, text: str, found: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(path, "TOML", str(error), 'write lines such as cream = ["lotion", "balm"]') from error
    for key, value in table.items():
        if key == "groups":
            for group in value:
                _add_group(found, map(str, group))
        else:
            yield key, [value] if isinstance(value, str) else [str(other) for other in value]


def _check_word(path: str, word: str) -> None:
    if len(tokenize_text(word)) != 1 and not has_han(word):
        raise DataError(f"{path}: {word!r}", "one word to replace", "several", "write single words")


def load_cilin(path: str) -> SynonymTable:
    """A file in the format of 同义词词林: `Aa01A01= 人 士 人物`; only lines with "=" are synonyms.

    ("#" marks words of one class, "@" words without synonyms.) leaven contains no such file: supply one.

    Raises DataError for a file that cannot be read or has no such line.
    """
    raw = _read_bytes(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("gb18030", errors="replace")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        code, *words = line.split() or [""]
        if code.endswith("=") and len(words) > 1:
            _add_group(found, words)
    if not found:
        raise DataError(path, "lines such as 'Aa01A01= 人 士 人物'", "none", "name a file in the Cilin format")
    return {word: tuple(others) for word, others in found.items()}


def _read_bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(path, "a file in the Cilin format", str(error), "") from error


def share_stem(one: str, two: str) -> bool:
    """Whether two English words share a stem: forms of a word are no synonyms.

    >>> share_stem("nourish", "nourishing"), share_stem("gentle", "soft")
    (True, False)
    """
    shared = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return (shared >= max(3, min(len(one), len(two)) - 2) and shared >= 4) or one in two or two in one
