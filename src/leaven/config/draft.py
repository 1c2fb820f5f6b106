"""Which spec would someone write who has looked at these files?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaven.errors import DataError, SpecError, nearest
from leaven.ingest import Guess, ItemSource, Source, guess

NEEDED = ("user", "item", "time")
_SHOWN = 3  # examples of a column's cells
_LONGEST = 28  # characters of an example
_URL = re.compile(r"^\w+://.*")


@dataclass(frozen=True)
class File:
    """A file as the user named it, and what it seems to hold; columns: our word -> its column, as agreed."""

    path: str
    guess: Guess
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """What a spec would say of these files. told: what a reader should know of the guesses; label: the column of 0 and
    1 where the file is a ready table of labelled rows."""

    name: str
    log: File
    items: File | None = None
    told: tuple[str, ...] = ()
    label: str = ""


def look(paths: Sequence[str], given: Mapping[str, str] | None = None) -> Draft:
    """A draft from the first lines of each file; `given` names columns (our word -> column) where guesses fail.

    Raises DataError for a file that cannot be read, for none or several logs or tables of items, and for a
    log whose user, item or time is not found; SpecError for a database, or a given column that is not there.
    """
    for path in filter(is_database, paths):
        fix = "leaven profile URL --table NAME shows what it holds; a spec takes it as data.interactions and data.table"
        raise SpecError(path, "a file to look at", "a database", fix)
    found = [(path, guess(_first(path))) for path in paths]
    logs = [one for one in found if one[1].kind != "items"]
    tables = [one for one in found if one[1].kind == "items"]
    for what, held in (("log", logs), ("table of items", tables)):
        if len(held) > 1:
            raise DataError(held[1][0], f"one {what}", f"another one beside {held[0][0]}", "give one at a time")
    if not logs:
        names = ", ".join(tables[0][1].names) if tables else "no file"
        fix = f"if it is a log, name its columns: --user, --item, --time, of {names}"
        raise DataError(tables[0][0] if tables else "files", "a log: user, item, time", "a table of items", fix)
    log = File(*logs[0], _agreed(*logs[0], given or {}))
    items = File(*tables[0], tables[0][1].columns) if tables else None
    return Draft(_name(log.path), log, items, tuple(_told(log, items)))


def look_at_table(paths: Sequence[str], label: str, given: Mapping[str, str] | None = None) -> Draft:
    """A draft for a ready table of labelled rows; `given` names its user and time, if it has them.

    Raises DataError for more than one file or one that cannot be read; SpecError for a column that is not there.
    """
    if len(paths) != 1:
        raise DataError(", ".join(paths), "one table of labelled rows", f"{len(paths)} files", "give one")
    found = guess(_first(paths[0]))
    columns = {word: column for word, column in (given or {}).items() if column and word in ("user", "time")}
    for word, column in {"label": label, **columns}.items():
        if column not in found.names:
            where = f"--{word} {column}"
            raise SpecError(where, f"a column of {paths[0]}", repr(column), nearest(column, found.names))
    told = f"{paths[0]}: labelled rows; label = {label}; {len(found.names) - 1 - len(columns)} columns to learn from"
    return Draft(_name(paths[0]), File(paths[0], found, columns), None, (told,), label)


def wishes(draft: Draft) -> tuple[Source, ItemSource | None]:
    """What reading is to be asked for: the log, and the table of items if there is one."""
    log = Source(draft.log.path, draft.log.columns)
    if draft.items is None:
        return log, None
    columns = {word: column for word, column in draft.items.columns.items() if column}
    return log, ItemSource(draft.items.path, columns, draft.items.guess.text)


def is_database(path: str) -> bool:
    """Whether a name is the URL of a database, of which nobody has seen the first lines."""
    return path.startswith(("sqlite://", "postgresql://", "postgres://"))


def _first(path: str) -> str:
    """The file whose first lines stand for all: of a folder or glob, its first file."""
    from leaven.ingest.files import paths_of

    return paths_of(path)[0]


def _agreed(path: str, found: Guess, given: Mapping[str, str]) -> dict[str, str]:
    """The guessed columns, with those that the user named; both in the order of our words."""
    if found.kind == "sequences":
        return {}
    named = {word: column for word, column in given.items() if column}
    for word, column in named.items():
        if column not in found.names:
            raise SpecError(f"--{word} {column}", f"a column of {path}", repr(column), nearest(column, found.names))
    guessed = {word: column for word, column in found.columns.items() if column not in named.values()}
    columns = guessed | named
    for word in NEEDED:
        if word not in columns:
            fix = f"name it: --{word} COLUMN, one of {', '.join(found.names)}"
            raise DataError(path, f"a column for {word!r}", "none that looks like it", fix)
    order = [*NEEDED, *(word for word in columns if word not in NEEDED)]
    return {word: columns[word] for word in order}


def _name(path: str) -> str:
    """A name for the spec and its run: of a file called like any other, its folder's."""
    place = Path(re.sub(r"[*?\[\]]", "", path))
    stem = place.name.split(".")[0]
    dull = stem.lower() in ("interactions", "events", "log", "data", "train", "")
    return (place.resolve().parent.name if dull else stem) or "leaven"


def _told(log: File, items: File | None) -> Iterator[str]:
    if log.guess.kind == "sequences":
        yield f"{log.path}: one user a line, items in time order and no times"
    else:
        columns = ", ".join(f"{word} = {column}" for word, column in log.columns.items())
        yield f"{log.path}: a log; {columns}"
    if items is not None:
        columns = ", ".join(f"{word} = {column}" for word, column in items.columns.items())
        texts = f"; words in {', '.join(items.guess.text)}" if items.guess.text else ""
        yield f"{items.path}: a table of the items; {columns}{texts}"


def write(draft: Draft, target: Path, force: bool = False, task: str = "ranking") -> Path:
    """Writes the spec, whole or not at all; paths in it start from its folder.

    Raises SpecError where something lies there already and `force` is not given.
    """
    if target.exists() and not force:
        raise SpecError(str(target), "a new file", "one that is there", "name another with --out, or --force")
    if target.is_dir():
        raise SpecError(str(target), "a file", "a folder", f"--out {target / (draft.name + '.toml')}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_text(text(draft, target.parent, task), encoding="utf-8")
    part.replace(target)
    return target


def text(draft: Draft, folder: Path, task: str = "ranking") -> str:
    """The spec as commented TOML, for a file in `folder`.

    Raises SpecError for an unknown task.
    """
    if task not in _TASKS:
        raise SpecError("--task", "a known task", repr(task), nearest(task, _TASKS))
    head = _HEAD.format(name=_quoted(draft.name), task=_TASKS[task])
    if draft.label:
        return "\n".join([head, *_table(draft, folder), _CLICKS])
    parts = [head, *_data(draft, folder), _clean(draft)]
    return "\n".join([*parts, *([_SAMPLES, _CLICKS] if task == "clicks" else [_split(draft), _REST])])


_HEAD = """\
# A spec for leaven, drafted from a look at your files. It runs as it is:
#     leaven run THIS-FILE          leaven run THIS-FILE --dry-run   only checks it
# Unknown keys are errors; `leaven schema` lists all, `leaven list transforms` the steps there are.

name = {name}
{task}seed = 7                        # the same seed gives the same bytes, on any number of workers
"""


_TASKS = {
    "ranking": "",
    "clicks": """\
task = "clicks"                 # will this user take this item now?
rules = []                      # what no made row may say, such as "item_price > 0"; or the path of a file of rules
""",
}


def _table(draft: Draft, folder: Path) -> Iterator[str]:
    """[data] of a ready table; without times it is dealt by users, without users row by row."""
    columns = draft.log.columns
    yield "[data]"
    yield f"labelled = {_quoted(_relative(draft.log.path, folder))}"
    yield _column("label", draft.label, draft.log)
    yield from (_column(word, column, draft.log) for word, column in columns.items())
    yield "# numeric, categorical: what columns hold; else those whose cells are all numbers are numbers"
    yield '# hashed = ["f*"] adds thousands of sparse columns up in a few; several = ["tags"]: cells like "red|sale"\n'
    kind = "time" if "time" in columns else "users" if "user" in columns else "rows"
    yield f'[split]\nkind = "{kind}"\n'


def _data(draft: Draft, folder: Path) -> Iterator[str]:
    found = draft.log.guess
    yield "[data]"
    yield f"interactions = {_quoted(_relative(draft.log.path, folder))}"
    if draft.items is not None:
        yield f"items = {_quoted(_relative(draft.items.path, folder))}"
    if found.encoding not in ("", "utf-8", "ascii"):
        yield f"encoding = {_quoted(found.encoding)}"
    if found.kind != "sequences":
        yield "\n[data.columns]                  # our word = your column; the rest of the line: its first cells"
        yield from (_column(word, column, draft.log) for word, column in draft.log.columns.items())
    else:
        yield "# one user a line: the user, then their items in time order"
    if draft.items is not None:
        yield "\n[data.item_columns]"
        yield from (_column(word, column, draft.items) for word, column in draft.items.columns.items())
        if draft.items.guess.text:
            yield f"text = [{', '.join(map(_quoted, draft.items.guess.text))}]"
    yield ""


def _column(word: str, column: str, file: File) -> str:
    """`user = "CustomerID"   # 17850.0, 13047.0`"""
    cells = _examples(column, file.guess)
    unit = {"s": "seconds since 1970", "ms": "milliseconds since 1970", "us": "microseconds since 1970"}
    note = unit.get(file.guess.time_unit, "") if word == "time" else ""
    said = ", ".join([*cells, note] if note else cells)
    line = f"{word} = {_quoted(column)}"
    return f"{line:<31} # {said}" if said else line


def _examples(column: str, found: Guess) -> list[str]:
    """A few different cells of a column, short and on one line."""
    if column not in found.names:
        return []
    place = found.names.index(column)
    cells = (" ".join(row[place].split()) for row in found.rows if len(row) > place)
    known = list(dict.fromkeys(cell for cell in cells if cell.isprintable() and cell))[:_SHOWN]
    return [cell if len(cell) <= _LONGEST else cell[: _LONGEST - 1] + "…" for cell in known]


def _clean(draft: Draft) -> str:
    """The k-core, and a word on the rules that stand by default for columns such as these."""
    rules = ["exact duplicates", "bots"]
    rules += [rule for word, rule in _RULES.items() if word in draft.log.columns]
    if draft.items is not None:
        rules += ["misspelt categories", "missing attributes"]
    return _CLEAN.format(rules=_wrapped(rules))


_RULES = {
    "order": "cancelled orders",
    "quantity": "goods given back, absurd quantities",
    "price": "zero, negative and absurd prices",
    "text": "lines that are no products, items under several texts",
}
_CLEAN = """\
[clean]                         # every rule counts what it touched; `leaven profile` shows it beforehand
min_user_events = 5             # users and items with fewer events go, again and again until none is left
min_item_events = 5             # (1 keeps all)
# on by themselves:
{rules}
"""


def _wrapped(rules: Sequence[str]) -> str:
    lines = [""]
    for rule in rules:
        if len(lines[-1]) + len(rule) > 90:
            lines.append("")
        lines[-1] += f"{rule}, "
    return "\n".join(f"#     {line.strip()}" for line in lines).rstrip(",")


def _split(draft: Draft) -> str:
    if draft.log.guess.kind == "sequences":
        return '[split]\nkind = "leave_one_out"          # there are no times; with times, "time" is the honest split\n'
    return (
        '[split]\nkind = "time"                   # or "leave_one_out", as in most papers: it lets the future leak in\n'
    )


_REST = """\
[recommender]
kind = "transformer"            # `leaven list recommenders`

[evaluate]
metrics = ["ndcg@10", "recall@10", "mrr@10", "coverage@10"]
seeds = 3                       # trainings of each arm; more narrow the intervals
smallest_lift = 0.01            # what matters to you, relative: said before looking

# Each arm is a plan under trial. Two always run beside them: the baseline, without any plan, and
# "repeat", which adds as many copies of real rows.

[[arm]]
name = "crop a few"             # augmentation: what leaven tries first where nothing is known (examples/best.toml)
[[arm.step]]
use = "crop"
mode = "replace"                # the row itself is changed; "add": changed copies join the real rows
when = "each_epoch"             # afresh in every epoch; or "once", before training, kept as files
during = [0.0, 0.8]             # not in the last fifth of training, which sees the histories as they are
p = 0.2                         # share of the histories that are changed

[[arm]]
name = "markov histories"       # expansion: new histories from a chain learned on training rows
[[arm.step]]
use = "markov"
copies = { kind = "uniform", factor = 0.2 }
weight = 0.3                    # in the loss; real rows count 1
"""


_SAMPLES = """\
[samples]                       # positives are events, negatives what was on sale then and not taken
ratio = 4                       # negatives for each positive
negatives = "mixed"             # or uniform, popularity, category
most_positives = 20000          # of each part; more are thinned out by lot, and counted

[split]
kind = "time"                   # or "users": people who are in no other part
"""
_CLICKS = """\
[recommender]
kind = "mlp"                    # `leaven list click_models`
batch = 128
epochs = 4

[evaluate]
seeds = 3                       # trainings of each arm; more narrow the intervals
smallest_lift = 0.005           # of the AUC, relative: said before looking

# Each arm is a plan under trial. Two always run beside them: the baseline, without any plan, and
# "repeat", which adds as many copies of real rows. `leaven list table_transforms` and table_generators: the steps.

[[arm]]
name = "mixup"                  # augmentation: two rows blended, with a soft label, fresh in every epoch
[[arm.step]]
use = "row_mixup"
mode = "replace"
when = "each_epoch"
p = 0.5

[[arm]]
name = "copula, even classes"   # expansion: made rows, until both classes are as many
[[arm.step]]
use = "copula"
copies = { kind = "balanced", towards = "class" }
"""


def _relative(path: str, folder: Path) -> str:
    """A path as seen from the spec's folder; URLs stay, and full paths to somewhere else."""
    if _URL.match(path):
        return path
    seen = os.path.relpath(Path(path).resolve(), folder.resolve())
    return path if Path(path).is_absolute() and seen.startswith("..") else seen.replace(os.sep, "/")


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
