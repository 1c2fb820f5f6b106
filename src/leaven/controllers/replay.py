"""A controller that replays the decisions of another training."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from leaven.errors import SpecError
from leaven.protocols import ControllerState, Decision, Feedback


@dataclass(frozen=True)
class Replay:
    """The decisions of another training at the same progress, independent of the feedback (open loop).

    log     `decisions.json` of that training, in variants/NAME/seed-N/ of a run
    strata  lengths at which a further stratum of histories begins, equal to those of that training

    Raises SpecError for an invalid log or other strata.
    """

    log: Path
    strata: tuple[int, ...] = ()
    pilot_share: float = field(default=0.0, init=False)
    recorded: tuple[tuple[float, Decision], ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recorded", _read_log(self.log))
        strata = {len(decision.strength) for _, decision in self.recorded}
        if strata != {len(self.strata) + 1}:
            got = " or ".join(map(str, sorted(strata)))
            raise SpecError("replay.strata", f"the number of strata of the log ({got})", f"{len(self.strata) + 1}", "")

    def __call__(self, feedback: Feedback, state: ControllerState) -> tuple[Decision, ControllerState]:
        """Return the recorded decision at the current progress."""
        progresses = [progress for progress, _ in self.recorded]
        index = bisect_right(progresses, feedback.progress + 1e-9) - 1
        if index < 0:
            zero = (0.0,) * (len(self.strata) + 1)
            return Decision(zero, zero, "replayed: before the first decision"), {}
        recorded = self.recorded[index][1]
        return Decision(recorded.strength, recorded.share, f"replayed: {recorded.why}", recorded.step), {}


def _read_log(log: Path) -> tuple[tuple[float, Decision], ...]:
    """Return (progress, decision) of each row of the log, in order of progress."""
    try:
        rows = json.loads(Path(log).read_text(encoding="utf-8"))
        found = [(float(row["progress"]), row["decision"]) for row in rows]
        pairs = ("strength", "share")
        decisions = [
            (at, Decision(**one | {name: tuple(map(float, one[name])) for name in pairs})) for at, one in found
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "name variants/NAME/seed-N/decisions.json of a finished run"
        raise SpecError("replay.log", "a log of decisions", f"{log} ({type(error).__name__})", fix) from error
    if not decisions:
        raise SpecError("replay.log", "at least one decision", f"none in {log}", "")
    return tuple(sorted(decisions, key=lambda one: one[0]))
