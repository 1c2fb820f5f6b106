"""Discounted Thompson sampling: which of several steps is active next.

Thompson sampling (Thompson, 1933) with normal beliefs whose past is discounted, because a step that helps early may not
help late (after Raj and Kalyani, 2017, who discount the counts of Bernoulli arms; here they are means of a reward).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from leaven import rng
from leaven.protocols import Feedback

StepBeliefs = Mapping[str, Any]
"""now: the active step; seen: step -> [validations, sum of rewards, sum of their squares], all discounted."""


def update_beliefs(choice: StepBeliefs, feedback: Feedback, discount: float) -> StepBeliefs:
    """Return the beliefs after a validation: the active step is rewarded with the decrease of the control loss.

    discount: weight of a validation after the next one.
    """
    now, slopes = choice.get("now", ""), [one.slope for one in feedback.strata]
    if not now or any(slope is None for slope in slopes):
        return choice
    users = sum(one.users for one in feedback.strata)
    reward = -sum(one.users * (one.slope or 0.0) for one in feedback.strata) / users
    seen = {step: [discount * value for value in sums] for step, sums in choice.get("seen", {}).items()}
    n_validations, total, squares = seen.get(now, [0.0, 0.0, 0.0])
    seen[now] = [n_validations + 1.0, total + reward, squares + reward * reward]
    return {"now": now, "seen": seen}


def sample_step(choice: StepBeliefs, feedback: Feedback, floor: float) -> str:
    """Return the step with the largest draw from its belief.

    A belief starts as one validation with the mean of all steps. floor: probability of a uniform draw instead, so that
    no step is dropped for good. Draws depend on (key, training step) only.
    """
    generator = rng.make_generator(rng.derive_key(feedback.key, "choose", feedback.step))
    is_uniform, index = generator.random() < floor, int(generator.integers(len(feedback.steps)))
    if is_uniform:
        return feedback.steps[index]
    seen = {step: choice.get("seen", {}).get(step, [0.0, 0.0, 0.0]) for step in feedback.steps}
    n_validations, total, squares = (sum(sums[part] for sums in seen.values()) for part in range(3))
    mean = total / n_validations if n_validations else 0.0
    spread = math.sqrt(max(squares / n_validations - mean * mean, 0.0)) if n_validations else 1.0
    drawn = {
        step: (own + mean) / (n + 1.0) + spread / math.sqrt(n + 1.0) * float(generator.standard_normal())
        for step, (n, own, _) in seen.items()
    }
    return max(drawn, key=lambda step: drawn[step])
