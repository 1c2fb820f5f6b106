"""How is a text cut into pieces whose joining gives it back byte for byte?

A piece is a word (Latin and other letters, digits, with apostrophes, points and hyphens inside), a Chinese word as
`rjieba` cuts it, an HTML tag or entity, blanks, or a run of other signs. What a word *is* gets decided once for each
different word (`Vocabulary`), not once for each time it stands somewhere: titles repeat their words.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from leaven.errors import MissingExtra

HAN = "㐀-䶿一-鿿豈-﫿"
# Signs that belong to the letter before them, and scripts whose vowels are such signs.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0eff\u1000-\u109f"
    "\u1780-\u17ff\u200c\u200d"
)
_RUN = rf"[^\W_{HAN}](?:[^\W_{HAN}]|[{_MARKS}])*"
_PIECE = re.compile(
    # the first two say nothing new: they are the common case, and quick
    rf"[A-Za-z]+(?=[ \n]|$)| (?=[A-Za-z])|[{HAN}]+"
    rf"|{_RUN}(?:(?:['’.\-&]|(?<=\d)[,/:](?=\d)){_RUN})*|<[^<>]{{1,400}}>|&#?\w{{2,8}};"
    rf"|[ \t\n\r]+|[$€£￥¥+%×*#]|[^\w<&$€£￥¥+%×*# \t\n\r]+|[\s\S]"
)
_HAN_RUN = re.compile(rf"[{HAN}]+")
_MOST_LETTERS = 3_000_000  # of texts whose pieces are remembered
_MOST = 500_000  # different words, or Chinese runs, that are remembered


def has_han(text: str) -> bool:
    """Whether any Chinese character stands in a text."""
    return _HAN_RUN.search(text) is not None


@cache
def _cutter() -> Callable[[str], list[str]]:
    try:
        import rjieba
    except ImportError:
        raise MissingExtra("rjieba", "text") from None
    return rjieba.cut  # type: ignore[no-any-return]


def cut(text: str, cutter: HanCutter | None = None) -> list[str]:
    """The pieces of one text.

    >>> cut("Nivea soft-cream, 250ml")
    ['Nivea', ' ', 'soft-cream', ',', ' ', '250ml']

    Raises MissingExtra where Chinese stands in the text and rjieba is not installed.
    """
    found: list[str] = _PIECE.findall(text)
    return (cutter or HanCutter())(found) if has_han(text) else found


class HanCutter:
    """Cuts runs of Chinese into words; the same runs come again and again, and are remembered.

    whole  words that stay whole where the segmenter would cut them
    held   phrases that are cut out first, whatever stands around them
    """

    def __init__(self, whole: frozenset[str] = frozenset(), held: Iterable[str] = ()) -> None:
        self.whole = whole
        self.longest = max(map(len, whole), default=0)
        runs = sorted({run for phrase in held for run in _HAN_RUN.findall(phrase)}, key=lambda run: (-len(run), run))
        self.held = re.compile(f"({'|'.join(runs)})") if runs else None
        self.runs: dict[str, list[str]] = {}

    def __call__(self, pieces: list[str]) -> list[str]:
        """The same pieces, with words instead of Chinese runs."""
        return [part for piece in pieces for part in (self._words(piece) if has_han(piece[:1]) else (piece,))]

    def _words(self, run: str) -> list[str]:
        words = self.runs.get(run)
        if words is None:
            parts = self.held.split(run) if self.held else [run]
            words = [word for place, part in enumerate(parts) for word in ([part] if place % 2 else self._cut(part))]
            if len(run) < 200 and len(self.runs) < _MOST:
                self.runs[run] = words
        return words

    def _cut(self, run: str) -> list[str]:
        """Words of a run; neighbours that are one word together are put together."""
        found: list[str] = []
        for word in _cutter()(run) if run else ():
            found.append(word)
            for back in (3, 2):
                together = "".join(found[-back:])
                if len(found) >= back and len(together) <= self.longest and together in self.whole:
                    found[-back:] = [together]
        return found


class Vocabulary(dict[str, int]):
    """piece -> number, growing as pieces are met; each is judged once.

    judge says of a piece its kind (one byte), what may take its place, and whether a phrase may begin with it. A cache
    of what words are, never of what was drawn: it changes speed, not results.
    """

    def __init__(
        self, judge: Callable[[str], tuple[int, tuple[str, ...], bool]], cutter: HanCutter | None = None
    ) -> None:
        super().__init__()
        self.judge = judge
        self.cutter = cutter or HanCutter()
        self.kinds = bytearray()
        self.options: list[tuple[str, ...]] = []
        self.open = bytearray()  # 1 where there are options
        self.begins = bytearray()  # 1 where a phrase may begin
        self.rows: dict[str, tuple[list[str], bytes]] = {}  # text -> its pieces and their numbers, int32
        self.letters = 0  # of these texts

    def __missing__(self, piece: str) -> int:
        kind, options, begins = self.judge(piece)
        place = len(self.kinds)
        self.kinds.append(kind)
        self.options.append(options)
        self.open.append(bool(options))
        self.begins.append(begins)
        self[piece] = place
        return place

    def forget(self) -> None:
        """Begin anew where a catalogue holds more different words, or more text, than are worth remembering."""
        if len(self) > _MOST:
            self.clear()
            self.kinds, self.options, self.open, self.begins = bytearray(), [], bytearray(), bytearray()
        if not self or self.letters > _MOST_LETTERS:
            self.rows, self.letters = {}, 0

    def meet(self, texts: Iterable[str]) -> None:
        """Cut texts that were not met yet: views of a catalogue read the same ones in every epoch."""
        find, cutter, number = _PIECE.findall, self.cutter, self.__getitem__
        for text in texts:
            words = _plain(text) or find(text)
            if not text.isascii() and has_han(text):
                words = cutter(words)
            self.rows[text] = words, array("i", map(number, words)).tobytes()
            self.letters += len(text)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Texts in pieces.

    words   list[str] (pieces,): all pieces of all texts, one after another
    starts  int64 (texts + 1,): text *i* owns `starts[i]:starts[i + 1]`
    ids     int32 (pieces,): place of each piece in the vocabulary
    kinds   uint8 (pieces,): its kind, a letter of `protection`
    open    bool (pieces,): whether anything may take its place
    begins  bool (pieces,): whether a phrase may begin with it
    options what may take its place, by place in the vocabulary
    """

    words: list[str]
    starts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    open: npt.NDArray[np.bool_]
    begins: npt.NDArray[np.bool_]
    options: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def row(self) -> npt.NDArray[np.int64]:
        """int64 (pieces,): which text a piece belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @cached_property
    def bounds(self) -> list[int]:
        """`starts` as a list: single numbers of an array are slow to read in a loop."""
        bounds: list[int] = self.starts.tolist()
        return bounds

    def joined(self, words: Sequence[str], texts: Sequence[str], touched: Iterable[int]) -> list[str]:
        """The texts with those of `touched` rows put together again from `words`."""
        made, starts = list(texts), self.bounds
        for row in touched:
            after, before = "".join(words[starts[row] : starts[row + 1]]), made[row]
            # a word that left the beginning leaves its blank behind
            made[row] = after.lstrip(" ") if after[:1] == " " != before[:1] else after
        return made


def _plain(text: str) -> list[str]:
    """The pieces of a text of Latin letters, digits and single blanks, as most titles are; [] of any other."""
    words = text.split(" ")
    if not (text.isascii() and "".join(words).isalnum() and all(words)):
        return []
    pieces = [" "] * (2 * len(words) - 1)
    pieces[::2] = words
    return pieces


def read(texts: Sequence[str], vocabulary: Vocabulary) -> Pieces:
    """Texts in pieces, each with what the vocabulary says of it.

    Raises MissingExtra where Chinese stands in a text and rjieba is not installed.
    """
    vocabulary.forget()
    known = vocabulary.rows
    vocabulary.meet(text for text in texts if text not in known)
    rows = [known[text] for text in texts]
    words, numbers = list(chain.from_iterable([row[0] for row in rows])), [row[1] for row in rows]
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, numbers), np.int64, len(rows)) // np.dtype(np.int32).itemsize, out=starts[1:])
    ids = np.frombuffer(b"".join(numbers), np.int32)
    kinds = np.frombuffer(bytes(vocabulary.kinds), np.uint8)
    opened, begins = (np.frombuffer(bytes(held), np.bool_) for held in (vocabulary.open, vocabulary.begins))
    return Pieces(words, starts, ids, kinds[ids], opened[ids], begins[ids], vocabulary.options)
