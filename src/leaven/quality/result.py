"""What was found about made rows: figures with their references, lights, gates?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from leaven.errors import GateError, SpecError, nearest

if TYPE_CHECKING:
    from leaven.quality.loading import Inputs

Light = Literal["green", "yellow", "red", "none"]
GROUPS = ("alike", "varied", "consistent", "not copied", "private")
SPEAKS: Mapping[str, str] = {
    "alike": "classifier_auc",
    "varied": "coverage",
    "consistent": "next_rank",
    "not copied": "near_copies",
    "private": "attack_auc",
}
"""group -> the metric that speaks for it where none stands out"""
_WORST: dict[Light, int] = {"none": 0, "green": 1, "yellow": 2, "red": 3}


@dataclass(frozen=True)
class Figure:
    """One metric of new rows, beside the same metric of unseen real rows at equal n.

    value, interval   mean over the halves, and how far chance moves it, at 95 %
    n                 rows of each side
    reference         the same of real rows: mean, and the 5 % and 95 % quantiles over the halves
    percentile        share of the real halves below the value
    p                 chance of as bad a figure among real halves; at most 0.05 is rejected
    light             green: as real rows are; yellow: not, but by little; red: not; none: shown as a check only
    more              what else the metric says
    """

    kind: str
    group: str
    says: str
    better: str
    value: float
    interval: tuple[float, float]
    n: int
    reference: float
    reference_range: tuple[float, float]
    percentile: float
    p: float
    light: Light
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Value over reference; NaN where the reference is 0."""
        return self.value / self.reference if self.reference else float("nan")


@dataclass(frozen=True)
class Gate:
    """A bound that the user declared: on the value of a metric, or on its ratio to the reference.

    >>> Gate.parse("max_frechet_ratio=3")
    Gate(kind='frechet', least=False, bound=3.0, of_ratio=True)
    """

    kind: str
    least: bool
    bound: float
    of_ratio: bool = False

    @classmethod
    def parse(cls, text: str, kinds: Sequence[str] = ()) -> Gate:
        """From "min_coverage=0.8", "max_attack_tpr=0.05", "max_frechet_ratio=3".

        Raises SpecError that names the nearest metric.
        """
        name, _, number = text.partition("=")
        side, _, kind = name.strip().partition("_")
        of_ratio = kind.endswith("_ratio") and kind not in kinds
        kind = kind.removesuffix("_ratio") if of_ratio else kind
        try:
            bound = float(number)
        except ValueError:
            raise SpecError(f"--gate {text}", "a number", repr(number), "write min_coverage=0.8") from None
        if side not in ("min", "max"):
            raise SpecError(f"--gate {text}", "min_ or max_ and a metric", repr(name), "write min_coverage=0.8")
        if kinds and kind not in kinds:
            raise SpecError(f"--gate {text}", "a metric", repr(kind), nearest(kind, kinds))
        return cls(kind, side == "min", bound, of_ratio)

    def __str__(self) -> str:
        return f"{'min' if self.least else 'max'}_{self.kind}{'_ratio' * self.of_ratio}={self.bound:g}"


@dataclass(frozen=True)
class Passed:
    """Whether a gate was passed, by which value; a figure that could not be had passes no gate."""

    gate: str
    value: float | None
    passed: bool
    why: str = ""


@dataclass(frozen=True)
class Judgement:
    """All that was found.

    skipped  metric -> why it has no figure
    facts    rows, seed and what was noticed
    copies   which new rows copy which real ones
    looks    how properties are spread among training, held-out and new rows; new rows beside their nearest real one
    rows     what was judged
    """

    kind: str
    figures: tuple[Figure, ...]
    skipped: Mapping[str, str]
    facts: Mapping[str, Any]
    gates: tuple[Passed, ...] = ()
    copies: Sequence[Mapping[str, Any]] = ()
    looks: Mapping[str, Any] = field(default_factory=dict)
    rows: Inputs | None = field(default=None, compare=False, repr=False)

    def __getitem__(self, kind: str) -> Figure:
        """The figure of a metric; KeyError where it has none."""
        for figure in self.figures:
            if figure.kind == kind:
                return figure
        raise KeyError(f"{kind}: {self.skipped.get(kind, 'no such metric')}")

    @property
    def lights(self) -> dict[str, Light]:
        """group -> its worst light."""
        found: dict[str, Light] = dict.fromkeys(GROUPS, "none")
        for figure in self.figures:
            found[figure.group] = max(found[figure.group], figure.light, key=_WORST.__getitem__)
        return found

    @property
    def deciding(self) -> dict[str, str]:
        """group -> the metric that its light hangs on: the worst one; where none is, the one that speaks for the group.

        Of several with the worst light it is the one that real halves reach least often, and of these the farthest.
        """
        found = {}
        for group, light in self.lights.items():
            mine = [one for one in self.figures if one.group == group and one.light == light]
            if mine:
                first = next((one for one in mine if light == "green" and one.kind == SPEAKS[group]), None)
                found[group] = (first or min(mine, key=lambda one: (one.p, -_away(one)))).kind
        return found

    def pass_through(self, gates: Sequence[Gate]) -> Judgement:
        """The same with these gates tried."""
        return replace(self, gates=tuple(self._tried(gate) for gate in gates))

    def _tried(self, gate: Gate) -> Passed:
        try:
            figure = self[gate.kind]
        except KeyError as error:
            return Passed(str(gate), None, False, str(error.args[0]))
        value = figure.ratio if gate.of_ratio else figure.value
        fine = value >= gate.bound if gate.least else value <= gate.bound
        return Passed(str(gate), value, bool(fine))

    def refuse(self) -> None:
        """Raises GateError where a gate was not passed."""
        failed = [one for one in self.gates if not one.passed]
        if failed:
            got = "; ".join(one.why or f"{one.gate}: {one.value:.4g}" for one in failed)
            wanted = ", ".join(one.gate for one in failed)
            raise GateError("gates", wanted, got, "make better rows, or loosen the gate and say so")

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; figures that are no numbers are null."""
        return {
            "kind": self.kind,
            "lights": self.lights,
            "deciding": self.deciding,
            "figures": [asdict(one) for one in self.figures],
            "skipped": dict(self.skipped),
            "facts": dict(self.facts),
            "gates": [asdict(one) for one in self.gates],
            "copies": list(self.copies),
            "looks": dict(self.looks),
        }

    def drop_copies(self, folder: Path) -> Path:
        """Write the new rows that copy nobody into this folder; the path of the file."""
        from leaven.quality.memorized_rows import write_others

        assert self.rows is not None, "a judgement that was read has no rows"
        return write_others(self.rows, folder)

    def write(self, folder: Path) -> Path:
        """judgement.json in this folder, written beside and renamed."""
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "judgement.json"
        part = target.with_suffix(".part")
        part.write_text(json.dumps(plain(self.as_dict()), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(target)
        return target


def _away(figure: Figure) -> float:
    """How far from the reference, in widths of its range."""
    low, high = figure.reference_range
    return abs(figure.value - figure.reference) / max(high - low, 1e-9)


def plain(value: Any) -> Any:
    """JSON-able: figures that are no numbers are null."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
