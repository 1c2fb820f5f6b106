"""How is made data judged, from three sets of rows to figures?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaven import seeds
from leaven.contracts import Tell
from leaven.data.histories import Histories
from leaven.errors import MissingExtra, SpecError
from leaven.judging.halves import deals, figure
from leaven.judging.inputs import Inputs, has_clock, read
from leaven.judging.judgement import Figure, Gate, Judgement
from leaven.judging.learning import Sides, learn
from leaven.metrics.samples import SampleMetric
from leaven.registry import kinds, made


def _silent(done: int, total: int, words: str) -> None:
    return None


def judge(
    real: Any,
    held_out: Any,
    new: Any,
    kind: str = "",
    seed: int = 7,
    most: int = 4000,
    halves: int = 20,
    gates: Sequence[str] = (),
    metrics: Sequence[str] = (),
    tell: Tell = _silent,
) -> Judgement:
    """Are new rows like real ones, varied, not copied, private? Every figure beside that of unseen real rows.

    real      the rows that whoever made the new ones has learned from: `Histories`, a log in any form that
              `leaven.read` takes, Parquet of histories; or a table: CSV, Parquet, a frame, a mapping of columns
    held_out  real rows that no generator has seen; a third of them trains the scorers, the others are compared
    new       the rows to judge, whoever made them
    kind      "histories" or "table"; guessed where it is left out
    most      rows of each side at most, chosen by the seed
    halves    how often real rows are dealt into halves, 20 at least
    gates     "min_coverage=0.8", "max_attack_tpr=0.05", "max_frechet_ratio=3"; the answer says which were passed
    metrics   kinds to compute; all where none is named

    Raises DataError for other catalogues or columns, too few rows, and held-out rows that are training rows.
    """
    if halves < 20:
        raise SpecError("halves", "20 or more", str(halves), "fewer can reject nothing at 5 %")
    wishes = chosen(metrics)
    bounds = [Gate.parse(gate, list(kinds("sample_metrics"))) for gate in gates]
    tell(0, 0, "reading")
    inputs = read(real, held_out, new, kind, seed)
    key = seeds.key(seed, "judge")
    tell(0, 0, "learning from real rows")
    sides = learn(inputs, key, most)
    figures, skipped = _figures(inputs, sides, wishes, halves, key, tell)
    facts = _facts(inputs, sides, seed, halves)
    return Judgement(inputs.kind, tuple(figures), skipped, facts).pass_through(bounds)


def chosen(names: Sequence[str]) -> dict[str, SampleMetric]:
    """kind -> metric, of these kinds or of all; SpecError names the nearest for an unknown one."""
    return {kind: made("sample_metrics", kind) for kind in (names or kinds("sample_metrics"))}


def _figures(
    inputs: Inputs, sides: Sides, wishes: dict[str, SampleMetric], halves: int, key: int, tell: Tell
) -> tuple[list[Figure], dict[str, str]]:
    dealt = deals(sides.new, sides.pool, halves, key)
    figures: list[Figure] = []
    skipped: dict[str, str] = {}
    for place, (kind, metric) in enumerate(wishes.items()):
        tell(place, len(wishes), f"judging · {kind}")
        found = _one(kind, metric, inputs, sides, dealt, key)
        if isinstance(found, Figure):
            figures.append(found)
        elif found:
            skipped[kind] = found
    tell(len(wishes), len(wishes), "judging")
    return figures, skipped


def _one(kind: str, metric: SampleMetric, inputs: Inputs, sides: Sides, dealt: Any, key: int) -> Figure | str:
    """The figure, why there is none, or "" where the metric is of another kind of data."""
    if inputs.kind not in metric.trait.of:
        return ""
    timed = all(isinstance(one, Histories) and has_clock(one) for one in (inputs.real, inputs.held_out, inputs.new))
    if metric.trait.clock and not timed:
        return "needs times; these rows have places in a sequence only"
    try:
        return figure(kind, metric, dealt, sides.new, sides.pool, sides.known, key)
    except MissingExtra as missing:
        return f"needs {missing.library}: {missing.fix}"


def _facts(inputs: Inputs, sides: Sides, seed: int, halves: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "seed": seed,
        "halves": halves,
        "rows": {"real": len(inputs.real), "held_out": len(inputs.held_out), "new": len(inputs.new)},
        "compared": {"new": len(sides.new), "held_out": len(sides.pool)},
        "fold": len(sides.known.reference),
        **inputs.facts,
    }
    if sides.constant:
        facts["constant_columns"] = list(sides.constant)
    return facts
