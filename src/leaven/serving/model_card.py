"""The model card of an exported recommender: data, plan, metrics with intervals, counts of synthetic rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import tomli_w

from leaven.config import resolve_spec
from leaven.facts.run_facts import FACTS_FILE, RunFacts, read_run_facts
from leaven.serving.trained_model import TrainedModel


def build_model_card(model: TrainedModel, parity: Mapping[str, Mapping[str, float]], license_name: str) -> str:
    """The card as Markdown. parity: form -> comparison with the trained recommender."""
    has_facts = (model.folder / FACTS_FILE).exists()
    facts = read_run_facts(model.folder) if has_facts else None
    resolved: dict[str, Any] = resolve_spec(model.spec)
    kept = {name: resolved[name] for name in ("seed", "recommender", "split", "evaluate") if name in resolved}
    variants = [one for one in resolved.get("variant", ()) if one["name"] == model.variant or not model.variant]
    lines = [
        f"# {model.name}",
        "",
        f"- license: {license_name}",
        f"- recommender: {model.kind}, seed {model.seed}, version {model.version}",
        f"- catalog: {model.n_items:,} items",
        f"- written by leaven {version('leaven')}",
        "",
        *([] if facts is None else _describe_run(facts, model.variant)),
        "## Exported forms",
        "",
        "| form | histories compared | items of the top 10 in common | largest difference of a score |",
        "|---|---|---|---|",
        *(
            f"| {name} | {one['histories']} | {one['same_items']:.2%} | {one['max_difference']:.2g} |"
            for name, one in parity.items()
        ),
        "",
        "## Plan",
        "",
        "```toml",
        *tomli_w.dumps(kept | ({"variant": variants} if variants else {})).rstrip().split("\n"),
        "```",
        "",
    ]
    return "\n".join(lines)


def _describe_run(facts: RunFacts, variant: str) -> Iterator[str]:
    statistics, split = facts.data.statistics, facts.data.split
    yield from ("## Data", "")
    for name in ("users", "items", "events", "first_day", "last_day"):
        if name in statistics:
            yield f"- {name.replace('_', ' ')}: {_format(statistics[name])}"
    for name in ("kind", "train_users", "train_events", "test_users"):
        if name in split:
            yield f"- split, {name.replace('_', ' ')}: {_format(split[name])}"
    yield from ("", "## Rows of the training", "")
    rows = facts.get_variant(variant)
    steps = () if rows is None else rows.steps
    if not steps:
        yield "- real rows alone"
    for step in steps:
        yield f"- step {step.index}, {step.name}: {step.synthetic:,} rows created or changed ({step.mode or 'items'})"
    yield from ("", *_tabulate_metrics(facts, variant))


def _tabulate_metrics(facts: RunFacts, variant: str) -> Iterator[str]:
    comparison = facts.comparison
    if comparison is None:
        return
    yield from ("## Metrics on test users", "")
    effects = [effect for table in comparison.metrics.values() for effect in table if effect.variant == variant]
    if not effects:
        mean = comparison.means.get(variant)
        yield f"- {comparison.metric}: {mean:.4f}" if mean is not None else "- none"
    else:
        yield "| metric | mean | baseline | lift | 95 % interval | verdict |"
        yield "|---|---|---|---|---|---|"
        for one in effects:
            figures = [("not defined" if value is None else f"{value:+.1%}") for value in (one.lift, one.low, one.high)]
            mean, baseline = one.mean or 0.0, one.baseline_mean or 0.0
            interval = f"{figures[1]} to {figures[2]}"
            yield f"| {one.metric} | {mean:.4f} | {baseline:.4f} | {figures[0]} | {interval} | {one.verdict} |"
    yield ""


def _format(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
