"""Item text: joined catalog columns and their word and character n-grams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, suggest_name
from leaven.tokenization import tokenize_text

SEPARATOR = " | "


def join_columns(catalog: Catalog, columns: Sequence[str]) -> list[str]:
    """Returns one text per item: its non-empty columns, separated by bars.

    >>> join_columns(Catalog(["a"], {"title": ["soap"], "brand": [""]}), ["title", "brand"])
    ['soap']

    Raises DataError for an unknown column.
    """
    for column in columns:
        if column not in catalog.texts:
            raise DataError("data.items", "a text column", repr(column), suggest_name(column, catalog.texts))
    rows = zip(*(catalog.texts[column] for column in columns), strict=True)
    texts = [SEPARATOR.join(cell for cell in row if cell) for row in rows]
    return texts or [""] * len(catalog)


def extract_terms(text: str, word_ngrams: tuple[int, int], character_ngrams: tuple[int, int]) -> Iterator[str]:
    """Yields lowercase n-grams of words and of characters within a word; the two kinds never collide.

    word_ngrams, character_ngrams  smallest and largest n; (0, 0): none. Character n-grams mark word boundaries.
    Chinese is segmented by rjieba.

    >>> list(extract_terms("Soft cream!", (1, 2), (0, 0)))
    ['soft', 'cream', 'soft cream']
    >>> list(extract_terms("soap", (0, 0), (3, 3)))
    ['#<so', '#soa', '#oap', '#ap>']

    Raises MissingExtra for Chinese text if rjieba is not installed.
    """
    tokens = [piece.lower() for piece in tokenize_text(text) if piece[:1].isalnum()]
    for length in range(max(word_ngrams[0], 1), word_ngrams[1] + 1):
        yield from (" ".join(tokens[start : start + length]) for start in range(len(tokens) - length + 1))
    for length in range(max(character_ngrams[0], 1), character_ngrams[1] + 1):
        for token in tokens:
            marked = f"<{token}>"
            yield from ("#" + marked[start : start + length] for start in range(len(marked) - length + 1))
