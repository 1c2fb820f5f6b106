"""What do an item's fields say, as one text and as terms that can be counted?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, nearest
from leaven.tokenization import cut

SEPARATOR = " | "


def joined(catalog: Catalog, columns: Sequence[str]) -> list[str]:
    """One text an item: its columns with bars between, empty ones left out.

    >>> joined(Catalog(["a"], {"title": ["soap"], "brand": [""]}), ["title", "brand"])
    ['soap']

    Raises DataError for a column that the catalogue does not have.
    """
    for column in columns:
        if column not in catalog.words:
            raise DataError("data.items", "a text column", repr(column), nearest(column, catalog.words))
    rows = zip(*(catalog.words[column] for column in columns), strict=True)
    found = [SEPARATOR.join(cell for cell in row if cell) for row in rows]
    return found or [""] * len(catalog)


def terms(text: str, words: tuple[int, int], characters: tuple[int, int]) -> Iterator[str]:
    """Runs of words and runs of characters inside a word, in small letters; the two kinds never meet.

    words, characters  the shortest and the longest run; (0, 0): none. A run of characters knows where a word begins
    and ends. Chinese is cut into words by rjieba.

    >>> list(terms("Soft cream!", (1, 2), (0, 0)))
    ['soft', 'cream', 'soft cream']
    >>> list(terms("soap", (0, 0), (3, 3)))
    ['#<so', '#soa', '#oap', '#ap>']

    Raises MissingExtra where Chinese stands in the text and rjieba is not installed.
    """
    found = [piece.lower() for piece in cut(text) if piece[:1].isalnum()]
    for length in range(max(words[0], 1), words[1] + 1):
        yield from (" ".join(found[place : place + length]) for place in range(len(found) - length + 1))
    for length in range(max(characters[0], 1), characters[1] + 1):
        for word in found:
            framed = f"<{word}>"
            yield from ("#" + framed[place : place + length] for place in range(len(framed) - length + 1))
