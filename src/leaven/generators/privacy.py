"""How much may a generator tell of any single user, and how much noise does that take?

Differential privacy: with one user more or less in the training rows, the chance of anything that the generator could
become changes by a factor of at most e^epsilon, but for a chance of delta (Dwork and Roth, 2014, definition 2.4).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from leaven.errors import MissingExtra, SpecError


@dataclass(frozen=True)
class Privacy:
    """A bound on what training may tell of one user. A user is one example: the last events of their history, or some
    of their rows.

    epsilon         the bound: 1 is strict, 10 is loose
    delta           chance that it does not hold; None: 1 / users^1.1
    clip            largest length of one user's gradient
    users_per_step  expected: each user takes part in a step by chance

    Raises SpecError for bounds that are none.
    """

    epsilon: float = 1.0
    delta: float | None = None
    clip: float = 1.0
    users_per_step: int = 256

    def __post_init__(self) -> None:
        checks = [
            ("epsilon", self.epsilon > 0, "a number above 0"),
            ("delta", self.delta is None or 0 < self.delta < 1, "a chance between 0 and 1"),
            ("clip", self.clip > 0, "a number above 0"),
            ("users_per_step", self.users_per_step >= 1, "1 or more"),
        ]
        for name, fine, wanted in checks:
            if not fine:
                raise SpecError(f"privacy.{name}", wanted, str(getattr(self, name)))

    @classmethod
    def read(cls, given: Any) -> Privacy | None:
        """A bound as a wish holds it, or as a file kept it."""
        return cls(**given) if isinstance(given, Mapping) else given

    def parted(self, share: float, users: int) -> tuple[Privacy, Privacy]:
        """(a share of the bound, the rest): who keeps both keeps this one, half of delta each."""
        delta = self.delta_of(users) / 2
        return tuple(replace(self, epsilon=part * self.epsilon, delta=delta) for part in (share, 1 - share))  # type: ignore[return-value]

    def delta_of(self, users: int) -> float:
        """The delta for so many users."""
        return self.delta if self.delta is not None else max(users, 2) ** -1.1

    def rate(self, users: int) -> float:
        """Chance of a user to take part in a step."""
        return min(self.users_per_step / max(users, 1), 1.0)

    def noise(self, users: int, steps: int) -> float:
        """Standard deviation of the noise in units of `clip`: the least that keeps epsilon over all steps."""
        return self._least(self.rate(users), steps, users)

    def noise_once(self, users: int) -> float:
        """Standard deviation of the noise of one answer that a user can move by 1 at most."""
        return self._least(1.0, 1, users)

    def _least(self, rate: float, steps: int, users: int) -> float:
        """The least noise that keeps epsilon.

        By the accountant of Opacus (Renyi differential privacy of the sampled Gaussian mechanism, Mironov and others,
        2019). Raises MissingExtra without it.
        """
        try:
            from opacus.accountants.utils import get_noise_multiplier
        except ImportError:
            raise MissingExtra("opacus", "privacy") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a bound from few orders is a bound all the same
            found = get_noise_multiplier(
                target_epsilon=self.epsilon,
                target_delta=self.delta_of(users),
                sample_rate=rate,
                steps=steps,
                accountant="rdp",
            )
        return float(found)


def spent(noise: float, rate: float, steps: int, delta: float) -> float:
    """The epsilon that so many steps with so much noise have cost, by the same accountant."""
    try:
        from opacus.accountants import RDPAccountant
    except ImportError:
        raise MissingExtra("opacus", "privacy") from None
    accountant = RDPAccountant()
    accountant.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(accountant.get_epsilon(delta=delta))
