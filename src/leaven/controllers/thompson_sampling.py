"""Which of several steps should act next, by what each has brought so far?

Thompson sampling (Thompson, 1933) with normal beliefs whose past is discounted, as what helps early may not help late
(after Raj and Kalyani, 2017, who discount the counts of Bernoulli arms; here they are means of a reward).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from leaven import rng
from leaven.protocols import Feedback

Choice = Mapping[str, Any]
"""now: the step that acts; seen: step -> [looks, sum of rewards, sum of their squares], all discounted."""


def rewarded(choice: Choice, feedback: Feedback, discount: float) -> Choice:
    """Beliefs after this look: the step that acted since the last one gets what the control loss fell by.

    discount: what a look counts for after one more.
    """
    now, slopes = choice.get("now", ""), [one.slope for one in feedback.strata]
    if not now or any(slope is None for slope in slopes):
        return choice
    users = sum(one.users for one in feedback.strata)
    fell = -sum(one.users * (one.slope or 0.0) for one in feedback.strata) / users
    seen = {step: [discount * value for value in sums] for step, sums in choice.get("seen", {}).items()}
    looks, total, squares = seen.get(now, [0.0, 0.0, 0.0])
    seen[now] = [looks + 1.0, total + fell, squares + fell * fell]
    return {"now": now, "seen": seen}


def chosen(choice: Choice, feedback: Feedback, floor: float) -> str:
    """The step with the highest draw from what is believed of it.

    A belief begins as one look with the mean of all. floor: chance that a step is drawn evenly instead, so that none is
    given up for ever. Draws follow from (key, step of training) alone.
    """
    chance = rng.generator(rng.key(feedback.key, "choose", feedback.step))
    evenly, place = chance.random() < floor, int(chance.integers(len(feedback.steps)))
    if evenly:
        return feedback.steps[place]
    seen = {step: choice.get("seen", {}).get(step, [0.0, 0.0, 0.0]) for step in feedback.steps}
    looks, total, squares = (sum(sums[part] for sums in seen.values()) for part in range(3))
    mean = total / looks if looks else 0.0
    spread = math.sqrt(max(squares / looks - mean * mean, 0.0)) if looks else 1.0
    drawn = {
        step: (own + mean) / (n + 1.0) + spread / math.sqrt(n + 1.0) * float(chance.standard_normal())
        for step, (n, own, _) in seen.items()
    }
    return max(drawn, key=lambda step: drawn[step])
