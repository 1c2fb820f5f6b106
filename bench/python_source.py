"""Parsed Python files, and the facts about functions and imports in their syntax trees."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Tree = list["SourceFile"]
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)


@dataclass(frozen=True)
class Finding:
    """One offender of a metric: the file, the line and the name or text that was found there."""

    path: Path
    line: int
    text: str


@dataclass(frozen=True)
class SourceFile:
    """One parsed Python file with its dotted module name (the folder's name for an `__init__`)."""

    path: Path
    module: str
    text: str

    @cached_property
    def syntax(self) -> ast.Module:
        """Return the syntax tree."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Return every node of the syntax tree."""
        return list(ast.walk(self.syntax))

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def functions(self) -> list[Function]:
        """Return all functions, methods and nested functions."""
        return [node for node in self.nodes if isinstance(node, Function)]

    @cached_property
    def docstrings(self) -> list[ast.Constant]:
        """Return the docstrings of the module, its classes and its functions."""
        owners = [node for node in self.nodes if isinstance(node, ast.Module | ast.ClassDef | Function)]
        return [found for owner in owners if (found := get_docstring_node(owner))]

    @cached_property
    def prose(self) -> list[tuple[int, str]]:
        """Return line number and text of docstring lines, comments and strings of three words or more."""
        inside = {id(node) for node in self.docstrings}
        strings = [node for node in self.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        rows = [
            (node.lineno + offset, line)
            for node in strings
            if id(node) in inside or str(node.value).strip().count(" ") >= 2
            for offset, line in enumerate(str(node.value).splitlines())
        ]
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        rows += [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
        return [(line, text.strip()) for line, text in rows if text.strip()]

    def find(self, node: ast.AST | int, text: str) -> Finding:
        """Return a finding at a node or at a line number."""
        return Finding(self.path, node if isinstance(node, int) else getattr(node, "lineno", 1), text)


def read_tree(root: Path) -> Tree:
    """Parse every Python file below `root`, whose name is the package's name."""
    tree = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if "tests" not in parts:
            module = ".".join((root.name, *parts)).removesuffix(".__init__")
            tree.append(SourceFile(path, module, path.read_text(encoding="utf-8")))
    return tree


def get_docstring_node(owner: ast.Module | ast.ClassDef | Function) -> ast.Constant | None:
    """Return the constant that holds the docstring of a module, class or function."""
    match owner.body:
        case [ast.Expr(value=ast.Constant(value=str()) as constant), *_]:
            return constant
    return None


def get_last_name(node: ast.AST) -> str:
    """Return `c` for the expressions `c`, `a.b.c` and `c(...)`, an empty string for any other."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return get_last_name(func)
    return ""


def walk_own_scope(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body without those of nested functions and classes."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        if not isinstance(node, Function | ast.ClassDef):
            yield node
            stack.extend(ast.iter_child_nodes(node))


def count_function_lines(function: Function) -> int:
    """Return the lines from `def` to the end, without decorators and docstring."""
    docstring = get_docstring_node(function)
    doc_lines = (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1 if docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - doc_lines


def count_complexity(function: Function) -> int:
    """Return the McCabe complexity: one, plus each branch, loop, handler, ternary, match case and condition of a
    comprehension, plus each further operand of `and` and `or`. Nested functions count on their own."""
    total = 1
    for node in walk_own_scope(function):
        total += isinstance(node, BRANCHES)
        total += len(node.values) - 1 if isinstance(node, ast.BoolOp) else 0
        total += len(node.ifs) if isinstance(node, ast.comprehension) else 0
    return total


def count_parameters(function: Function) -> int:
    """Return the number of parameters without `self` and `cls`; `*args` and `**kwargs` count as one each."""
    spec = function.args
    names = [arg.arg for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg) if arg]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def is_wide_tuple(annotation: ast.AST | None) -> bool | None:
    """Return whether an annotation is a tuple of more than two values; None where it is no tuple at all.
    A union is a wide tuple when one side is. `tuple[X, ...]` is not wide."""
    match annotation:
        case ast.BinOp(left=left, right=right):
            sides = {is_wide_tuple(left), is_wide_tuple(right)}
            return True if True in sides else (False if False in sides else None)
        case ast.Subscript(value=value, slice=inner) if get_last_name(value) in ("tuple", "Tuple"):
            return isinstance(inner, ast.Tuple) and len(inner.elts) > 2
    return None


def returns_wide_tuple(function: Function) -> bool:
    """Return whether the annotation, or a return of a tuple display without stars, has more than two values."""
    wide = is_wide_tuple(function.returns)
    if wide is not None:
        return wide
    shown = [node.value for node in walk_own_scope(function) if isinstance(node, ast.Return)]
    displays = [value.elts for value in shown if isinstance(value, ast.Tuple)]
    return any(len(elts) > 2 and not any(isinstance(item, ast.Starred) for item in elts) for elts in displays)


def list_imports(file: SourceFile, known: frozenset[str]) -> set[str]:
    """Return the modules of the tree that a file imports anywhere: lazily in functions and for typing too."""
    wanted: list[tuple[str, str]] = []
    package = file.module if file.path.stem == "__init__" else file.module.rpartition(".")[0]
    for node in file.nodes:
        if isinstance(node, ast.Import):
            wanted += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            wanted += [(source, alias.name) for alias in node.names]
    targets = {f"{source}.{name}" if f"{source}.{name}" in known else source for source, name in wanted}
    return (targets & known) - {file.module}


def find_rings(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the groups of nodes that reach each other, each sorted, for a directed graph."""
    graph: dict[str, set[str]] = defaultdict(set)
    for start, end in edges:
        graph[start].add(end)
    reached: dict[str, set[str]] = {}
    for start in list(graph):
        seen: set[str] = set()
        stack = list(graph[start])
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(graph.get(node, ()))
        reached[start] = seen
    rings = {tuple(sorted(end for end in reached[node] if node in reached.get(end, ()))) for node in reached}
    return [list(ring) for ring in sorted(rings) if len(ring) > 1]
