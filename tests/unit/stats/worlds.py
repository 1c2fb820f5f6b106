"""Values per user of variants with known effects."""

import numpy as np


def world(
    seed: int, lifts: dict[str, float], seeds: int = 3, users: int = 300, training: float = 0.0
) -> dict[str, np.ndarray]:
    """arm -> (seeds, users): users differ a lot, answer each arm in their own way, and every training adds noise
    to each user; `training` is the luck of one training for all its users, in standard errors of a mean."""
    chance = np.random.default_rng(seed)
    taste = chance.beta(1, 2, users)
    noise = 0.15
    values = {}
    for arm, lift in {"baseline": 0.0, **lifts}.items():
        own = chance.normal(0, noise / 2, users) * (arm != "baseline")
        luck = chance.normal(0, training * noise * np.sqrt(2 / users), (seeds, 1))
        values[arm] = taste + own + chance.normal(0, noise, (seeds, users)) + luck + lift / 3  # the mean of beta(1, 2)
    return values
