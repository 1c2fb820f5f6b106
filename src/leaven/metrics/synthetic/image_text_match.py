"""Do words and a picture belong together?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError
from leaven.protocols import FittedEncoder

Points = npt.NDArray[np.float64]

_FEWEST = 10  # pictures with words without which nothing can be learned of them


@dataclass(frozen=True, eq=False)
class Matcher:
    """Guesses where a picture lies from its words. weights float64 (width of words, width of pictures)."""

    words: FittedEncoder
    weights: Points
    mean: Points

    @classmethod
    def fit(cls, words: Sequence[str], pictures: Points, key: int) -> Matcher:
        """Ridge regression of where pictures lie (float64 (pictures, width)) on the TF-IDF directions of their words.

        As Frome and others (NeurIPS 2013, section 3.2) tie pictures to words, the other way round and linear.
        Raises DataError for fewer than 10 pictures with words.
        """
        there = np.array([bool(one.strip()) for one in words], bool)
        if there.sum() < _FEWEST:
            raise DataError("words", f"at least {_FEWEST} pictures with words", str(int(there.sum())), "")
        told = [one for one, known in zip(words, there, strict=True) if known]
        encoder = TfIdf().fit(_catalog(told), key)
        vectors = np.asarray(encoder(_catalog(told)), np.float64)
        mean = pictures[there].mean(axis=0)
        gram = vectors.T @ vectors + np.eye(vectors.shape[1])
        return cls(encoder, np.linalg.solve(gram, vectors.T @ (pictures[there] - mean)), mean)

    def fits(self, words: Sequence[str], pictures: Points, others: Points) -> Points:
        """float64 (pictures,): share of the other pictures that fit a picture's words worse than it does; ties half.

        Chance is 0.5; NaN for pictures without words.
        """
        guessed = _unit(np.asarray(self.words(_catalog(words)), np.float64) @ self.weights)
        own = (guessed * _unit(pictures - self.mean)).sum(axis=1)
        theirs = guessed @ _unit(others - self.mean).T  # (pictures, others)
        share = (theirs < own[:, None]).mean(axis=1) + (theirs == own[:, None]).mean(axis=1) / 2
        known = np.array([bool(one.strip()) for one in words], bool)
        return np.where(known, share, np.nan)


def _catalog(words: Sequence[str]) -> Catalog:
    return Catalog([str(place) for place in range(len(words))], {"words": list(words)})


def _unit(points: Points) -> Points:
    norm = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(norm > 0, norm, 1.0), np.float64)
