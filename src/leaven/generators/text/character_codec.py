"""Encoding of texts as token ids, and its inverse.

A frequent word is one token, including the blank before it; other words are encoded by characters. Ids count from 1,
like item ids: categories first, then the end token, words, characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from leaven.tokenization import ChineseSegmenter, tokenize_text

MIN_COUNT = 2  # minimum count of a word or character


@dataclass(frozen=True)
class CharacterCodec:
    """categories: number of ids for categories, including 0 (none); tokens: words and characters, one id each."""

    n_categories: int
    tokens: tuple[str, ...]

    @classmethod
    def from_texts(cls, texts: Iterable[str], max_words: int, categories: int) -> CharacterCodec:
        """Returns a codec of the most frequent words, and all characters that occur at least twice."""
        words, characters = Counter[str](), Counter[str]()
        for text in texts:
            words.update(_split_words(text))
            characters.update(text)
        frequent = [word for word, count in words.most_common(max_words) if count >= MIN_COUNT and len(word) > 1]
        return cls(
            categories,
            tuple(frequent) + tuple(sorted(character for character, count in characters.items() if count >= MIN_COUNT)),
        )

    @property
    def end_id(self) -> int:
        """Id of the end token."""
        return self.n_categories + 1

    @property
    def n_ids(self) -> int:
        """Number of ids."""
        return self.end_id + len(self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {sign: index for index, sign in enumerate(self.tokens, self.end_id + 1)}

    def encode_text(self, text: str) -> list[int]:
        """Returns the ids of a text, without category and end; unknown characters are dropped."""
        known, ids = self._ids, list[int]()
        for word in _split_words(text):
            if word in known:
                ids.append(known[word])
            else:
                ids += [known[character] for character in word if character in known]
        return ids

    def decode_ids(self, row: Sequence[int]) -> str:
        """Returns the text of ids, up to the end token.

        >>> spelling = CharacterCodec.from_texts(["a soap", "a soap"], 10, 1)
        >>> spelling.decode_ids(spelling.encode_text("a soap"))
        'a soap'
        """
        parts = []
        for index in row:
            if index == self.end_id:
                break
            if index > self.end_id:
                parts.append(self.tokens[index - self.end_id - 1])
        return "".join(parts).strip()


def _split_words(text: str) -> Iterator[str]:
    """Yields the words of a text, each with the blank before it."""
    blank = ""
    for piece in tokenize_text(text, _CUTTER):
        if piece == " ":
            blank = " "
            continue
        yield blank + piece
        blank = ""


_CUTTER = ChineseSegmenter()
