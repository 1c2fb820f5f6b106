"""A plan as a Mermaid diagram: which rows each step reads, and what it adds or changes."""

from __future__ import annotations

from leaven.augmentation.plan import Plan, Step


def build_plan_diagram(plan: Plan, title: str = "") -> str:
    """Mermaid text of a plan: real rows, one node per step, and the training rows.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> print(build_plan_diagram(Plan([Step(Crop())])))
    flowchart LR
        real([real rows])
        step1["crop<br>append · once"]
        training([training rows])
        real --> step1
        step1 -->|adds| training
        real --> training
    """
    lines = [f"---\ntitle: {title}\n---"] if title else []
    lines += ["flowchart LR", "    real([real rows])"]
    lines += [f'    step{number}["{_describe(step)}"]' for number, step in enumerate(plan.named_steps, 1)]
    lines.append("    training([training rows])")
    nodes, current, added = dict[str, str](), "real", list[str]()
    for number, step in enumerate(plan.named_steps, 1):
        node, reads = f"step{number}", "real" if step.mode == "in_place" else plan.get_input(step)
        nodes[step.display_name] = node
        if step.is_on_items:
            lines += [f"    items([items]) --> {node}", f"    {node} -->|views| training"]
            continue
        sources = [current, *added] if reads == "previous" else [nodes.get(reads, current)]
        lines += [f"    {source} --> {node}" for source in sources]
        if step.mode == "in_place":
            current = node
        else:
            added.append(node)
            lines.append(f"    {node} -->|adds| training")
    lines.append(f"    {current} --> training")
    return "\n".join(lines)


def _describe(step: Step) -> str:
    """The label of a node; quotes are entities in Mermaid."""
    parts = [step.mode, step.when.replace("_", " ")]
    parts += [f"weight {step.row_weight:g}"] if step.mode == "append" and step.row_weight != 1.0 else []
    return f"{step.display_name}<br>{' · '.join(parts)}".replace('"', "#quot;")
