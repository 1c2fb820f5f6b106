"""Which metric sees which defect, and how often is what is real rejected?

python -m bench.judging                  # defects against metrics: p of each, worlds whose law is known
python -m bench.judging --trials 200     # how often real rows are rejected
python -m bench.judging --power          # from how many rows on each defect is seen, by the metric made for it
python -m bench.judging --power --write  # the same, put into docs/judging.md; so too without --power
python -m bench.judging --speed          # seconds and memory of judging 100,000 histories, 5,000 pictures

The power curves take an hour and more with 10 trials; `--power-trials 5` halves it.
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

from bench.defects import LAWS
from leaven import rng
from leaven.datasets.histories import Histories
from leaven.protocols import TrainingContext
from leaven.quality import EvaluationContext, Judgement, evaluate_quality
from leaven.quality.loading import DATA_KINDS
from leaven.quality.null_reference import SIGNIFICANCE_LEVEL
from leaven.registry import create_config, list_kinds, load_kind

PAGE = Path(__file__).parent.parent / "docs" / "judging.md"
SIZES = (100, 200, 400, 800)
MANY = {"histories": 100_000, "table": 100_000, "text": 100_000, "image": 5_000}
"""Rows of each side whose judging is timed."""
MADE_FOR: dict[str, dict[str, str]] = {
    "histories": {
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
    "table": {
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
"""kind of data -> defect -> the metric whose power over it is asked for"""


def trial(kind: str, defect: str, rows: int, place: int, metrics: Sequence[str] = (), halves: int = 20) -> Judgement:
    """One judgement of `rows` new rows with a defect, against as many held-out and training rows."""
    law, defects = LAWS[kind]
    key = rng.derive_key(11, "judging", kind, place)
    real, held = law.rows(rows, rng.derive_key(key, "real")), law.rows(rows, rng.derive_key(key, "held"))
    new = defects[defect](real, rows, rng.derive_key(key, "new"))
    return evaluate_quality(
        real, held, new, kind, seed=place, metrics=metrics, halves=halves, context=beside(real, metrics)
    )


def beside(real: Any, metrics: Sequence[str] = ()) -> EvaluationContext:
    """Of histories a recommender that learned from the training rows, where a metric asks for one."""
    if not isinstance(real, Histories) or (metrics and "next_rank" not in metrics):
        return EvaluationContext()
    return EvaluationContext(recommender=create_config("recommenders", "itemknn").fit(real, TrainingContext(key=0)))


def defects(kind: str, rows: int) -> None:
    """A line a metric: where it sees a defect, with the sign of what it saw."""
    names = [name for name in LAWS[kind][1] if name != "none"]
    found = {name: trial(kind, name, rows, 0) for name in ["none", *names]}
    print(f"\n{kind}, {rows} rows of each side: . as real rows, + or - seen (value above or below that of real rows)")
    for place, name in enumerate(["none", *names]):
        print(f"  {place}  {name}")
    print(f"  {'':20} " + " ".join(f"{place:>2}" for place in range(len(names) + 1)))
    for metric in (figure.kind for figure in found["none"].figures):
        print(f"  {metric:20} " + " ".join(f"{_seen(one, metric):>2}" for one in found.values()))


def _seen(found: Judgement, metric: str) -> str:
    try:
        figure = found[metric]
    except KeyError:
        return " "
    if figure.p > SIGNIFICANCE_LEVEL:
        return "."
    return "+" if figure.value > figure.reference else "-"


def level(kind: str, trials: int, rows: int, begin: int = 0, metrics: Sequence[str] = ()) -> None:
    """How often each metric rejects real rows; `begin` numbers the first trial, so that pieces can be added up."""
    rejected: dict[str, int] = {}
    for place in range(trials):
        for figure in trial(kind, "none", rows, 1000 + begin + place, metrics).figures:
            rejected[figure.kind] = rejected.get(figure.kind, 0) + (figure.p <= SIGNIFICANCE_LEVEL)
        print(f"\r{place + 1} of {trials}", end="", file=sys.stderr)
    first = f", from number {begin}" if begin else ""
    print(f"\n{kind}, {rows} rows, {trials} trials{first}: real rows rejected (promised: 5 % at most)")
    for metric, count in rejected.items():
        print(f"  {metric:20} {count:4} {count / trials:6.1%}")


def speed(kind: str) -> None:
    """Seconds and memory of judging many real rows as if they were new ones; a process of its own."""
    law, rows = LAWS[kind][0], MANY[kind]
    real, held, new = (law.rows(rows, rng.derive_key(11, "judging", "speed", kind, side)) for side in range(3))
    began, spent = time.perf_counter(), time.process_time()
    found = evaluate_quality(real, held, new, kind, seed=7, context=beside(real))
    wall, spent = time.perf_counter() - began, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{kind}: {rows:,} rows of each side, {len(found.figures)} figures: {wall:.0f} s ", end="")
    print(f"({spent:.0f} s of the processor), {peak:,.0f} MB at most")


def power(kind: str, trials: int) -> None:
    """Share of trials in which each defect is seen by the metric made for it, by the number of rows."""
    print(f"\n{kind}: share of {trials} trials in which a defect is seen, by rows of each side")
    print(f"  {'':24} {'':16} " + " ".join(f"{rows:>6}" for rows in SIZES))
    for defect, metric in MADE_FOR[kind].items():
        shares = []
        for rows in SIZES:
            seen = [trial(kind, defect, rows, place, [metric]).figures for place in range(trials)]
            shares.append(sum(bool(one) and one[0].p <= SIGNIFICANCE_LEVEL for one in seen) / trials)
            print(f"\r{kind}, {defect}, {rows} rows", end="", file=sys.stderr)
        print(f"  {defect:24} {metric:16} " + " ".join(f"{share:6.0%}" for share in shares), flush=True)


def table() -> str:
    """The table of docs/judging.md: every metric, its sentence, its better direction."""
    lines = ["| metric | asks | of | better | |", "|---|---|---|---|---|"]
    for kind in list_kinds("synthetic_metrics"):
        metric = create_config("synthetic_metrics", kind)
        says = (inspect.getdoc(load_kind("synthetic_metrics", kind)) or "").split("\n")[0]
        of = "all" if len(metric.trait.of) == len(DATA_KINDS) else ", ".join(metric.trait.of)
        better = {"real": "as real"}.get(metric.trait.better, metric.trait.better)
        lines.append(f"| `{kind}` | {metric.trait.group} | {of} | {better} | {says} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--begin", type=int, default=0)
    parser.add_argument("--metric", action="append", default=[], help="of --trials: these metrics alone")
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--power-trials", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="put the defects or the power curves into docs/judging.md")
    parser.add_argument("--kind", choices=list(LAWS))
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--table", action="store_true")
    wish = parser.parse_args(arguments)
    if wish.table:
        print(table())
        return
    chosen = [wish.kind] if wish.kind else list(LAWS)
    if not wish.write:
        _asked(wish, chosen)
        return
    said = io.StringIO()
    with redirect_stdout(said):
        _asked(wish, chosen)
    put("power" if wish.power else "defects", said.getvalue())


def _asked(wish: argparse.Namespace, chosen: Sequence[str]) -> None:
    for kind in chosen:
        if wish.trials:
            level(kind, wish.trials, wish.rows, wish.begin, wish.metric)
        elif wish.speed:
            speed(kind)
        elif wish.power:
            power(kind, wish.power_trials)
        else:
            defects(kind, wish.rows)


def put(block: str, text: str) -> None:
    """The text between the marks of a block of docs/judging.md, as it was printed."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {block} -->\n", f"<!-- end of {block} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}```\n{text.strip()}\n```\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
