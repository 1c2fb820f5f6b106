"""How is made data judged, from three sets of rows to figures?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import MissingExtra
from leaven.metrics.synthetic import SampleMetric
from leaven.protocols import Tell
from leaven.quality.context import NOTHING, Beside
from leaven.quality.distributions import looks
from leaven.quality.loading import Inputs, has_clock, read
from leaven.quality.memorized_rows import copies
from leaven.quality.null_reference import deals, figure
from leaven.quality.quality_config import Judging
from leaven.quality.reference_fit import Sides, Studied, study
from leaven.quality.result import Figure, Gate, Judgement


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
    beside: Beside = NOTHING,
) -> Judgement:
    """Are new rows like real ones, varied, consistent, not copied, private? Every figure beside unseen real rows.

    real      the rows that whoever made the new ones has learned from: `Histories`, a log in any form that
              `leaven.read` takes, Parquet of histories; or a table: CSV, Parquet, a frame, a mapping of columns; or
              texts: a list, a file with one a line, a column of a table; or pictures: a folder, a table or a list of
              files, an array uint8 (pictures, height, width, 3)
    held_out  real rows that no generator has seen; a third of them trains the scorers, the others are compared
    new       the rows to judge, whoever made them
    kind      "histories", "table", "text" or "image"; guessed where it is left out
    most      rows of each side at most, chosen by the seed
    halves    how often real rows are dealt into halves, 20 at least
    gates     "min_coverage=0.8", "max_attack_tpr=0.05", "max_frechet_ratio=3"; the answer says which were passed
    metrics   kinds to compute; all where none is named
    beside    what else is known: a catalogue, a recommender, Inception's weights

    Raises DataError for other catalogues or columns, too few rows, and held-out rows that are training rows.
    """
    wish = Judging(tuple(metrics), tuple(gates), most, halves)
    tell(0, 0, "reading")
    inputs = read(real, held_out, new, kind, seed, beside)
    tell(0, 0, "learning from real rows")
    studied = study(inputs.real, inputs.held_out, rng.key(seed, "judge"), most, beside)
    return judged(inputs, studied, wish, seed, tell)


def judged(inputs: Inputs, studied: Studied, wish: Judging, seed: int, tell: Tell = _silent) -> Judgement:
    """The judgement of new rows, by what was learned from the real ones; `seed` is told, and all follows from it."""
    sides = studied.beside(inputs.new)
    figures, skipped = _figures(inputs, sides, wish, studied.key, tell)
    found = Judgement(
        kind=inputs.kind,
        figures=tuple(figures),
        skipped=skipped,
        facts=_facts(inputs, studied, sides, seed, wish.halves),
        copies=copies(inputs),
        looks=looks(inputs, studied, sides),
        rows=inputs,
    )
    return found.pass_through([Gate.parse(gate) for gate in wish.gates])


def _figures(inputs: Inputs, sides: Sides, wish: Judging, key: int, tell: Tell) -> tuple[list[Figure], dict[str, str]]:
    dealt = deals(sides.new, sides.pool, wish.halves, key)
    wishes = wish.chosen()
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
    trait = metric.trait
    if inputs.kind not in trait.of:
        return ""
    timed = all(isinstance(one, Histories) and has_clock(one) for one in (inputs.real, inputs.held_out, inputs.new))
    if trait.clock and not timed:
        return "needs times; these rows have places in a sequence only"
    if trait.needs and not all(trait.needs[0] in one.facts for one in (sides.new, sides.pool)):
        return f"needs {trait.needs[1]}"
    try:
        return figure(kind, metric, dealt, sides.new, sides.pool, sides.known, key)
    except MissingExtra as missing:
        return f"needs {missing.library}: {missing.fix}"


def _facts(inputs: Inputs, studied: Studied, sides: Sides, seed: int, halves: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "seed": seed,
        "halves": halves,
        "rows": {"real": len(inputs.real), "held_out": len(inputs.held_out), "new": len(inputs.new)},
        "compared": {"new": len(sides.new), "held_out": len(sides.pool)},
        "fold": len(studied.fold),
        **inputs.facts,
    }
    if studied.eyes.learned:
        facts |= {"frechet_is": studied.eyes.called, "encoder": studied.eyes.learned}
    if studied.eyes.constant:
        facts["constant_columns"] = list(studied.eyes.constant)
    return facts
