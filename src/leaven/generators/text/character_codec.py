"""How is a text a row of ids, so that every row is a text again?

A frequent word is one id, with the blank before it; whatever else a text holds is spelled letter by letter. Ids count
from 1, as those of items: categories first, then the end of a text, words, letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from leaven.tokenization import HanCutter, cut

LEAST = 2  # texts' worth of a word or letter: what stands once is no custom


@dataclass(frozen=True)
class Spelling:
    """categories: how many ids stand for categories, 0 (none) included; signs: words and letters, an id each."""

    categories: int
    signs: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str], most_words: int, categories: int) -> Spelling:
        """The most frequent words, and all letters that stand in two places at least."""
        words, letters = Counter[str](), Counter[str]()
        for text in texts:
            words.update(_words(text))
            letters.update(text)
        frequent = [word for word, count in words.most_common(most_words) if count >= LEAST and len(word) > 1]
        return cls(categories, tuple(frequent) + tuple(sorted(one for one, count in letters.items() if count >= LEAST)))

    @property
    def end(self) -> int:
        """The id at which a text ends."""
        return self.categories + 1

    @property
    def size(self) -> int:
        """How many ids there are."""
        return self.end + len(self.signs)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {sign: place for place, sign in enumerate(self.signs, self.end + 1)}

    def row(self, text: str) -> list[int]:
        """The ids of a text, without category and end; letters that nobody knows are left out."""
        ids, found = self._ids, list[int]()
        for word in _words(text):
            if word in ids:
                found.append(ids[word])
            else:
                found += [ids[letter] for letter in word if letter in ids]
        return found

    def text(self, row: Sequence[int]) -> str:
        """The text of ids, up to its end.

        >>> spelling = Spelling.of(["a soap", "a soap"], 10, 1)
        >>> spelling.text(spelling.row("a soap"))
        'a soap'
        """
        said = []
        for one in row:
            if one == self.end:
                break
            if one > self.end:
                said.append(self.signs[one - self.end - 1])
        return "".join(said).strip()


def _words(text: str) -> Iterator[str]:
    """The pieces of a text, each with the blank before it."""
    blank = ""
    for piece in cut(text, _CUTTER):
        if piece == " ":
            blank = " "
            continue
        yield blank + piece
        blank = ""


_CUTTER = HanCutter()
