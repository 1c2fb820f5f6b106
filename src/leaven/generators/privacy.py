"""Differential privacy budgets of generators, and the noise that keeps them.

Adding or removing one user changes the probability of every trained generator by a factor of at most e^epsilon, except
with probability delta (Dwork and Roth, 2014, definition 2.4).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from leaven.errors import MissingExtra, SpecError


@dataclass(frozen=True)
class PrivacyBudget:
    """A differential privacy budget for each user. One user is one example: the last events of their history, or some
    of their rows.

    epsilon         the bound: 1 is strict, 10 is loose
    delta           probability that the bound fails; None: 1 / users^1.1
    clip            largest norm of one user's gradient
    users_per_step  expected number of users in a step; each user is sampled independently

    Raises SpecError for values out of range.
    """

    epsilon: float = 1.0
    delta: float | None = None
    clip: float = 1.0
    users_per_step: int = 256

    def __post_init__(self) -> None:
        checks = [
            ("epsilon", self.epsilon > 0, "a number above 0"),
            ("delta", self.delta is None or 0 < self.delta < 1, "a probability between 0 and 1"),
            ("clip", self.clip > 0, "a number above 0"),
            ("users_per_step", self.users_per_step >= 1, "1 or more"),
        ]
        for name, is_valid, expected in checks:
            if not is_valid:
                raise SpecError(f"privacy.{name}", expected, str(getattr(self, name)))

    @classmethod
    def parse_budget(cls, value: PrivacyBudget | Mapping[str, Any] | None) -> PrivacyBudget | None:
        """Returns the budget of a config field, or of the mapping that a saved file holds."""
        return cls(**value) if isinstance(value, Mapping) else value

    def split_budget(self, share: float, users: int) -> tuple[PrivacyBudget, PrivacyBudget]:
        """Returns budgets of `share` and `1 - share` of epsilon, each with half of delta, which together spend this."""
        delta = self.resolve_delta(users) / 2
        first = replace(self, epsilon=share * self.epsilon, delta=delta)
        return first, replace(self, epsilon=(1 - share) * self.epsilon, delta=delta)

    def resolve_delta(self, users: int) -> float:
        """Returns delta, or its default for this number of users."""
        return self.delta if self.delta is not None else max(users, 2) ** -1.1

    def compute_sampling_rate(self, users: int) -> float:
        """Returns the probability that a step samples a given user."""
        return min(self.users_per_step / max(users, 1), 1.0)

    def compute_noise(self, users: int, steps: int) -> float:
        """Returns the smallest noise deviation, in units of `clip`, that keeps epsilon over all steps."""
        return self._compute_min_noise(self.compute_sampling_rate(users), steps, users)

    def compute_query_noise(self, users: int) -> float:
        """Returns the standard deviation of the noise for one query that a user changes by at most 1."""
        return self._compute_min_noise(1.0, 1, users)

    def _compute_min_noise(self, rate: float, steps: int, users: int) -> float:
        """Returns the smallest noise that keeps epsilon.

        Uses the accountant of Opacus (Renyi differential privacy of the sampled Gaussian mechanism, Mironov and others,
        2019). Raises MissingExtra without it, and SpecError for a budget that no noise keeps.
        """
        try:
            from opacus.accountants.utils import get_noise_multiplier
        except ImportError:
            raise MissingExtra("opacus", "privacy") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a bound from few orders is still a bound
            try:
                multiplier = get_noise_multiplier(
                    target_epsilon=self.epsilon,
                    target_delta=self.resolve_delta(users),
                    sample_rate=rate,
                    steps=steps,
                    accountant="rdp",
                )
            except ValueError as error:  # no noise that the accountant tries is large enough
                expected = f"a budget that {steps:,} steps on {users:,} users can keep"
                fix = "a larger epsilon or delta, fewer epochs, or fewer users_per_step"
                raise SpecError("privacy.epsilon", expected, f"{self.epsilon:g}", fix) from error
        return float(multiplier)


def compute_epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """Returns the epsilon spent by `steps` steps with this noise and sampling rate, by the same accountant."""
    try:
        from opacus.accountants import RDPAccountant
    except ImportError:
        raise MissingExtra("opacus", "privacy") from None
    accountant = RDPAccountant()
    accountant.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(accountant.get_epsilon(delta=delta))
