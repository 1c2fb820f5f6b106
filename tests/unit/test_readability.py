"""Readability metrics on small source strings with known answers."""

from pathlib import Path

import pytest
from bench.python_source import SourceFile, Tree
from bench.readability import METRICS, measure

NAMES = '''"""What is kept?"""

class Box:
    @property
    def made(self): return 1

    def __len__(self): return 0

    def kept(self): return 1

def _hidden(): return 2

def feed(): return _hidden()

def count_items(): return 3
'''

TUPLES = """def split_three(a): return a, a + 1, a + 2

def load_pair() -> tuple[int, int]: return 1, 2

def load_many() -> tuple[int, ...]: return 1, 2, 3

def load_annotated() -> tuple[int, int, int] | None: return None

def pass_on(pair): return split_three(*pair), print(*pair)

def choose(a, b, c, d, e, f, g):  # beside the point
    return [x for x in a if x] if b and c else getattr(d, "e", None)
"""


def build_tree(**texts: str) -> Tree:
    """Return a tree of source strings by dotted name; `__` is the dot, a final `init` marks a package."""
    tree = []
    for name, text in texts.items():
        parts = name.split("__")
        path = Path("root", *parts[:-1], "__init__.py" if parts[-1] == "init" else f"{parts[-1]}.py")
        tree.append(SourceFile(path, ".".join(("root", *(part for part in parts if part != "init"))), text))
    return tree


def list_found(key: str, tree: Tree) -> list[str]:
    """Return the first words of a metric's findings."""
    return [finding.text.split()[0] for finding in measure(tree, key).findings]


def test_participles_leave_out_properties_dunder_methods_and_ordinary_words() -> None:
    tree = build_tree(names=NAMES)
    assert sorted(list_found("participles", tree)) == ["_hidden", "kept"]
    assert measure(tree, "participles").figure == "50.0 %"
    assert sorted(list_found("one_word", tree)) == ["_hidden", "feed", "kept"]


def test_a_private_helper_with_one_call_is_used_once() -> None:
    (finding,) = measure(build_tree(names=NAMES), "used_once").findings
    assert (finding.path, finding.line, finding.text) == (Path("root/names.py"), 11, "_hidden")


def test_a_module_docstring_with_a_question_mark_is_a_question() -> None:
    assert measure(build_tree(names=NAMES, tuples=TUPLES), "questions").figure == "100.0 %"
    assert measure(build_tree(tuples='"""Tuples."""'), "questions").figure == "0.0 %"


def test_tuples_of_three_values_are_found_by_display_and_by_annotation() -> None:
    assert sorted(list_found("tuples", build_tree(tuples=TUPLES))) == ["load_annotated", "split_three"]


@pytest.mark.parametrize(
    ("key", "figure"),
    [("parameters", "1"), ("stars", "1"), ("getattr", "1"), ("functions", "6"), ("complexity", "0"), ("any", "0")],
)
def test_counts_of_calls_and_parameters(key: str, figure: str) -> None:
    assert measure(build_tree(tuples=TUPLES), key).figure == figure


def test_idiom_is_found_in_a_comment() -> None:
    (finding,) = measure(build_tree(tuples=TUPLES), "idiom").findings
    assert finding.text == "# beside the point"


def test_rings_of_files_and_folders_count_lazy_and_typing_imports() -> None:
    tree = build_tree(
        init="",
        low__init="",
        low__a="def load_lazily():\n    from ..high import b",
        high__init="",
        high__b="import typing\nif typing.TYPE_CHECKING:\n    from root.low.c import C",
        low__c="from root.low import a\nclass C: ...",
    )
    assert measure(tree, "file_rings").figure == "1 (3)"
    assert measure(tree, "folder_rings").findings[0].text == "root.high <-> root.low"
    assert measure(tree[:-1], "folder_rings").figure == "0 (0)"


def test_repeated_names_are_found_with_their_places() -> None:
    tree = build_tree(a__x="class C: ...", b__x="class C: ...", c__x="", c__y="class D: ...")
    assert list_found("module_names", tree) == ["x", "x", "x"]
    assert list_found("class_names", tree) == ["C", "C"]
    assert measure(tree, "class_names").figure == "1"


@pytest.mark.parametrize("key", METRICS)
def test_every_metric_measures_an_empty_module(key: str) -> None:
    assert measure(build_tree(empty=""), key).figure
