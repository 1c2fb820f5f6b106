"""What would have happened with the same schedule, but with nobody at the wheel?"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaven.errors import SpecError
from leaven.protocols import Decision, Feedback


@dataclass(frozen=True)
class Replay:
    """The decisions of another training at the same places of this one, whatever is seen: open loop.

    log     its `decisions.json`, as it lies in arms/<arm>/seed-<n>/ of a run
    strata  lengths at which a further stratum of histories begins, as they were there

    Raises SpecError where the log is none, or has other strata.
    """

    log: Path
    strata: tuple[int, ...] = ()
    pilot_share: float = field(default=0.0, init=False)
    recorded: tuple[tuple[float, Decision], ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recorded", _read(self.log))
        strata = {len(decision.strength) for _, decision in self.recorded}
        if strata != {len(self.strata) + 1}:
            got = " or ".join(map(str, sorted(strata)))
            raise SpecError("replay.strata", f"as many strata as the log has ({got})", f"{len(self.strata) + 1}", "")

    def __call__(self, feedback: Feedback, state: Mapping[str, Any]) -> tuple[Decision, Mapping[str, Any]]:
        """What held there, where training stands now."""
        places = [progress for progress, _ in self.recorded]
        nth = bisect_right(places, feedback.progress + 1e-9) - 1
        if nth < 0:
            nothing = (0.0,) * (len(self.strata) + 1)
            return Decision(nothing, nothing, "replayed: before the first decision"), {}
        then = self.recorded[nth][1]
        return Decision(then.strength, then.share, f"replayed: {then.why}", then.step), {}


def _read(log: Path) -> tuple[tuple[float, Decision], ...]:
    """(progress, decision) of each row, as they were made."""
    try:
        rows = json.loads(Path(log).read_text(encoding="utf-8"))
        found = [(float(row["progress"]), row["decision"]) for row in rows]
        made = [(place, Decision(**{**one, **_pair(one)})) for place, one in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "name arms/<arm>/seed-<n>/decisions.json of a finished run"
        raise SpecError("replay.log", "a log of decisions", f"{log} ({type(error).__name__})", fix) from error
    if not made:
        raise SpecError("replay.log", "a log of decisions", f"{log}, which has none", "")
    return tuple(sorted(made, key=lambda one: one[0]))


def _pair(one: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(map(float, one[name])) for name in ("strength", "share")}
