"""Sampling of numeric settings for the leaders of a race."""

from __future__ import annotations

from collections.abc import Mapping

from leaven.errors import MissingExtra
from leaven.plan_search.candidates import NumberRange


class SettingsSampler:
    """Proposes settings by Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011).

    Raises MissingExtra where Optuna is not installed.
    """

    def __init__(self, space: Mapping[str, NumberRange], seed: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise MissingExtra("optuna", "auto") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=3)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._trial: optuna.Trial | None = None

    def ask(self) -> dict[str, float]:
        """The next settings."""
        self._trial = trial = self._study.ask()
        return {
            name: trial.suggest_int(name, int(one.low), int(one.high), log=one.is_log)
            if one.is_integer
            else trial.suggest_float(name, one.low, one.high, log=one.is_log)
            for name, one in self._space.items()
        }

    def tell(self, value: float | None) -> None:
        """Report the score of the settings of the last `ask`; None: they failed."""
        import optuna

        assert self._trial is not None
        state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
        self._study.tell(self._trial, value, state)
