"""Learns from a catalog which words co-occur, and which words share contexts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.tokenization import find_scripts, has_han
from leaven.transforms.text.lexicon import Lexicon, SynonymTable, share_stem
from leaven.transforms.text.protected_spans import ProtectedPhrases, TextReader

if TYPE_CHECKING:
    import scipy.sparse as sparse

_MAX_TEXTS = 200_000  # of one column; more texts change little
_MAX_WORDS = 20_000  # distinct words that are compared
_STOP_WORD_LIST = (
    "a an and are as at be by for from in into is it its of off on or our so that the their this to up we with"
    " you your amp quot categories category products product 的 了 和 与 及 是 在 有 为 等 之 也 都 很"
)
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())


def extract_sentences(catalog: Catalog, lexicon: Lexicon) -> list[list[str]]:
    """The changeable words of each text, lower-case and in order, without brands and sizes."""
    reader = TextReader(ProtectedPhrases(catalog.texts.get("brand", ())), whole=lexicon.unsplit_words)
    found = []
    for name, column in catalog.texts.items():
        if name != "brand":
            pieces, free = reader([text for text in column[:_MAX_TEXTS] if text])
            rows: list[list[str]] = [[] for _ in range(len(pieces))]
            for position, row in zip(np.flatnonzero(free).tolist(), pieces.token_rows[free].tolist(), strict=True):
                rows[row].append(pieces.tokens[position].lower())
            found += rows
    return found


def count_word_texts(catalog: Catalog, lexicon: Lexicon) -> Counter[str]:
    """Number of texts with each word."""
    return Counter(word for row in extract_sentences(catalog, lexicon) for word in set(row))


WordPools = Mapping[frozenset[str], tuple[str, ...]]
"""Scripts of a word -> frequent words in the same scripts."""


def build_word_pools(catalog: Catalog, lexicon: Lexicon, max_words: int) -> WordPools:
    """Frequent words that are no attributes by their scripts; Latin and Chinese ones from the lexicon where the catalog
    has none.
    """
    counts = count_word_texts(catalog, lexicon)
    ranked: dict[frozenset[str], list[str]] = {}
    for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        ranked.setdefault(find_scripts(word), []).append(word)
    for script in ("Latin", "Han"):
        key = frozenset((script,))
        ranked.setdefault(key, sorted(word for word in lexicon.synonyms if find_scripts(word) == key))
    return {
        scripts: tuple(word for word in words if _is_usable(word, lexicon))[:max_words]
        for scripts, words in ranked.items()
    }


def find_leading_words(rows: list[list[str]], min_texts: int = 3, min_share: float = 0.5) -> frozenset[str]:
    """Words that mostly begin their texts, in `min_texts` texts or more: brand names, where no column has them.

    >>> sorted(find_leading_words([["nivea", "soft"], ["nivea", "cream"], ["nivea", "soap"], ["soft", "soap"]]))
    ['nivea']
    """
    first = Counter(row[0] for row in rows if len(row) > 1)
    whole = Counter(word for row in rows for word in set(row))
    return frozenset(word for word, count in first.items() if count >= min_texts and count >= min_share * whole[word])


def find_brand_names(catalog: Catalog, lexicon: Lexicon, min_texts: int = 3) -> list[str]:
    """Two-word names that begin texts: a brand word outside the lexicon, and the word that mostly follows it.

    Without a brand column, "coastal scents" must not become "coastal fragrances".
    """
    rows = extract_sentences(catalog, lexicon)
    known = find_leading_words(rows, min_texts, 0.8)
    first = Counter(row[0] for row in rows if len(row) > 1)
    pairs = Counter((row[0], row[1]) for row in rows if len(row) > 1)
    brands = [pair for pair, count in pairs.items() if count >= min_texts and count >= 0.5 * first[pair[0]]]
    return sorted(f"{a} {b}" for a, b in brands if a in known and a not in lexicon.synonyms)


def _find_brand_words(catalog: Catalog, rows: list[list[str]], lexicon: Lexicon) -> frozenset[str]:
    """Words that are probably brand names; none with a brand column, whose words are left out already."""
    return frozenset() if any(catalog.texts.get("brand", ())) else find_leading_words(rows) - set(lexicon.synonyms)


def _is_usable(word: str, lexicon: Lexicon, guard_attributes: bool = True) -> bool:
    long_enough = len(word) > 1 if has_han(word) else len(word) > 2
    is_guarded = guard_attributes and lexicon.is_attribute(word)
    return long_enough and word not in _STOP_WORDS and not is_guarded and word not in lexicon.blocked_words


def find_related_words(catalog: Catalog, lexicon: Lexicon, min_texts: int = 4, max_related: int = 5) -> SynonymTable:
    """word -> up to `max_related` words that co-occur with it more often than by chance, in `min_texts` texts or more.

    Ranked by normalized pointwise mutual information (Bouma, GSCL 2009); attributes are no related words.
    """
    rows = extract_sentences(catalog, lexicon)
    words, table = _count_texts(rows, min_texts)
    if not words:
        return {}
    cooccurrences = (table.T @ table).tocoo()
    counts = np.asarray(table.sum(axis=0)).ravel()
    is_pair = (cooccurrences.row != cooccurrences.col) & (cooccurrences.data >= min_texts)
    one, two, both = cooccurrences.row[is_pair], cooccurrences.col[is_pair], cooccurrences.data[is_pair]
    pmi = np.log(both * len(rows) / (counts[one] * counts[two]))
    score = pmi / np.maximum(-np.log(both / len(rows)), 1e-9)
    brand_words = _find_brand_words(catalog, rows, lexicon)
    usable = np.array([word not in brand_words and _is_usable(word, lexicon) for word in words])
    is_related = (score > 0.15) & usable[two]
    return _select_top(
        words, one[is_related], two[is_related], score[is_related], max_related, lambda a, b: not share_stem(a, b)
    )


def find_word_neighbors(
    catalog: Catalog,
    lexicon: Lexicon,
    min_texts: int = 5,
    min_similarity: float = 0.2,
    max_neighbors: int = 3,
    max_distance: int = 2,
    guard_attributes: bool = True,
) -> SynonymTable:
    """word -> up to `max_neighbors` words of similar context: cosine of positive PMI (Bullinaria and Levy, 2007).

    The context are the words within `max_distance`, each with its offset. Neighbors are mutual; attributes are
    excluded on both sides (guard_attributes); forms of one stem are no neighbors.
    """
    import scipy.sparse as sparse

    rows = extract_sentences(catalog, lexicon)
    contexts = [
        [
            (row[position], f"{offset:+d} {row[position + offset]}")
            for position in range(len(row))
            for offset in range(-max_distance, max_distance + 1)
            if offset and 0 <= position + offset < len(row)
        ]
        for row in rows
    ]
    words, table = _count_contexts(contexts, min_texts)
    if not words:
        return {}
    counts = table.tocoo()
    total, left, right = table.sum(), np.asarray(table.sum(1)).ravel(), np.asarray(table.sum(0)).ravel()
    # contexts are smoothed (Levy and others, TACL 2015, 3.2), else rare contexts dominate
    right = right**0.75 * (right.sum() / (right**0.75).sum())
    data = np.maximum(np.log(counts.data * total / (left[counts.row] * right[counts.col])), 0.0)
    vectors = sparse.csr_matrix((data, (counts.row, counts.col)), shape=table.shape)
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1)).ravel())
    unit = sparse.diags(1.0 / np.maximum(norms, 1e-12)) @ vectors
    brand_words = _find_brand_words(catalog, rows, lexicon)
    usable = np.array([word not in brand_words and _is_usable(word, lexicon, guard_attributes) for word in words])
    unit = sparse.diags(usable.astype(float)) @ unit
    cosines = (unit @ unit.T).tocoo()
    is_similar = (cosines.row != cosines.col) & (cosines.data >= min_similarity)
    one, two, score = cosines.row[is_similar], cosines.col[is_similar], cosines.data[is_similar]
    best = _select_top(
        words, one, two, score, max_neighbors, lambda a, b: not share_stem(a, b) and find_scripts(a) == find_scripts(b)
    )
    return {
        word: mutual for word, others in best.items() if (mutual := tuple(o for o in others if word in best.get(o, ())))
    }


def _rank_words(counts: Counter[str], least: int) -> list[str]:
    """Words with `least` counts or more, the most frequent first; ties in alphabetical order."""
    frequent = sorted(word for word, count in counts.items() if count >= least)
    return sorted(frequent, key=lambda word: -counts[word])[:_MAX_WORDS]


def _count_contexts(rows: list[list[tuple[str, str]]], least: int) -> tuple[list[str], sparse.csr_matrix]:
    """Words in `least` rows or more, and float64 (words, contexts): their co-occurrence counts."""
    import scipy.sparse as sparse

    counts = Counter(word for row in rows for word in {word for word, _ in row})
    words = _rank_words(counts, least)
    index = {word: number for number, word in enumerate(words)}
    columns: dict[str, int] = {}
    counts_of_pairs: Counter[tuple[int, int]] = Counter()
    for row in rows:
        for word, context in row:
            if word in index:
                counts_of_pairs[index[word], columns.setdefault(context, len(columns))] += 1
    pairs = np.array(list(counts_of_pairs), np.int64).reshape(-1, 2)
    values = np.array(list(counts_of_pairs.values()), float)
    return words, sparse.csr_matrix((values, (pairs[:, 0], pairs[:, 1])), shape=(len(words), max(len(columns), 1)))


def _count_texts(rows: list[list[str]], least: int) -> tuple[list[str], sparse.csr_matrix]:
    """Words in `least` texts or more, and float64 (texts, words): 1 where a text contains the word."""
    import scipy.sparse as sparse

    counts = Counter(word for row in rows for word in set(row))
    words = _rank_words(counts, least)
    index = {word: number for number, word in enumerate(words)}
    present = [sorted({index[word] for word in row if word in index}) for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in present])]).astype(np.int64)
    columns = np.fromiter((number for row in present for number in row), np.int32, int(starts[-1]))
    return words, sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(rows), max(len(words), 1)))


def _select_top(
    words: list[str],
    one: np.ndarray[tuple[int], np.dtype[np.int32]],
    two: np.ndarray[tuple[int], np.dtype[np.int32]],
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    top: int,
    fits: Callable[[str, str], bool],
) -> dict[str, tuple[str, ...]]:
    """word -> its `top` others by score; ties in the order of the words."""
    found: dict[str, list[str]] = {}
    for pair in np.lexsort((two, -score, one)).tolist():
        word, other = words[one[pair]], words[two[pair]]
        selected = found.setdefault(word, [])
        if len(selected) < top and fits(word, other):
            selected.append(other)
    return {word: tuple(others) for word, others in found.items() if others}
