"""Which words of the catalogue stand together, and which stand in the same surroundings?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.tokenization import has_han
from leaven.transforms.text.lexicon import Lexicon, Synonyms, alike
from leaven.transforms.text.protected_spans import Phrases, Reader

if TYPE_CHECKING:
    import scipy.sparse as sparse

_TEXTS = 200_000  # of one column: more say the same
_MANY = 20_000  # different words that are compared
_STOP_WORDS = (
    "a an and are as at be by for from in into is it its of off on or our so that the their this to up we with"
    " you your amp quot categories category products product 的 了 和 与 及 是 在 有 为 等 之 也 都 很"
)
_STOP = frozenset(_STOP_WORDS.split())


def sentences(catalog: Catalog, lexicon: Lexicon) -> list[list[str]]:
    """The words of each text that may be changed, in small letters and their order; brands and sizes are left out."""
    reader = Reader(Phrases(catalog.words.get("brand", ())), whole=lexicon.whole)
    found = []
    for name, column in catalog.words.items():
        if name != "brand":
            pieces, free = reader([text for text in column[:_TEXTS] if text])
            places = np.flatnonzero(free).tolist()
            rows: list[list[str]] = [[] for _ in range(len(pieces))]
            for place, row in zip(places, pieces.row[free].tolist(), strict=True):
                rows[row].append(pieces.words[place].lower())
            found += rows
    return found


def frequencies(catalog: Catalog, lexicon: Lexicon) -> Counter[str]:
    """In how many texts each word stands."""
    return Counter(word for row in sentences(catalog, lexicon) for word in set(row))


def pools(catalog: Catalog, lexicon: Lexicon, most: int) -> dict[bool, tuple[str, ...]]:
    """Chinese or not -> frequent words that are no attributes, the lexicon's where the catalogue has none."""
    counts = frequencies(catalog, lexicon)
    pools = {}
    for han in (False, True):
        ranked = [word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
        known = ranked if any(has_han(word) == han for word in ranked) else sorted(lexicon.synonyms)
        pools[han] = tuple(word for word in known if has_han(word) == han and _usable(word, lexicon))[:most]
    return pools


def heads(rows: list[list[str]], least: int = 3, share: float = 0.5) -> frozenset[str]:
    """Words that mostly begin their texts, in `least` of them or more: makers' names, where no column tells brands.

    >>> sorted(heads([["nivea", "soft"], ["nivea", "cream"], ["nivea", "soap"], ["soft", "soap"]]))
    ['nivea']
    """
    first = Counter(row[0] for row in rows if len(row) > 1)
    whole = Counter(word for row in rows for word in set(row))
    return frozenset(word for word, count in first.items() if count >= least and count >= share * whole[word])


def names(catalog: Catalog, lexicon: Lexicon, least: int = 3) -> list[str]:
    """Two-word names that begin texts: a maker's word that our lexicon does not know, and what mostly follows it.

    Where no column tells brands, "coastal scents" must not become "coastal fragrances".
    """
    rows = sentences(catalog, lexicon)
    known = heads(rows, least, 0.8)
    first = Counter(row[0] for row in rows if len(row) > 1)
    pairs = Counter((row[0], row[1]) for row in rows if len(row) > 1)
    sure = [(one, two) for (one, two), count in pairs.items() if count >= least and count >= 0.5 * first[one]]
    return sorted(f"{one} {two}" for one, two in sure if one in known and one not in lexicon.synonyms)


def _makers(catalog: Catalog, rows: list[list[str]], lexicon: Lexicon) -> frozenset[str]:
    """Words that are probably makers' names; none where a column tells brands, which are left out already."""
    return frozenset() if any(catalog.words.get("brand", ())) else heads(rows) - set(lexicon.synonyms)


def _usable(word: str, lexicon: Lexicon) -> bool:
    long_enough = len(word) > 1 if has_han(word) else len(word) > 2
    return long_enough and word not in _STOP and not lexicon.guarded(word) and word not in lexicon.blocked


def related(catalog: Catalog, lexicon: Lexicon, least: int = 4, top: int = 5) -> Synonyms:
    """word -> up to `top` words that stand in the same texts more often than chance, in `least` texts or more.

    Ranked by normalised pointwise mutual information (Bouma, GSCL 2009); attributes are left out on the right side.
    """
    rows = sentences(catalog, lexicon)
    words, table = _table(rows, least)
    if not words:
        return {}
    together = (table.T @ table).tocoo()
    counts = np.asarray(table.sum(axis=0)).ravel()
    apart = (together.row != together.col) & (together.data >= least)
    one, two, both = together.row[apart], together.col[apart], together.data[apart]
    pmi = np.log(both * len(rows) / (counts[one] * counts[two]))
    score = pmi / np.maximum(-np.log(both / len(rows)), 1e-9)
    names = _makers(catalog, rows, lexicon)
    usable = np.array([word not in names and _usable(word, lexicon) for word in words])
    good = (score > 0.15) & usable[two]
    return _best(words, one[good], two[good], score[good], top, lambda a, b: not alike(a, b))


def neighbours(
    catalog: Catalog, lexicon: Lexicon, least: int = 5, similarity: float = 0.2, top: int = 3, reach: int = 2
) -> Synonyms:
    """word -> up to `top` words with the same surroundings: cosine of positive PMI vectors (Bullinaria and Levy, 2007).

    Surroundings are the words within `reach` places, each with its side. Two words must name each other among their
    best; attributes neither go nor come; forms of one stem are no neighbours.
    """
    import scipy.sparse as sparse

    rows = sentences(catalog, lexicon)
    contexts = [
        [
            (row[place], f"{step:+d} {row[place + step]}")
            for place in range(len(row))
            for step in range(-reach, reach + 1)
            if step and 0 <= place + step < len(row)
        ]
        for row in rows
    ]
    words, table = _pairs(contexts, least)
    if not words:
        return {}
    counts = table.tocoo()
    total, left, right = table.sum(), np.asarray(table.sum(1)).ravel(), np.asarray(table.sum(0)).ravel()
    # contexts are smoothed (Levy and others, TACL 2015, 3.2): rare ones would win otherwise
    right = right**0.75 * (right.sum() / (right**0.75).sum())
    data = np.maximum(np.log(counts.data * total / (left[counts.row] * right[counts.col])), 0.0)
    vectors = sparse.csr_matrix((data, (counts.row, counts.col)), shape=table.shape)
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1)).ravel())
    unit = sparse.diags(1.0 / np.maximum(norms, 1e-12)) @ vectors
    names = _makers(catalog, rows, lexicon)
    usable = np.array([word not in names and _usable(word, lexicon) for word in words])
    unit = sparse.diags(usable.astype(float)) @ unit
    alikes = (unit @ unit.T).tocoo()
    good = (alikes.row != alikes.col) & (alikes.data >= similarity)
    one, two, score = alikes.row[good], alikes.col[good], alikes.data[good]
    best = _best(words, one, two, score, top, lambda a, b: not alike(a, b) and has_han(a) == has_han(b))
    return {
        word: kept for word, others in best.items() if (kept := tuple(o for o in others if word in best.get(o, ())))
    }


def _pairs(rows: list[list[tuple[str, str]]], least: int) -> tuple[list[str], sparse.csr_matrix]:
    """Words that stand in `least` places or more, and float64 (words, contexts): how often each meets each."""
    import scipy.sparse as sparse

    counts = Counter(word for row in rows for word in {word for word, _ in row})
    words = sorted(sorted(word for word, count in counts.items() if count >= least), key=lambda w: -counts[w])[:_MANY]
    place = {word: number for number, word in enumerate(words)}
    columns: dict[str, int] = {}
    met: Counter[tuple[int, int]] = Counter()
    for row in rows:
        for word, context in row:
            if word in place:
                met[place[word], columns.setdefault(context, len(columns))] += 1
    pairs = np.array(list(met), np.int64).reshape(-1, 2)
    values = np.array(list(met.values()), float)
    return words, sparse.csr_matrix((values, (pairs[:, 0], pairs[:, 1])), shape=(len(words), max(len(columns), 1)))


def _table(rows: list[list[str]], least: int) -> tuple[list[str], sparse.csr_matrix]:
    """Words in `least` texts or more, and float64 (texts, words): 1 where a text holds the word."""
    import scipy.sparse as sparse

    counts = Counter(word for row in rows for word in set(row))
    words = sorted(sorted(word for word, count in counts.items() if count >= least), key=lambda w: -counts[w])[:_MANY]
    place = {word: number for number, word in enumerate(words)}
    held = [sorted({place[word] for word in row if word in place}) for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in held])]).astype(np.int64)
    columns = np.fromiter((number for row in held for number in row), np.int32, int(starts[-1]))
    return words, sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(rows), max(len(words), 1)))


def _best(
    words: list[str],
    one: np.ndarray[tuple[int], np.dtype[np.int32]],
    two: np.ndarray[tuple[int], np.dtype[np.int32]],
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    top: int,
    fits: Callable[[str, str], bool],
) -> dict[str, tuple[str, ...]]:
    """word -> its `top` others by score; ties by the others' order."""
    found: dict[str, list[str]] = {}
    for place in np.lexsort((two, -score, one)).tolist():
        word, other = words[one[place]], words[two[place]]
        held = found.setdefault(word, [])
        if len(held) < top and fits(word, other):
            held.append(other)
    return {word: tuple(others) for word, others in found.items() if others}
