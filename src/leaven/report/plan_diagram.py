"""A plan as a diagram, in SVG and in Mermaid: which rows each step reads, and what it adds or changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from leaven.augmentation.plan import Plan, Step
from leaven.facts import PlanEdge, PlanGraph
from leaven.translation import Translator, get_translator

REAL, ITEMS, TRAINING = "real", "items", "training"
_ENDS: Mapping[str, str] = {REAL: "real rows", ITEMS: "items", TRAINING: "training rows"}
_ENGLISH = get_translator("en")
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 168, 44, 56, 18, 6
_MAX_CHARACTERS = 25  # of a line in a box


def build_plan_graph(plan: Plan) -> PlanGraph:
    """The graph of a plan: real rows, one node per step, and the training rows."""
    names: dict[str, tuple[str, ...]] = {REAL: (_ENDS[REAL],)}
    edges, ids, current, added = list[PlanEdge](), dict[str, str](), REAL, list[str]()
    for number, step in enumerate(plan.named_steps, 1):
        node, reads = f"step{number}", "real" if step.mode == "in_place" else plan.get_input(step)
        ids[step.display_name] = node
        names[node] = _describe_step(step)
        if step.is_on_items:
            names[ITEMS] = (_ENDS[ITEMS],)
            edges += [PlanEdge(ITEMS, node), PlanEdge(node, TRAINING, "views")]
            continue
        sources = [current, *added] if reads == "previous" else [ids.get(reads, current)]
        edges += [PlanEdge(source, node) for source in sources]
        if step.mode == "in_place":
            current = node
        else:
            added.append(node)
            edges.append(PlanEdge(node, TRAINING, "adds"))
    edges.append(PlanEdge(current, TRAINING))
    return PlanGraph({**names, TRAINING: (_ENDS[TRAINING],)}, tuple(edges))


def _describe_step(step: Step) -> tuple[str, ...]:
    parts = [step.mode, step.when.replace("_", " ")]
    parts += [f"weight {step.row_weight:g}"] if step.mode == "append" and step.row_weight != 1.0 else []
    return (step.display_name, " · ".join(parts))


def render_mermaid(graph: PlanGraph, title: str = "") -> str:
    """Mermaid text of a graph.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> print(render_mermaid(build_plan_graph(Plan([Step(Crop())]))))
    flowchart LR
        real([real rows])
        step1["crop<br>append · once"]
        training([training rows])
        real --> step1
        step1 -->|adds| training
        real --> training
    """
    lines = [f"---\ntitle: {title}\n---"] if title else []
    lines.append("flowchart LR")
    for node, label in graph.nodes.items():
        text = "<br>".join(label).replace('"', "#quot;")  # quotes are entities in Mermaid
        lines.append(f"    {node}([{text}])" if node in _ENDS else f'    {node}["{text}"]')
    for edge in graph.edges:
        lines.append(f"    {edge.source} -->{f'|{edge.label}|' if edge.label else ''} {edge.target}")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Box:
    """Place of a node in the drawing."""

    left: float
    top: float

    @property
    def middle(self) -> float:
        return self.top + _HEIGHT / 2


def draw_plan(graph: PlanGraph, translate: Translator = _ENGLISH) -> Markup:
    """An SVG of a graph, from left to right; empty without nodes."""
    if not graph.nodes:
        return Markup("")
    nodes = {node: tuple(translate(line) for line in label) for node, label in graph.nodes.items()}
    graph = PlanGraph(nodes, tuple(replace(edge, label=translate(edge.label)) for edge in graph.edges))
    boxes = _place_boxes(graph)
    width = max(box.left for box in boxes.values()) + _WIDTH + _MARGIN
    height = max(box.top for box in boxes.values()) + _HEIGHT + _GAP_Y  # long edges pass below the boxes
    alt_text = "; ".join(f"{graph.nodes[edge.source][0]} → {graph.nodes[edge.target][0]}" for edge in graph.edges)
    parts = [_draw_edge(edge, boxes[edge.source], boxes[edge.target]) for edge in graph.edges]
    parts += [_draw_box(node, graph.nodes[node], box) for node, box in boxes.items()]
    size = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px"'
    return Markup(f'<svg class="plan" role="img" aria-label="{escape(alt_text)}" {size}>{"".join(parts)}</svg>')


def _place_boxes(graph: PlanGraph) -> dict[str, _Box]:
    """Column: length of the longest way to a node. Within a column, nodes follow in their order."""
    columns = dict.fromkeys(graph.nodes, 0)
    for _ in graph.nodes:
        for edge in graph.edges:
            columns[edge.target] = max(columns[edge.target], columns[edge.source] + 1)
    counts, boxes = dict[int, int](), dict[str, _Box]()
    for node, column in columns.items():
        place = counts.get(column, 0)
        counts[column] = place + 1
        boxes[node] = _Box(_MARGIN + column * (_WIDTH + _GAP_X), _MARGIN + place * (_HEIGHT + _GAP_Y))
    return boxes


def _draw_box(node: str, label: tuple[str, ...], box: _Box) -> str:
    radius, kind = (_HEIGHT / 2, "end") if node in _ENDS else (6, "step")
    frame = (
        f'<rect x="{box.left:g}" y="{box.top:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius:g}" class="{kind}"/>'
    )
    x, first = box.left + _WIDTH / 2, box.middle + 4 - 8 * (len(label) - 1)
    lines = [
        f'<text class="{kind}" x="{x:g}" y="{first + 16 * index:g}">{escape(_shorten(line))}</text>'
        for index, (kind, line) in enumerate(zip(("name", "sub"), label, strict=False))
    ]
    return frame + "".join(lines)


def _shorten(line: str) -> str:
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + "…"


def _draw_edge(edge: PlanEdge, source: _Box, target: _Box) -> str:
    start, end, y_start, y_end = source.left + _WIDTH, target.left, source.middle, target.middle
    path = f"M{start:g} {y_start:g} "
    if end - start > _GAP_X:  # a long edge passes below the boxes between its ends
        low = max(source.top, target.top) + _HEIGHT + _GAP_Y / 2
        path += f"C{start + 28:g} {y_start:g} {start + 4:g} {low:g} {start + 40:g} {low:g} L{end - 40:g} {low:g} "
        path += f"C{end - 4:g} {low:g} {end - 28:g} {y_end:g} {end:g} {y_end:g}"
    else:
        middle = (start + end) / 2
        path += f"C{middle:g} {y_start:g} {middle:g} {y_end:g} {end:g} {y_end:g}"
    tip = f'<path class="tip" d="M{end:g} {y_end:g} l-7 -4 v8 z"/>'
    word = f'<text class="sub word" x="{start + 10:g}" y="{y_start - 5:g}">{escape(edge.label)}</text>'
    return f'<path class="edge" d="{path}"/>{tip}{word if edge.label else ""}'
