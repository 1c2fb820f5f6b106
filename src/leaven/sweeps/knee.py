"""Where does a curve bend, and where does more begin to hurt?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from leaven.stats import HARMED, Question, compare

Values = npt.NDArray[np.float64]


def knee(x: Sequence[float], y: Sequence[float], half_width: Sequence[float]) -> int | None:
    """Place of the point that lies farthest from the line between the ends; None where chance alone bends as much.

    Kneedle (Satopää et al., ICDCS Workshops 2011, section III) with the line's own distance in place of its smoothed
    difference curve, as there are a handful of points; where we differ: the bend has to exceed half the width of the
    point's own interval. Fewer than three points, or a flat curve, have no knee.

    >>> knee([0, 1, 2, 3, 4], [0, 8, 9, 9.5, 10], [0.5] * 5)
    1
    >>> knee([0, 1, 2], [0, 1, 2], [0.1] * 3) is None
    True
    """
    places, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(places) < 3 or places[-1] == places[0]:
        return None
    share = (places - places[0]) / (places[-1] - places[0])
    away = np.abs(values - (values[0] + share * (values[-1] - values[0])))
    found = int(np.argmax(away))
    return found if away[found] > half_width[found] and away[found] > 0 else None


def begins_to_hurt(values: Mapping[str, Values], names: Sequence[str], question: Question) -> tuple[int, int | None]:
    """(place of the best value, place of the first value beyond it that is worse than the best; None: none is shown).

    values: arm -> float64 (seeds, users). Worse: `compare` says "harmed" of it against the best, after Holm over all
    values beyond the best. The best was chosen by the same users, which favours it a little: a fall that is shown
    here is a place to stop looking, and its size is not an estimate.
    """
    means = [float(values[name].mean()) for name in names]
    best = int(np.argmax(means))
    beyond = names[best + 1 :]
    if not beyond:
        return best, None
    asked = Question(
        question.metric, question.smallest_lift, question.key, baseline=names[best], control="", draws=question.draws
    )
    effects = compare({name: values[name] for name in (names[best], *beyond)}, asked).effects
    worse = {effect.arm for effect in effects if effect.verdict == HARMED}
    return best, next((place for place, name in enumerate(names) if place > best and name in worse), None)
