"""Measures power, false positive rate and cost of the quality metrics on data with known defects.

    python -m bench.synthetic_quality                  # detected defects for each metric, on simulated data
    python -m bench.synthetic_quality --trials 200     # rejection rate of real rows
    python -m bench.synthetic_quality --power          # detection rate by number of rows, for one metric per defect
    python -m bench.synthetic_quality --power --write  # the same, written to docs/quality.md; also without --power
    python -m bench.synthetic_quality --speed          # seconds and memory for 100,000 histories or 5,000 images

The power curves take more than an hour with 10 trials; `--power-trials 5` halves it.
"""

from __future__ import annotations

import argparse
import inspect
import io
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from bench.defects import LAWS, RNG_NAMES
from leaven import rng
from leaven.datasets.histories import Histories
from leaven.protocols import TrainingContext
from leaven.quality import EvaluationContext, QualityFacts, evaluate_quality
from leaven.quality.null_reference import SIGNIFICANCE_LEVEL
from leaven.registry import create_config, list_kinds, load_kind

PAGE = Path(__file__).parent.parent / "docs" / "quality.md"
SIZES = (100, 200, 400, 800)
SPEED_ROWS = {"sequence": 100_000, "tabular": 100_000, "text": 100_000, "image": 5_000}
"""Rows of each sample in the speed measurement."""
POWER_METRICS: dict[str, dict[str, str]] = {
    "sequence": {
        "too smooth": "indd",
        "too noisy": "indd",
        "modes missing": "coverage",
        "copier": "attack_auc",
        "order shuffled": "transitions",
        "clock slow": "gaps",
        "cut short": "lengths",
        "stuttering": "repeats",
        "prices of others": "odd_prices",
        "sold too early": "before_sale",
    },
    "tabular": {
        "too smooth": "indd",
        "too noisy": "indd",
        "noise of another shape": "indd_shape",
        "modes missing": "coverage",
        "copier": "attack_auc",
        "columns shuffled": "pairs",
        "shifted": "indd_shape",
        "shrunken": "marginals",
    },
    "text": {
        "too smooth": "indd",
        "too noisy": "indd",
        "modes missing": "self_similarity",
        "copier": "near_copies",
        "order shuffled": "novel_runs",
    },
    "image": {
        "too smooth": "indd",
        "too noisy": "indd",
        "modes missing": "coverage",
        "copier": "authenticity",
        "too dark": "frechet",
        "kinds mixed up": "misnamed",
        "words of others": "words_match",
    },
}
"""Modality -> defect -> metric whose power is measured."""


def evaluate_trial(
    kind: str, defect: str, rows: int, number: int, metrics: Sequence[str] = (), halves: int = 20
) -> QualityFacts:
    """Evaluate `rows` synthetic rows with a defect against the same number of held-out and training rows."""
    law, defects = LAWS[kind]
    key = rng.derive_key(11, "judging", RNG_NAMES[kind], number)
    real, held = law.rows(rows, rng.derive_key(key, "real")), law.rows(rows, rng.derive_key(key, "held"))
    new = defects[defect](real, rows, rng.derive_key(key, "new"))
    return evaluate_quality(
        real, held, new, kind, seed=number, metrics=metrics, n_splits=halves, context=build_context(real, metrics)
    )


def build_context(real: Any, metrics: Sequence[str] = ()) -> EvaluationContext:
    """Return a context with a recommender fitted to the training histories if a metric needs one."""
    if not isinstance(real, Histories) or (metrics and "next_rank" not in metrics):
        return EvaluationContext()
    return EvaluationContext(recommender=create_config("recommenders", "item_knn").fit(real, TrainingContext(key=0)))


def print_defects(kind: str, rows: int) -> None:
    """Print one line per metric with the detected defects and the sign of each deviation."""
    names = [name for name in LAWS[kind][1] if name != "none"]
    results = {name: evaluate_trial(kind, name, rows, 0) for name in ["none", *names]}
    print(
        f"\n{kind}, {rows} rows of each sample: . not detected, + or - detected (above or below the value of real rows)"
    )
    for number, name in enumerate(["none", *names]):
        print(f"  {number}  {name}")
    print(f"  {'':20} " + " ".join(f"{number:>2}" for number in range(len(names) + 1)))
    for metric in (figure.kind for figure in results["none"].figures):
        print(f"  {metric:20} " + " ".join(f"{format_detection(result, metric):>2}" for result in results.values()))


def format_detection(result: QualityFacts, metric: str) -> str:
    """Return "+" or "-" for a significant deviation, "." for none, and a space for a metric without a figure."""
    try:
        figure = result[metric]
    except KeyError:
        return " "
    if figure.p > SIGNIFICANCE_LEVEL:
        return "."
    return "+" if figure.value > figure.reference else "-"


def print_rejections(kind: str, trials: int, rows: int, begin: int = 0, metrics: Sequence[str] = ()) -> None:
    """Print the rejection rate of real rows for each metric; `begin` is the number of the first trial, so that
    partial runs can be added up."""
    rejected: dict[str, int] = {}
    for number in range(trials):
        for figure in evaluate_trial(kind, "none", rows, 1000 + begin + number, metrics).figures:
            rejected[figure.kind] = rejected.get(figure.kind, 0) + (figure.p <= SIGNIFICANCE_LEVEL)
        print(f"\r{number + 1} of {trials}", end="", file=sys.stderr)
    first = f", from number {begin}" if begin else ""
    print(f"\n{kind}, {rows} rows, {trials} trials{first}: real rows rejected (nominal: at most 5 %)")
    for metric, count in rejected.items():
        print(f"  {metric:20} {count:4} {count / trials:6.1%}")


def print_speed(kind: str) -> None:
    """Print seconds and peak memory of an evaluation of real rows as synthetic ones; run it in a separate process."""
    law, rows = LAWS[kind][0], SPEED_ROWS[kind]
    real, held, new = (
        law.rows(rows, rng.derive_key(11, "judging", "speed", RNG_NAMES[kind], side)) for side in range(3)
    )
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    result = evaluate_quality(real, held, new, kind, seed=7, context=build_context(real))
    wall, spent = time.perf_counter() - wall_start, time.process_time() - cpu_start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{kind}: {rows:,} rows of each sample, {len(result.figures)} figures: {wall:.0f} s ", end="")
    print(f"({spent:.0f} s of CPU time), {peak:,.0f} MB peak memory")


def print_power(kind: str, trials: int) -> None:
    """Print the share of trials in which the metric of each defect detects it, by number of rows."""
    print(f"\n{kind}: share of {trials} trials in which a defect is detected, by rows of each sample")
    print(f"  {'':24} {'':16} " + " ".join(f"{rows:>6}" for rows in SIZES))
    for defect, metric in POWER_METRICS[kind].items():
        shares = []
        for rows in SIZES:
            results = [evaluate_trial(kind, defect, rows, number, [metric]).figures for number in range(trials)]
            shares.append(sum(bool(one) and one[0].p <= SIGNIFICANCE_LEVEL for one in results) / trials)
            print(f"\r{kind}, {defect}, {rows} rows", end="", file=sys.stderr)
        print(f"  {defect:24} {metric:16} " + " ".join(f"{share:6.0%}" for share in shares), flush=True)


def format_metric_table() -> str:
    """Return the table of docs/quality.md: every metric with its docstring summary and its better direction."""
    lines = ["| metric | group | modality | better | meaning |", "|---|---|---|---|---|"]
    for kind in list_kinds("synthetic_metrics"):
        metric = create_config("synthetic_metrics", kind)
        summary = (inspect.getdoc(load_kind("synthetic_metrics", kind)) or "").split("\n")[0]
        of = ", ".join(metric.trait.modalities) or "all"
        better = {"real": "as real"}.get(metric.trait.better, metric.trait.better)
        lines.append(f"| `{kind}` | {metric.trait.group} | {of} | {better} | {summary} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--begin", type=int, default=0)
    parser.add_argument("--metric", action="append", default=[], help="with --trials: only these metrics")
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--power-trials", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="write the defects or the power curves to docs/quality.md")
    parser.add_argument("--modality", choices=list(LAWS))
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args(arguments)
    if options.table:
        print(format_metric_table())
        return
    kinds = [options.modality] if options.modality else list(LAWS)
    if not options.write:
        print_selected(options, kinds)
        return
    output = io.StringIO()
    with redirect_stdout(output):
        print_selected(options, kinds)
    write_block("power" if options.power else "defects", output.getvalue())


def print_selected(options: argparse.Namespace, kinds: Sequence[str]) -> None:
    """Print the measurement that the options select, for each kind of data."""
    for kind in kinds:
        if options.trials:
            print_rejections(kind, options.trials, options.rows, options.begin, options.metric)
        elif options.speed:
            print_speed(kind)
        elif options.power:
            print_power(kind, options.power_trials)
        else:
            print_defects(kind, options.rows)


def write_block(block: str, text: str) -> None:
    """Replace the text between the marks of a block of docs/quality.md."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {block} -->\n", f"<!-- end of {block} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}```\n{text.strip()}\n```\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
