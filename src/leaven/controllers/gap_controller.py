"""How strong should augmentation be now, by how the recommender does on users that it does not learn from?

What it looks at is overfitting itself: how much better the recommender knows users that it learns from than the
control users (after the sign controller of ADA, Karras et al., NeurIPS 2020, section 3.1, which watches how much a
discriminator overfits). Where we differ: the target is no magic number but the gap at which an un-augmented pilot did
best, and as long as control users are served better and better nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from leaven.controllers.thompson_sampling import Choice, chosen, rewarded
from leaven.errors import SpecError, nearest
from leaven.protocols import Decision, Feedback, Signals

_ROUNDING = 1e-9  # places of looks and means of losses are rounded; a band may be as narrow as 0
Steers = Literal["both", "strength", "counts"]


@dataclass(frozen=True)
class Gap:
    """Up where the recommender overfits, down where it underfits, held while it improves; a clean finish.

    At each look, for each stratum by itself, with gap = control loss - probe loss, smoothed:
    improving (the control loss fell by more than `dead_band` standard errors): hold; gap above the target by more than
    `dead_band` standard errors: up by `rate`; below it by as much: down by `rate`; else hold.

    strata         lengths at which a further stratum of histories begins, each with its own state; none: all in one
    rate           most that a strength changes from one look to the next
    most           the highest strength
    dead_band      standard errors within which a signal says nothing
    smoothing      part of the gap and of its error that is carried on from the look before
    warm_up_share  of training, at its beginning, without augmentation; clean_share: the same at its end
    pilot_share    of a training that the un-augmented pilot runs: it sets the target and costs its steps; the stop-loss
                   looks no further than it went
    stop_loss      standard errors by which control users may be served worse than by the pilot at equal steps, before
                   augmentation ends for good and the report is flagged; 0: never
    steers         "strength", "counts" (copies, or p where rows are replaced), or "both"
    choose         whether one step at a time acts, drawn by what each has brought (discounted Thompson sampling);
                   discount, floor: see `controllers/thompson_sampling.py`
    """

    strata: tuple[int, ...] = ()
    rate: float = 0.25
    most: float = 1.0
    dead_band: float = 1.0
    smoothing: float = 0.7
    warm_up_share: float = 0.1
    clean_share: float = 0.1
    pilot_share: float = 0.3
    stop_loss: float = 2.0
    steers: Steers = "both"
    choose: bool = False
    discount: float = 0.9
    floor: float = 0.05

    def __post_init__(self) -> None:
        for name in ("rate", "most", "pilot_share", "discount"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise SpecError(f"gap.{name}", "a number above 0, at most 1", str(getattr(self, name)), "")
        for name in ("smoothing", "warm_up_share", "clean_share", "floor"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise SpecError(f"gap.{name}", "a number from 0 to below 1", str(getattr(self, name)), "")
        for name in ("dead_band", "stop_loss"):
            if not getattr(self, name) >= 0.0:
                raise SpecError(f"gap.{name}", "0 or more standard errors", str(getattr(self, name)), "")
        if self.warm_up_share + self.clean_share >= 1.0:
            raise SpecError("gap.clean_share", "a course that is not all warm-up and finish", str(self.clean_share), "")
        if any(low >= high for low, high in zip((0, *self.strata), self.strata, strict=False)):
            raise SpecError("gap.strata", "ascending lengths above 0, such as [5, 10]", str(self.strata), "")
        if self.steers not in get_args(Steers):
            raise SpecError("gap.steers", "a known one", repr(self.steers), nearest(self.steers, get_args(Steers)))

    def __call__(self, feedback: Feedback, state: Mapping[str, Any]) -> tuple[Decision, Mapping[str, Any]]:
        """The decision that holds from this look to the next."""
        was = tuple(state.get("strength", [0.0] * len(feedback.strata)))
        gaps = self._smoothed([one.gap for one in feedback.strata], state.get("gaps"))
        errors = self._smoothed([one.gap_error for one in feedback.strata], state.get("errors"))
        choice: Choice = rewarded(state.get("choice", {}), feedback, self.discount)
        flag = str(state.get("flag") or self._flag(feedback))
        rest = self._rest(feedback, flag)
        if rest:
            strength, why, step = (0.0,) * len(was), rest, ""
        else:
            moves = [self._moved(*one) for one in zip(feedback.strata, was, gaps, errors, strict=True)]
            strength, why = tuple(level for level, _ in moves), _told(feedback, [words for _, words in moves])
            step = chosen(choice, feedback, self.floor) if self.choose and any(strength) else ""
        kept = {"strength": list(strength), "gaps": gaps, "errors": errors, "flag": flag}
        return Decision(*self._doses(strength), why, step, flag), kept | {"choice": {**choice, "now": step}}

    def _rest(self, feedback: Feedback, flag: str) -> str:
        """Why nothing is augmented now; "" where it may be."""
        if flag:
            return flag
        if feedback.progress < self.warm_up_share - _ROUNDING:
            return "warm-up"
        if feedback.until > 1.0 - self.clean_share + _ROUNDING:
            return "clean finish"
        return ""

    def _flag(self, feedback: Feedback) -> str:
        """Stop-loss; "" while control users are served about as well as by the pilot."""
        if not self.stop_loss or feedback.excess is None or feedback.excess_error is None:
            return ""
        if not feedback.excess > self.stop_loss * feedback.excess_error:
            return ""
        told = f"control loss +{feedback.excess:.3f} ± {feedback.excess_error:.3f} against the un-augmented pilot"
        return f"stop-loss at step {feedback.step:,}: {told}"

    def _smoothed(self, now: list[float], before: list[float] | None) -> list[float]:
        """Errors too: where a training is still its pilot at its best, the last one alone would be 0."""
        if before is None:
            return now
        return [self.smoothing * old + (1.0 - self.smoothing) * new for old, new in zip(before, now, strict=True)]

    def _moved(self, seen: Signals, was: float, gap: float, error: float) -> tuple[float, str]:
        """(strength, why) of one stratum."""
        target = 0.0 if seen.target is None else seen.target
        band = self.dead_band * error
        told = f"gap {_said(gap)}, target {_said(target)} ± {_said(band)}"
        if seen.slope is not None and seen.slope < -self.dead_band * (seen.slope_error or 0.0):
            return was, f"held: control improves by {-seen.slope:.3f}"
        if gap > target + band + _ROUNDING:
            up = min(was + self.rate, self.most)
            return up, f"{'up' if up > was else 'at its most'}: overfits, {told}"
        if gap < target - band - _ROUNDING:
            down = max(was - self.rate, 0.0)
            return down, f"{'down' if down < was else 'at 0'}: underfits, {told}"
        return was, f"held: {told}"

    def _doses(self, strength: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(strength, share of the counts); at 0 both are 0, or unchanged rows would be added."""
        whole = tuple(1.0 if level else 0.0 for level in strength)
        return (whole if self.steers == "counts" else strength), (whole if self.steers == "strength" else strength)


def _said(figure: float) -> str:
    return f"{figure:.2f}".replace("-", "−")


def _told(feedback: Feedback, words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return "; ".join(f"{seen.stratum}: {said}" for seen, said in zip(feedback.strata, words, strict=True))
