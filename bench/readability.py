"""Readability figures of a source tree, next to those of installed packages.

    python -m bench.readability                                # the table for src/leaven
    python -m bench.readability --against rich --against typer # one more column for each package
    python -m bench.readability --list participles             # every offender of one metric as file:line

Packages are located and parsed, never imported. Folders named `tests` inside a package are left out.
Line counts include blank lines and comments. `--help` lists the keys; each metric's function states its rule.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.python_source import (
    Finding,
    Function,
    SourceFile,
    Tree,
    count_complexity,
    count_function_lines,
    count_parameters,
    find_rings,
    get_docstring_node,
    get_last_name,
    list_imports,
    read_tree,
    returns_wide_tuple,
)

IDIOM = re.compile(
    r"\b(wish(es|ed)?|beside|oftener|likelier|likest|alike|anew|afresh|fewest|by lot|whom|so many|at once|lent|nought"
    r"|nobody|anybody|somebody|everybody|nothing else|wholly|told|tells?|said|says?|stands?|lies|made rows|looks? on"
    r"|how-manieth|as many .{1,20} as it takes|(gives?|hands?) back|what .{1,20} asks?|of its own)\b",
    re.IGNORECASE,
)
"""Private wording that documentation must not use. Extend it when a word slips in."""

IRREGULAR_PARTICIPLES = re.compile(
    r"made|told|kept|found|said|held|built|sent|known|shown|drawn|grown|thrown|sold|bought|brought|caught"
    r"|taught|thought|felt|left|lost|meant|met|paid|spent|stood|won|done|gone|born|borne|torn|worn|sworn|laid"
    r"|lent|begun|sung|spun|bound|ground|wound|understood"
)
ORDINARY_WORDS = re.compile(
    r"seed|need|embed|speed|feed|shed|bed|red|hundred|breed|weed|exceed|proceed|succeed|bleed|heed|indeed"
    r"|unembed|reseed|open|reopen|listen|then|when|even|token|children|len|gen|eigen|screen|green|garden|dozen"
    r"|often|happen|shorten|lengthen|flatten|unflatten|strengthen|weaken|widen|tighten|loosen|deepen|darken"
    r"|brighten|sharpen|soften|harden|broaden|fasten|men|women|ten|seven|eleven|leaven|kitchen|golden|lumen|pen"
)
"""Words that end in "ed" or "en" and are no past participles."""

VARIADIC_CALLS = re.compile(
    r"print|zip|map|max|min|chain|product|range|partial|gather|union|intersection|joinpath|Path|join|format|ix_"
    r"|broadcast_arrays|broadcast_shapes|meshgrid|Sequential|Union"
)
"""Callables that take any number of like arguments, for which a starred sequence is the normal call."""


@dataclass(frozen=True)
class Measurement:
    """The figure that the table prints and the offenders that `--list` prints."""

    figure: str
    findings: list[Finding]


def is_named_freely(function: Function) -> bool:
    """Return whether naming rules apply: not for dunder methods, properties and their setters."""
    decorators = [get_last_name(decorator) for decorator in function.decorator_list]
    is_property = any(name.endswith("property") or name in ("setter", "deleter") for name in decorators)
    return not is_property and not re.fullmatch(r"__\w+__", function.name)


def is_one_word(name: str) -> bool:
    """Return whether a name has no underscore after its leading ones."""
    return "_" not in name.lstrip("_")


def is_participle(name: str) -> bool:
    """Return whether a one-word name is a past participle."""
    word = name.lstrip("_").lower()
    regular = word.endswith(("ed", "en")) and not ORDINARY_WORDS.fullmatch(word)
    return is_one_word(name) and (regular or IRREGULAR_PARTICIPLES.fullmatch(word) is not None)


def measure_file_rings(tree: Tree) -> Measurement:
    """Count circles of files; the number in brackets is that of the files in them."""
    known = frozenset(file.module for file in tree)
    return report_rings(tree, find_rings((file.module, end) for file in tree for end in list_imports(file, known)))


def measure_folder_rings(tree: Tree) -> Measurement:
    """Count circles of folders that share a parent, at any depth. A file next to a folder is a separate layer;
    a circle of files alone is not counted here. Imports between a package's `__init__`
    and its own children are left to the rings of files."""
    known = frozenset(file.module for file in tree)
    folders = {file.module for file in tree if file.path.stem == "__init__"}
    edges = set()
    for file in tree:
        for end in list_imports(file, known):
            pair = (file.module.split("."), end.split("."))
            depth = next((i for i, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), None)
            if depth is not None:
                edges.add((".".join(pair[0][: depth + 1]), ".".join(pair[1][: depth + 1])))
    return report_rings(tree, [ring for ring in find_rings(edges) if folders & set(ring)])


def report_rings(tree: Tree, rings: list[list[str]]) -> Measurement:
    """Return rings as one finding each, placed at the file of the first member."""
    files = {file.module: file for file in tree}
    findings = [files.get(ring[0], tree[0]).find(1, " <-> ".join(ring)) for ring in rings]
    return Measurement(f"{len(rings)} ({sum(map(len, rings))})", findings)


def measure_single_use(tree: Tree) -> Measurement:
    """Count functions and methods with a leading underscore that are referenced exactly once: by name or attribute
    in their own file, or imported by another one. Functions nested in functions are left out."""
    imported = Counter(alias.name for f in tree for n in f.nodes if isinstance(n, ast.ImportFrom) for alias in n.names)
    findings = []
    for file in tree:
        used = Counter(get_last_name(node) for node in file.nodes if isinstance(node, ast.Name | ast.Attribute))
        nested = {id(node) for function in file.functions for node in ast.walk(function) if node is not function}
        findings += [
            file.find(function, function.name)
            for function in file.functions
            if re.match(r"_[^_]", function.name) and id(function) not in nested
            if used[function.name] + imported[function.name] == 1
        ]
    return Measurement(str(len(findings)), findings)


def measure_repeats(places: Iterable[tuple[str, str, Finding]], limit: int) -> Measurement:
    """Count names used in more than `limit` places, from rows of name, place and finding."""
    rows = list(places)
    spread: dict[str, set[str]] = defaultdict(set)
    for name, place, _ in rows:
        spread[name].add(place)
    repeated = {name for name, found in spread.items() if len(found) > limit}
    findings = [finding for name, _, finding in sorted(rows, key=lambda row: row[0]) if name in repeated]
    return Measurement(str(len(repeated)), findings)


def measure_module_names(tree: Tree) -> Measurement:
    """Count module names in more than two folders, `__init__` and `__main__` aside."""
    named = [file for file in tree if not file.path.stem.startswith("__")]
    return measure_repeats([(f.path.stem, str(f.path.parent), f.find(1, f.path.stem)) for f in named], 2)


def measure_class_names(tree: Tree) -> Measurement:
    """Count class names in more than one module."""
    classes = [(file, node) for file in tree for node in file.nodes if isinstance(node, ast.ClassDef)]
    return measure_repeats([(node.name, f.module, f.find(node, node.name)) for f, node in classes], 1)


def measure_files(is_counted: Callable[[SourceFile], bool], tree: Tree) -> Measurement:
    """Count files that satisfy a predicate."""
    findings = [file.find(1, f"{len(file.lines)} lines") for file in tree if is_counted(file)]
    return Measurement(str(len(findings)), findings)


def measure_functions(count: Callable[[Function], int], limit: int, tree: Tree) -> Measurement:
    """Count functions whose count is above a limit."""
    rows = [(file, function, count(function)) for file in tree for function in file.functions]
    findings = [file.find(function, f"{function.name} {size}") for file, function, size in rows if size > limit]
    return Measurement(str(len(findings)), findings)


def measure_names(is_counted: Callable[[str], bool], tree: Tree) -> Measurement:
    """Return the share of functions whose name is counted, dunder methods and properties left out."""
    pairs = [(file, function) for file in tree for function in file.functions if is_named_freely(function)]
    findings = [file.find(function, function.name) for file, function in pairs if is_counted(function.name)]
    return Measurement(format_share(len(findings), len(pairs)), findings)


def measure_nodes(is_counted: Callable[[ast.AST], bool], tree: Tree) -> Measurement:
    """Count syntax nodes that satisfy a predicate."""
    findings = [file.find(node, ast.unparse(node)[:90]) for file in tree for node in file.nodes if is_counted(node)]
    return Measurement(str(len(findings)), findings)


def measure_lines(pattern: str, tree: Tree) -> Measurement:
    """Count source lines that match a regular expression."""
    rows = [(file, i, line) for file in tree for i, line in enumerate(file.lines, 1) if re.search(pattern, line)]
    return Measurement(str(len(rows)), [file.find(i, line.strip()) for file, i, line in rows])


def measure_idiom_lines(tree: Tree) -> Measurement:
    """Return the share of lines of docstrings, comments and messages (strings of three words or more) with idiom."""
    rows = [(file, line, text) for file in tree for line, text in file.prose]
    findings = [file.find(line, text) for file, line, text in rows if IDIOM.search(text)]
    return Measurement(format_share(len(findings), len(rows)), findings)


def measure_idiom_docstrings(tree: Tree) -> Measurement:
    """Return the share of docstrings with idiom anywhere."""
    rows = [(file, node, str(node.value).strip()) for file in tree for node in file.docstrings]
    findings = [file.find(node, text.split("\n")[0]) for file, node, text in rows if IDIOM.search(text)]
    return Measurement(format_share(len(findings), len(rows)), findings)


def measure_questions(tree: Tree) -> Measurement:
    """Return the share of module docstrings whose first line holds a question mark."""
    rows = [
        (file, str(node.value).strip().split("\n")[0]) for file in tree if (node := get_docstring_node(file.syntax))
    ]
    findings = [file.find(1, first) for file, first in rows if "?" in first]
    return Measurement(format_share(len(findings), len(rows)), findings)


def measure_test_ratio(tree: Tree) -> Measurement:
    """Return the lines of tests for each line of source; a dash without a `tests` folder next to `src`."""
    root = min((file.path.parent for file in tree), key=lambda path: len(path.parts))
    folder = root.resolve().parent.parent / "tests"
    if root.resolve().parent.name != "src" or not folder.is_dir():
        return Measurement("-", [])
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))
    return Measurement(f"{lines / sum(len(file.lines) for file in tree):.2f}", [])


def measure_file_lengths(reduce: Callable[[list[int]], float], tree: Tree) -> Measurement:
    """Reduce the line counts of all files to one figure."""
    return Measurement(f"{reduce([len(file.lines) for file in tree]):.0f}", [])


def measure_median_function(tree: Tree) -> Measurement:
    """Return the median of function lengths."""
    lengths = [count_function_lines(function) for file in tree for function in file.functions]
    return Measurement(f"{statistics.median(lengths or [0]):.0f}", [])


def format_share(part: int, whole: int) -> str:
    """Return a percentage with one decimal."""
    return f"{100 * part / max(whole, 1):.1f} %"


def is_spelling_star(node: ast.AST) -> bool:
    """Return whether a call spells arguments with a star, `f(*x)`, x a name, attribute, subscript or call, and is no
    call of VARIADIC_CALLS (compared by the last part of the name)."""
    plain = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
    return (
        isinstance(node, ast.Call)
        and not VARIADIC_CALLS.fullmatch(get_last_name(node.func))
        and any(isinstance(arg, ast.Starred) and isinstance(arg.value, plain) for arg in node.args)
    )


def is_call(name: str, n_args: int, node: ast.AST) -> bool:
    """Return whether a node calls the builtin `name` with `n_args` arguments."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == name
        and len(node.args) == n_args
    )


def is_small(limit: int, file: SourceFile) -> bool:
    """Return whether a file other than `__init__` has fewer lines than `limit`."""
    return len(file.lines) < limit and file.path.stem != "__init__"


def is_any(node: ast.AST) -> bool:
    """Return whether a node is the name `Any`; its import is none."""
    return isinstance(node, ast.Name) and node.id == "Any"


METRICS: dict[str, tuple[str, Callable[[Tree], Measurement]]] = {
    "files": ("files", partial(measure_files, lambda file: True)),
    "lines": ("source lines", partial(measure_file_lengths, sum)),
    "mean_file": ("mean lines a file", partial(measure_file_lengths, statistics.mean)),
    "median_file": ("median lines a file", partial(measure_file_lengths, statistics.median)),
    "files_below_40": ("files < 40 lines, no __init__", partial(measure_files, partial(is_small, 40))),
    "files_below_60": ("files < 60 lines, no __init__", partial(measure_files, partial(is_small, 60))),
    "files_above_400": ("files > 400 lines", partial(measure_files, lambda file: len(file.lines) > 400)),
    "functions": ("functions", partial(measure_functions, lambda function: 1, 0)),
    "one_word": ("functions with one-word names", partial(measure_names, is_one_word)),
    "participles": ("functions named by a participle", partial(measure_names, is_participle)),
    "idiom": ("prose lines with private idiom", measure_idiom_lines),
    "idiom_docstrings": ("docstrings with private idiom", measure_idiom_docstrings),
    "questions": ("module docstrings that are questions", measure_questions),
    "median_function": ("median function lines", measure_median_function),
    "functions_above_40": ("functions > 40 lines", partial(measure_functions, count_function_lines, 40)),
    "functions_above_60": ("functions > 60 lines", partial(measure_functions, count_function_lines, 60)),
    "complexity": ("functions of complexity > 10", partial(measure_functions, count_complexity, 10)),
    "used_once": ("private helpers used once", measure_single_use),
    "parameters": ("functions with > 6 parameters", partial(measure_functions, count_parameters, 6)),
    "tuples": ("functions returning > 2 values", partial(measure_functions, returns_wide_tuple, 0)),
    "stars": ("calls that spell arguments by a star", partial(measure_nodes, is_spelling_star)),
    "any": ("uses of Any", partial(measure_nodes, is_any)),
    "dict_any": ("lines with dict[str, Any]", partial(measure_lines, r"\b[dD]ict\[str, Any\]")),
    "getattr": ("getattr with a default", partial(measure_nodes, partial(is_call, "getattr", 3))),
    "isinstance": ("isinstance calls", partial(measure_nodes, partial(is_call, "isinstance", 2))),
    "get": ('lines with .get("', partial(measure_lines, r"\.get\([\"']")),
    "module_names": ("module names in > 2 folders", measure_module_names),
    "class_names": ("class names in > 1 module", measure_class_names),
    "folder_rings": ("import rings of folders (members)", measure_folder_rings),
    "file_rings": ("import rings of files (members)", measure_file_rings),
    "test_ratio": ("test lines a source line", measure_test_ratio),
}
"""What the table prints: key for `--list`, heading and measurement."""
LIMITS = {
    "participles": 3,
    "idiom": 15,
    "questions": 0,
    "functions_above_60": 0,
    "module_names": 0,
    "folder_rings": 0,
    "file_rings": 0,
}
"""Metric -> number of findings that `--check` accepts; the accepted idiom is quotations and a fixed prompt."""


def measure(tree: Tree, key: str) -> Measurement:
    """Return one metric of a tree by its key."""
    return METRICS[key][1](tree)


def locate_package(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"--against {name}: no installed package of that name; install it or leave it out")
    return Path(next(iter(spec.submodule_search_locations)))


def check_limits(tree: Tree) -> int:
    """Print the findings of every metric beyond its limit; return 1 where there are any, else 0."""
    exceeded = 0
    for key, limit in LIMITS.items():
        findings = measure(tree, key).findings
        if len(findings) > limit:
            exceeded = 1
            print(f"{METRICS[key][0]}: {len(findings)} findings, at most {limit} are accepted")
            print("".join(f"  {finding.path}:{finding.line}: {finding.text}\n" for finding in findings), end="")
    return exceeded


def main(args: list[str]) -> None:
    """Print the table, or the offenders of one metric."""
    parser = argparse.ArgumentParser(prog="python -m bench.readability", description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, default=Path("src/leaven"), help="folder of the package to measure")
    parser.add_argument("--against", nargs="+", action="extend", default=[], help="installed packages to compare")
    parser.add_argument("--list", choices=METRICS, metavar="METRIC", help=f"one of: {', '.join(METRICS)}")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a limit is exceeded, and list why")
    options = parser.parse_args(args)
    if options.check:
        raise SystemExit(check_limits(read_tree(options.source)))
    if options.list:
        for finding in measure(read_tree(options.source), options.list).findings:
            print(f"{finding.path}:{finding.line}: {finding.text}")
        return
    trees = {root.name: read_tree(root) for root in (options.source, *map(locate_package, options.against))}
    print(f"{'':38}" + "".join(f"{name:>12}" for name in trees))
    for key, (heading, _) in METRICS.items():
        print(f"{heading:38}" + "".join(f"{measure(tree, key).figure:>12}" for tree in trees.values()))


if __name__ == "__main__":
    main(sys.argv[1:])
