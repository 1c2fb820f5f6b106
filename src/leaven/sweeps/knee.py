"""Turning points of a curve: its knee, and the first value beyond the best that harms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from leaven.stats import HARMED, ComparisonConfig, compare_variants

Values = npt.NDArray[np.float64]


def find_knee(x: Sequence[float], y: Sequence[float], half_width: Sequence[float]) -> int | None:
    """Index of the point farthest from the line between the ends; None where noise alone bends the curve as much.

    Kneedle (Satopää et al., ICDCS Workshops 2011, section III) with the distance to the line instead of its smoothed
    difference curve, since there are few points; where we differ: the distance has to exceed half the width of the
    point's own interval. Fewer than three points, or a flat curve, have no knee.

    >>> find_knee([0, 1, 2, 3, 4], [0, 8, 9, 9.5, 10], [0.5] * 5)
    1
    >>> find_knee([0, 1, 2], [0, 1, 2], [0.1] * 3) is None
    True
    """
    positions, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(positions) < 3 or positions[-1] == positions[0]:
        return None
    share = (positions - positions[0]) / (positions[-1] - positions[0])
    distance = np.abs(values - (values[0] + share * (values[-1] - values[0])))
    index = int(np.argmax(distance))
    return index if distance[index] > half_width[index] and distance[index] > 0 else None


def find_turning_points(
    values: Mapping[str, Values], names: Sequence[str], question: ComparisonConfig
) -> tuple[int, int | None]:
    """(index of the best value, index of the first value beyond it that is significantly worse, or None).

    values: variant -> float64 (seeds, users). Worse: `compare_variants` gives "harmed" against the best, after Holm's
    correction over all values beyond the best. The best is chosen on the same users, which favors it slightly:
    a significant loss marks where to stop, and its size is not an estimate.
    """
    means = [float(values[name].mean()) for name in names]
    best = int(np.argmax(means))
    beyond = names[best + 1 :]
    if not beyond:
        return best, None
    against_best = ComparisonConfig(
        question.metric,
        question.min_effect,
        question.key,
        baseline=names[best],
        control="",
        n_draws=question.n_draws,
    )
    effects = compare_variants({name: values[name] for name in (names[best], *beyond)}, against_best).effects
    worse = {effect.variant for effect in effects if effect.verdict == HARMED}
    return best, next((index for index, name in enumerate(names) if index > best and name in worse), None)
