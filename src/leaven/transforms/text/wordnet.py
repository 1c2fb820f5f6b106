"""Which words does WordNet call synonyms, and how sure is it?

WordNet's files are read where they lie (Debian's `wordnet-base`, or a folder that `LEAVEN_WORDNET` names) and compiled
once into one small table in the user's cache; nothing is downloaded. Format: the manual pages wndb(5WN) and
cntlist(5WN). A pair of words is kept with the rank of the shared sense for *both*, and with the share of all counted
uses of a word that fall on that sense: a synonym in a rare sense ("black" in the sense of a person) is none in a title.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

PLACES = ("/usr/share/wordnet", "/usr/local/share/wordnet", "/usr/share/wordnet/dict", "/opt/homebrew/opt/wordnet/dict")
PARTS = ("noun", "verb", "adjective", "adverb")
_FILES = dict(zip(PARTS, ("noun", "verb", "adj", "adv"), strict=True))
_TYPES = {"1": "noun", "2": "verb", "3": "adjective", "4": "adverb", "5": "adjective"}
_MOST_SENSE = 3  # senses beyond are rare enough to be wrong in a title
_FORM = 1  # of the compiled table


@dataclass(frozen=True, eq=False)
class WordNet:
    """Pairs of single words that share a sense.

    words        list[str]: all words, in small letters
    one, two     int32 (pairs,): places of a word and of its synonym
    part         uint8 (pairs,): place in PARTS
    sense        uint8 (pairs,): rank of the shared sense, from 1: the larger of both words' ranks
    share        float32 (pairs,): share of the counted uses that fall on it: the smaller of both words' shares
    """

    words: list[str]
    one: npt.NDArray[np.int32]
    two: npt.NDArray[np.int32]
    part: npt.NDArray[np.uint8]
    sense: npt.NDArray[np.uint8]
    share: npt.NDArray[np.float32]

    def synonyms(self, max_sense: int, least_share: float, parts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """word -> synonyms of these parts of speech, the surest first."""
        fits = (self.sense <= max_sense) & (self.share >= least_share)
        fits &= np.isin(self.part, [PARTS.index(part) for part in parts])
        places = np.flatnonzero(fits)
        found: dict[str, list[str]] = {}
        for place in places[np.lexsort((self.two[places], -self.share[places]))].tolist():
            held = found.setdefault(self.words[self.one[place]], [])
            if self.words[self.two[place]] not in held:
                held.append(self.words[self.two[place]])
        return {word: tuple(others) for word, others in found.items()}


def folder() -> Path | None:
    """Where WordNet's files lie on this machine; None where they do not."""
    named = os.environ.get("LEAVEN_WORDNET")
    places = [Path(place) for place in ((named,) if named else PLACES)]
    return next((place for place in places if (place / "data.noun").exists()), None)


def load(place: Path) -> WordNet:
    """The compiled table of the files in a folder; compiled now where the cache has none."""
    file = _cache() / f"wordnet-{_fingerprint(place)}.npz"
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
            return _unpacked({name: held[name] for name in held.files})
    except (OSError, ValueError, KeyError, BadZipFile):  # missing, or broken: made anew
        table = compiled(place)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}.{os.getpid()}.npz")
        np.savez_compressed(part, allow_pickle=False, **_packed(table))  # type: ignore[arg-type]
        part.replace(file)
    except OSError:
        return table  # a cache that cannot be written costs seconds, not results
    return table


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leaven"


def _fingerprint(place: Path) -> str:
    sizes = [f"{name} {(place / name).stat().st_size}" for name in sorted(p.name for p in place.glob("data.*"))]
    return hashlib.blake2b(f"{_FORM} {sizes}".encode(), digest_size=6).hexdigest()


def _packed(table: WordNet) -> dict[str, npt.NDArray[np.generic]]:
    arrays = {name: getattr(table, name) for name in ("one", "two", "part", "sense", "share")}
    return {"words": np.frombuffer("\n".join(table.words).encode(), np.uint8), **arrays}


def _unpacked(held: dict[str, npt.NDArray[np.generic]]) -> WordNet:
    words = held.pop("words").tobytes().decode().split("\n")
    return WordNet(words, **held)  # type: ignore[arg-type]


def compiled(place: Path) -> WordNet:
    """Reads `data.*` and `index.*`, and the counts in `cntlist.rev` where it is there."""
    counts = _counts(place / "cntlist.rev")
    uses = Counter[str]()
    for (word, _, _), count in counts.items():
        uses[word] += count
    ranks = {part: _ranks(place / f"index.{_FILES[part]}") for part in PARTS}
    senses = Counter(word for table in ranks.values() for word, held in table.items() for _ in held)
    places: dict[str, int] = {}
    rows: list[tuple[int, int, int, int, float]] = []

    def share(word: str, part: str, rank: int) -> float:
        return counts[word, part, rank] / uses[word] if uses[word] else 1.0 / senses[word]

    for number, part in enumerate(PARTS):
        for synset, members in _members(place / f"data.{_FILES[part]}"):
            known = [
                (word, rank) for word in members if (rank := ranks[part].get(word, {}).get(synset, 9)) <= _MOST_SENSE
            ]
            sure = {word: share(word, part, rank) for word, rank in known}
            for one, rank in known:
                for two, other in known:
                    if one != two:
                        pair = (places.setdefault(word, len(places)) for word in (one, two))
                        rows.append((*pair, number, max(rank, other), min(sure[one], sure[two])))  # type: ignore[arg-type]
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    kinds = (np.int32, np.int32, np.uint8, np.uint8, np.float32)
    return WordNet(list(places), *(column.astype(kind) for column, kind in zip(columns, kinds, strict=True)))


def _ranks(file: Path) -> dict[str, dict[str, int]]:
    """word -> synset -> rank of that sense, from 1."""
    found: dict[str, dict[str, int]] = {}
    for line in _lines(file):
        cells = line.split()
        senses = int(cells[2])
        if "_" not in cells[0]:
            found[cells[0]] = {synset: rank for rank, synset in enumerate(cells[-senses:], 1)}
    return found


def _members(file: Path) -> Iterator[tuple[str, list[str]]]:
    """(synset, its single words in small letters); only synsets with two of them or more."""
    for line in _lines(file):
        cells = line.split(" | ")[0].split()
        names = [name.split("(")[0].lower() for name in cells[4 : 4 + 2 * int(cells[3], 16) : 2]]
        single = list(dict.fromkeys(name for name in names if name.isalpha() and len(name) > 2))
        if len(single) > 1:
            yield cells[0], single


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("  "):  # the licence stands indented at the top
                yield line


def _counts(file: Path) -> defaultdict[tuple[str, str, int], int]:
    """(word, part, rank) -> how often that sense was met in WordNet's tagged texts."""
    found: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    if file.exists():
        for line in _lines(file):
            key, rank, count = line.split()
            word, _, rest = key.partition("%")
            found[word, _TYPES[rest[0]], int(rank)] += int(count)
    return found
