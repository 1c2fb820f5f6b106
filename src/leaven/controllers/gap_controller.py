"""A controller that sets augmentation strength from the generalization gap.

The signal is overfitting itself: the difference between the loss on control users, who are held out of training, and on
training users (after the sign controller of ADA, Karras et al., NeurIPS 2020, section 3.1, which measures how much a
discriminator overfits). Where we differ: the target is not a constant but the gap at the best point of an un-augmented
pilot, and nothing changes while the control loss improves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from leaven import rng
from leaven.errors import SpecError, suggest_name
from leaven.protocols import ControllerState, Decision, Feedback, Signals

StepBeliefs = ControllerState
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


_ROUNDING = 1e-9  # progress and mean losses are rounded; a band may have width 0
Steers = Literal["both", "strength", "counts"]


@dataclass(frozen=True)
class GapController:
    """Raise strength when the recommender overfits, lower it when it underfits, hold it while it improves.

    At each validation, for each stratum, with gap = control loss - probe loss, smoothed:
    control loss fell by more than `dead_band` standard errors: hold; gap above the target by more than `dead_band`
    standard errors: raise by `rate`; below it by as much: lower by `rate`; else hold.

    strata         lengths at which a further stratum of histories begins, each with its own state; empty: one stratum
    rate           maximum change of a strength between two validations
    max_strength   maximum strength
    dead_band      standard errors within which a signal is ignored
    smoothing      weight of the previous validation in the smoothed gap and its error
    warm_up_share  share of training, at its beginning, without augmentation; clean_share: the same at its end
    pilot_share    share of a training for which the un-augmented pilot runs: it sets the target and costs its steps;
                   the stop-loss covers the same share
    stop_loss      standard errors by which the control loss may exceed that of the pilot at equal steps before
                   augmentation ends for good and the report is flagged; 0: never
    controls       "strength", "counts" (copies, or p for in-place steps), or "both"
    choose_step    whether one step at a time is active, sampled by its past reward (discounted Thompson sampling);
                   discount, floor: see `controllers/gap_controller.py`
    """

    strata: tuple[int, ...] = ()
    rate: float = 0.25
    max_strength: float = 1.0
    dead_band: float = 1.0
    smoothing: float = 0.7
    warm_up_share: float = 0.1
    clean_share: float = 0.1
    pilot_share: float = 0.3
    stop_loss: float = 2.0
    controls: Steers = "both"
    choose_step: bool = False
    discount: float = 0.9
    exploration_share: float = 0.05

    def __post_init__(self) -> None:
        for name in ("rate", "max_strength", "pilot_share", "discount"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise SpecError(f"gap.{name}", "a number above 0, at most 1", str(getattr(self, name)), "")
        for name in ("smoothing", "warm_up_share", "clean_share", "exploration_share"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise SpecError(f"gap.{name}", "a number from 0 to below 1", str(getattr(self, name)), "")
        for name in ("dead_band", "stop_loss"):
            if not getattr(self, name) >= 0.0:
                raise SpecError(f"gap.{name}", "0 or more standard errors", str(getattr(self, name)), "")
        if self.warm_up_share + self.clean_share >= 1.0:
            raise SpecError("gap.clean_share", "less than 1 together with warm_up_share", str(self.clean_share), "")
        if any(low >= high for low, high in zip((0, *self.strata), self.strata, strict=False)):
            raise SpecError("gap.strata", "ascending lengths above 0, such as [5, 10]", str(self.strata), "")
        if self.controls not in get_args(Steers):
            raise SpecError(
                "gap.controls", "a known target", repr(self.controls), suggest_name(self.controls, get_args(Steers))
            )

    def __call__(self, feedback: Feedback, state: ControllerState) -> tuple[Decision, ControllerState]:
        """Return the decision until the next validation, and the new state."""
        was = tuple(state.get("strength", [0.0] * len(feedback.strata)))
        gaps = self._smooth([one.gap for one in feedback.strata], state.get("gaps"))
        errors = self._smooth([one.gap_error for one in feedback.strata], state.get("errors"))
        choice: StepBeliefs = update_beliefs(state.get("choice", {}), feedback, self.discount)
        flag = str(state.get("flag") or self._check_stop_loss(feedback))
        pause = self._find_pause(feedback, flag)
        if pause:
            strength, why, step = (0.0,) * len(was), pause, ""
        else:
            signals = zip(feedback.strata, was, gaps, errors, strict=True)
            moves = [self._move_strength(seen, old, gap, error) for seen, old, gap, error in signals]
            strength, why = tuple(level for level, _ in moves), _join_reasons(feedback, [reason for _, reason in moves])
            step = sample_step(choice, feedback, self.exploration_share) if self.choose_step and any(strength) else ""
        memory = {"strength": list(strength), "gaps": gaps, "errors": errors, "flag": flag}
        levels, share = self._split_strength(strength)
        return Decision(levels, share, why, step, flag), memory | {"choice": {**choice, "now": step}}

    def _find_pause(self, feedback: Feedback, flag: str) -> str:
        """Return why augmentation is off now, or ""."""
        if flag:
            return flag
        if feedback.progress < self.warm_up_share - _ROUNDING:
            return "warm-up"
        if feedback.until > 1.0 - self.clean_share + _ROUNDING:
            return "clean finish"
        return ""

    def _check_stop_loss(self, feedback: Feedback) -> str:
        """Return the stop-loss message, or "" while the control loss is close to that of the pilot."""
        if not self.stop_loss or feedback.excess is None or feedback.excess_error is None:
            return ""
        if not feedback.excess > self.stop_loss * feedback.excess_error:
            return ""
        reason = f"control loss +{feedback.excess:.3f} ± {feedback.excess_error:.3f} against the un-augmented pilot"
        return f"stop-loss at step {feedback.step:,}: {reason}"

    def _smooth(self, now: list[float], before: list[float] | None) -> list[float]:
        """Return exponentially smoothed values.

        Errors are smoothed too: at the best point of the pilot the latest one is 0.
        """
        if before is None:
            return now
        return [self.smoothing * old + (1.0 - self.smoothing) * new for old, new in zip(before, now, strict=True)]

    def _move_strength(self, seen: Signals, was: float, gap: float, error: float) -> tuple[float, str]:
        """Return the new strength of one stratum and the reason."""
        target = 0.0 if seen.target is None else seen.target
        band = self.dead_band * error
        figures = f"gap {_format_figure(gap)}, target {_format_figure(target)} ± {_format_figure(band)}"
        if seen.slope is not None and seen.slope < -self.dead_band * (seen.slope_error or 0.0):
            return was, f"held: control improves by {-seen.slope:.3f}"
        if gap > target + band + _ROUNDING:
            up = min(was + self.rate, self.max_strength)
            return up, f"{'up' if up > was else 'at its maximum'}: overfits, {figures}"
        if gap < target - band - _ROUNDING:
            down = max(was - self.rate, 0.0)
            return down, f"{'down' if down < was else 'at 0'}: underfits, {figures}"
        return was, f"held: {figures}"

    def _split_strength(self, strength: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return (strength, share of the counts); both are 0 at strength 0, so that no unchanged row is appended."""
        whole = tuple(1.0 if level else 0.0 for level in strength)
        return (whole if self.controls == "counts" else strength), (whole if self.controls == "strength" else strength)


def _format_figure(figure: float) -> str:
    return f"{figure:.2f}".replace("-", "−")


def _join_reasons(feedback: Feedback, reasons: list[str]) -> str:
    if len(reasons) == 1:
        return reasons[0]
    return "; ".join(f"{seen.stratum}: {reason}" for seen, reason in zip(feedback.strata, reasons, strict=True))
