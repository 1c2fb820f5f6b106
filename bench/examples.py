"""Run an example on its public data and print what it found: `python -m bench.examples retail`."""

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
"""example -> its keys that name files, and where these lie in the folder of public data"""


def show(arguments: list[str] | None = None) -> None:
    """Run one example, resuming where it was stopped, and print the table of its arms and segments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("example", choices=list(WHERE))
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--arm", action="append", default=[], help="some of its arms; all where left out")
    asked = parser.parse_args(arguments)
    facts = found(asked.example, asked.changes, ROOT / "runs" / "examples" / asked.example, asked.arm)
    print(facts["verdict"]["headline"], end="\n\n")
    print("\n".join(arms(facts["comparison"])), end="\n\n")
    print("\n".join(groups(facts["comparison"])), end="\n\n")
    print("\n".join(costs(facts)))


def found(example: str, changes: list[str], folder: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """The facts of an example or of some of its arms, on its public data, in a folder, from where it was stopped."""
    files = [f"{key}={(DATA / name).resolve()}" for key, name in WHERE[example].items()]
    spec = with_arms(load_spec(ROOT / "examples" / f"{example}.toml", [*files, *changes]), names)
    with show_progress() as tell:
        return run(spec, folder, resume=True, engine=Local(), on_progress=tell).read_facts()


def with_arms(spec: Spec, names: Sequence[str]) -> Spec:
    """The same with these arms alone; as it is where none is named."""
    return replace(spec, variants=tuple(map(spec.variant, names)) or spec.variants)


def arms(comparison: dict[str, Any]) -> list[str]:
    """One line an arm."""
    metric = comparison["metric"]
    lines = [f"| arm | {metric} | lift | 95 % interval | p (Holm) | verdict |", "|---|---|---|---|---|---|"]
    lines.append(f"| {comparison['baseline']} | {comparison['means'][comparison['baseline']]:.4f} | | | | |")
    return lines + [
        f"| {one['arm']} | {one['mean']:.4f} | {_percent(one['lift'])} | {_interval(one)} | {one['p_holm']:.3f} "
        f"| {one['verdict']} |"
        for one in comparison["effects"]
    ]


def groups(comparison: dict[str, Any]) -> list[str]:
    """One line a group of users and arm."""
    lines = ["| group | arm | users | baseline | lift | 95 % interval | verdict |", "|---|---|---|---|---|---|---|"]
    return lines + [
        f"| {one['by']}: {one['segment']} | {one['arm']} | {one['users']} | {one['baseline_mean']:.4f} "
        f"| {_percent(one['lift'])} | {_interval(one)} | {one['verdict']} |"
        for one in comparison["segments"]
    ]


def costs(facts: dict[str, Any]) -> list[str]:
    """What it cost."""
    cost, fits = facts["cost"], facts["fits"]
    each = sum(fit["seconds"] for fit in fits) / len(fits)
    return [
        f"{len(fits)} trainings of {fits[0]['steps']} steps, {each:.0f} s each; peak memory {cost['peak_mb']:.0f} MB."
    ]


def _interval(effect: dict[str, Any]) -> str:
    return f"{_percent(effect['low'])} to {_percent(effect['high'])}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:+.1f} %"


if __name__ == "__main__":
    show()
