"""Measures the variants of an example spec on its public data: `python -m bench.examples retail`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaven.config import Spec, load_spec
from leaven.engines.local import Local
from leaven.experiment import run
from leaven.progress import show_progress

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("LEAVEN_DATA", ROOT / "../shared/data"))
WHERE = {
    "retail": {"data.interactions": "online_retail.csv.gz"},
    "clicks": {"data.interactions": "online_retail.csv.gz"},
    "conditional": {"data.interactions": "beauty/interactions.csv", "data.items": "beauty/items.csv"},
    "beauty": {"data.interactions": "beauty/interactions.csv", "data.items": "beauty/items.csv"},
    "beauty-expansion": {"data.interactions": "beauty/interactions.csv", "data.items": "beauty/items.csv"},
    "beauty-operators": {"data.interactions": "beauty/interactions.csv", "data.items": "beauty/items.csv"},
}
"""Example -> spec key of each file -> path below the folder of public data."""


def print_results(arguments: list[str] | None = None) -> None:
    """Run one example, resuming an interrupted run, and print the tables of its variants and segments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("example", choices=list(WHERE))
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--variant", action="append", default=[], help="names of variants; default: all")
    options = parser.parse_args(arguments)
    facts = run_example(options.example, options.changes, ROOT / "runs" / "examples" / options.example, options.variant)
    print(facts["verdict"]["headline"], end="\n\n")
    print("\n".join(format_variants(facts["comparison"])), end="\n\n")
    print("\n".join(format_segments(facts["comparison"])), end="\n\n")
    print("\n".join(format_costs(facts)))


def run_example(example: str, changes: list[str], folder: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return the facts of a run of an example on its public data; resumes a run that exists in `folder`."""
    files = [f"{key}={(DATA / name).resolve()}" for key, name in WHERE[example].items()]
    spec = select_variants(load_spec(ROOT / "examples" / f"{example}.toml", [*files, *changes]), names)
    with show_progress() as on_progress:
        return run(spec, folder, resume=True, engine=Local(), on_progress=on_progress).read_facts().to_json()


def select_variants(spec: Spec, names: Sequence[str]) -> Spec:
    """Return the spec with the named variants only; unchanged without names."""
    return replace(spec, variants=tuple(map(spec.variant, names)) or spec.variants)


def format_variants(comparison: dict[str, Any]) -> list[str]:
    """Return a Markdown table with one line per variant."""
    metric = comparison["metric"]
    lines = [f"| variant | {metric} | lift | 95 % interval | p (Holm) | verdict |", "|---|---|---|---|---|---|"]
    lines.append(f"| {comparison['baseline']} | {comparison['means'][comparison['baseline']]:.4f} | | | | |")
    return lines + [
        f"| {one['variant']} | {one['mean']:.4f} | {format_percent(one['lift'])} | {format_interval(one)} "
        f"| {one['p_holm']:.3f} | {one['verdict']} |"
        for one in comparison["effects"]
    ]


def format_segments(comparison: dict[str, Any]) -> list[str]:
    """Return a Markdown table with one line per user segment and variant."""
    lines = [
        "| segment | variant | users | baseline | lift | 95 % interval | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {one['by']}: {one['segment']} | {one['variant']} | {one['users']} | {one['baseline_mean']:.4f} "
        f"| {format_percent(one['lift'])} | {format_interval(one)} | {one['verdict']} |"
        for one in comparison["segments"]
    ]


def format_costs(facts: dict[str, Any]) -> list[str]:
    """Return number, steps and mean seconds of the trainings, and the peak memory."""
    cost, fits = facts["cost"], facts["trainings"]
    each = sum(fit["seconds"] for fit in fits) / len(fits)
    return [
        f"{len(fits)} trainings of {fits[0]['steps']} steps, {each:.0f} s each; peak memory {cost['peak_mb']:.0f} MB."
    ]


def format_interval(effect: dict[str, Any]) -> str:
    """Return both bounds of an interval in per cent."""
    return f"{format_percent(effect['low'])} to {format_percent(effect['high'])}"


def format_percent(share: float | None) -> str:
    """Return a signed percentage; a dash without a value."""
    return "–" if share is None else f"{100 * share:+.1f} %"


if __name__ == "__main__":
    print_results()
