"""Reads synonyms with their confidences from installed WordNet files.

WordNet's files are read in place (Debian's `wordnet-base`, or the folder of `LEAVEN_WORDNET`) and compiled once into
one small table in the user's cache; nothing is downloaded. Format: the manual pages wndb(5WN) and
cntlist(5WN). A pair of words is kept with the larger rank of the shared sense, and with the smaller share of counted
uses in that sense: synonyms in a rare sense ("black" in the sense of a person) do not fit titles.
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

WORDNET_FOLDERS = (
    "/usr/share/wordnet",
    "/usr/local/share/wordnet",
    "/usr/share/wordnet/dict",
    "/opt/homebrew/opt/wordnet/dict",
)
PARTS_OF_SPEECH = ("noun", "verb", "adjective", "adverb")
_FILES = dict(zip(PARTS_OF_SPEECH, ("noun", "verb", "adj", "adv"), strict=True))
_TYPES = {"1": "noun", "2": "verb", "3": "adjective", "4": "adverb", "5": "adjective"}
_MAX_SENSE = 3  # rarer senses are wrong in most titles
_FORMAT_VERSION = 2  # of the compiled table


@dataclass(frozen=True, eq=False)
class WordNet:
    """Pairs of single words that share a sense.

    words           list[str]: all words, lower-case
    word_index      int32 (pairs,): index of a word
    synonym_index   int32 (pairs,): index of its synonym
    part_of_speech  uint8 (pairs,): index in PARTS_OF_SPEECH
    sense           uint8 (pairs,): rank of the shared sense, from 1: the larger of both words' ranks
    share           float32 (pairs,): share of the counted uses in this sense: the smaller of both words' shares
    """

    words: list[str]
    word_index: npt.NDArray[np.int32]
    synonym_index: npt.NDArray[np.int32]
    part_of_speech: npt.NDArray[np.uint8]
    sense: npt.NDArray[np.uint8]
    share: npt.NDArray[np.float32]

    def build_synonyms(
        self, max_sense: int, min_share: float, parts_of_speech: tuple[str, ...]
    ) -> dict[str, tuple[str, ...]]:
        """word -> synonyms of these parts of speech, the largest share first."""
        is_kept = (self.sense <= max_sense) & (self.share >= min_share)
        is_kept &= np.isin(self.part_of_speech, [PARTS_OF_SPEECH.index(part) for part in parts_of_speech])
        pairs = np.flatnonzero(is_kept)
        found: dict[str, list[str]] = {}
        for pair in pairs[np.lexsort((self.synonym_index[pairs], -self.share[pairs]))].tolist():
            synonyms = found.setdefault(self.words[self.word_index[pair]], [])
            if self.words[self.synonym_index[pair]] not in synonyms:
                synonyms.append(self.words[self.synonym_index[pair]])
        return {word: tuple(others) for word, others in found.items()}


def find_wordnet_folder() -> Path | None:
    """The folder of the WordNet files on this machine; None if they are not installed."""
    override = os.environ.get("LEAVEN_WORDNET")
    folders = [Path(path) for path in ((override,) if override else WORDNET_FOLDERS)]
    return next((path for path in folders if (path / "data.noun").exists()), None)


def load_wordnet(folder: Path) -> WordNet:
    """The compiled table of the files in a folder, from the cache where possible."""
    file = _find_cache_folder() / f"wordnet-{_fingerprint_files(folder)}.npz"
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:
            return _unpack_table({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError, BadZipFile):  # missing or broken: compiled again
        table = compile_wordnet(folder)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}.{os.getpid()}.npz")
        np.savez_compressed(part, allow_pickle=False, **_pack_table(table))  # type: ignore[arg-type]
        part.replace(file)
    except OSError:
        return table  # a cache that cannot be written costs seconds, not results
    return table


def _find_cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leaven"


def _fingerprint_files(place: Path) -> str:
    sizes = [f"{name} {(place / name).stat().st_size}" for name in sorted(p.name for p in place.glob("data.*"))]
    return hashlib.blake2b(f"{_FORMAT_VERSION} {sizes}".encode(), digest_size=6).hexdigest()


def _pack_table(table: WordNet) -> dict[str, npt.NDArray[np.generic]]:
    arrays = {
        name: getattr(table, name) for name in ("word_index", "synonym_index", "part_of_speech", "sense", "share")
    }
    return {"words": np.frombuffer("\n".join(table.words).encode(), np.uint8), **arrays}


def _unpack_table(arrays: dict[str, npt.NDArray[np.generic]]) -> WordNet:
    words = arrays.pop("words").tobytes().decode().split("\n")
    return WordNet(words, **arrays)  # type: ignore[arg-type]


def compile_wordnet(folder: Path) -> WordNet:
    """Compile `data.*` and `index.*`, with the counts of `cntlist.rev` if it exists."""
    counts = _read_counts(folder / "cntlist.rev")
    uses = Counter[str]()
    for (word, _, _), count in counts.items():
        uses[word] += count
    ranks = {part: _read_ranks(folder / f"index.{_FILES[part]}") for part in PARTS_OF_SPEECH}
    senses = Counter(word for table in ranks.values() for word, synsets in table.items() for _ in synsets)
    index: dict[str, int] = {}
    rows: list[tuple[int, int, int, int, float]] = []

    def share(word: str, part: str, rank: int) -> float:
        return counts[word, part, rank] / uses[word] if uses[word] else 1.0 / senses[word]

    for number, part in enumerate(PARTS_OF_SPEECH):
        for synset, members in _iterate_synsets(folder / f"data.{_FILES[part]}"):
            known = [
                (word, rank) for word in members if (rank := ranks[part].get(word, {}).get(synset, 9)) <= _MAX_SENSE
            ]
            shares = {word: share(word, part, rank) for word, rank in known}
            for one, rank in known:
                for two, other in known:
                    if one != two:
                        pair = (index.setdefault(word, len(index)) for word in (one, two))
                        rows.append((*pair, number, max(rank, other), min(shares[one], shares[two])))  # type: ignore[arg-type]
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    kinds = (np.int32, np.int32, np.uint8, np.uint8, np.float32)
    return WordNet(list(index), *(column.astype(kind) for column, kind in zip(columns, kinds, strict=True)))


def _read_ranks(file: Path) -> dict[str, dict[str, int]]:
    """word -> synset -> rank of that sense, from 1."""
    found: dict[str, dict[str, int]] = {}
    for line in _iterate_lines(file):
        cells = line.split()
        senses = int(cells[2])
        if "_" not in cells[0]:
            found[cells[0]] = {synset: rank for rank, synset in enumerate(cells[-senses:], 1)}
    return found


def _iterate_synsets(file: Path) -> Iterator[tuple[str, list[str]]]:
    """(synset, its single words, lower-case), for synsets of two words or more."""
    for line in _iterate_lines(file):
        cells = line.split(" | ")[0].split()
        names = [name.split("(")[0].lower() for name in cells[4 : 4 + 2 * int(cells[3], 16) : 2]]
        single = list(dict.fromkeys(name for name in names if name.isalpha() and len(name) > 2))
        if len(single) > 1:
            yield cells[0], single


def _iterate_lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("  "):  # the license is indented at the top
                yield line


def _read_counts(file: Path) -> defaultdict[tuple[str, str, int], int]:
    """(word, part of speech, rank) -> count of that sense in WordNet's tagged texts."""
    found: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    if file.exists():
        for line in _iterate_lines(file):
            key, rank, count = line.split()
            word, _, rest = key.partition("%")
            found[word, _TYPES[rest[0]], int(rank)] += int(count)
    return found
