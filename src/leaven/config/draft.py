"""Drafts of specs, inferred from the first lines of the user's files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from leaven.config.old_names import suggest_value
from leaven.ctr_features.label_expression import LabelExpression
from leaven.errors import DataError, SpecError, suggest_name
from leaven.ingest import (
    CatalogSource,
    InferredFormat,
    LogSource,
    ReadingOptions,
    UserSource,
    find_unnamed_time,
    infer_format,
)
from leaven.ingest.source_config import AUTOMATIC

NEEDED = ("user", "item")
"""Columns without which there is no log; without times, the order of the lines counts."""
_FIRST = (*NEEDED, "time")
_SHOWN = 3  # example cells of a column
_LONGEST = 28  # characters of an example
_URL = re.compile(r"^\w+://.*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class DraftFile:
    """A file of the user, and its inferred format. columns: our name -> column of the file."""

    path: str
    guess: InferredFormat
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """Contents of a spec for these files.

    notes  notes on what was inferred, for the user
    label  column of 0 and 1 or a condition, for a table of labelled rows
    sample_label  condition of the positives among the events of a log; "": all events
    options  how the files are read
    """

    name: str
    log: DraftFile
    items: DraftFile | None = None
    users: DraftFile | None = None
    notes: tuple[str, ...] = ()
    label: str = ""
    sample_label: str = ""
    options: ReadingOptions = AUTOMATIC


def draft_log_spec(
    paths: Sequence[str], given: Mapping[str, str] | None = None, options: ReadingOptions = AUTOMATIC
) -> Draft:
    """Draft from the first lines of each file. given: our name -> column, which is obeyed; options: of reading the log.

    A folder of RecBole's atomic files is replaced by its `.inter` and `.item` files, or by its given parts.
    Raises DataError for a file that cannot be read, for none or several logs or tables of items, and for a log whose
    user or item is not found; SpecError for a database, or a given column that does not exist.
    """
    for path in filter(is_database, paths):
        fix = "leaven profile URL --table NAME shows what it holds; a spec takes it as data.interactions and data.table"
        raise SpecError(path, "a file", "a database", fix)
    paths, options = _expand_folders(paths, options)
    named = [column for column in (given or {}).values() if column]
    inferred = [(path, infer_format(_find_first_file(path), options, named)) for path in paths]
    logs = [one for one in inferred if one[1].kind in ("log", "sequences")]
    tables = [one for one in inferred if one[1].kind == "items"]
    user_tables = [one for one in inferred if one[1].kind == "users"]
    for what, held in (("log", logs), ("table of items", tables), ("table of users", user_tables)):
        if len(held) > 1:
            raise DataError(held[1][0], f"one {what}", f"a second one besides {held[0][0]}", "give one at a time")
    if not logs:
        found = inferred[0] if inferred else ("files", None)
        names = ", ".join(found[1].names) if found[1] else "no file"
        got = f"a table of {found[1].kind}" if found[1] else "none"
        if named:
            missing = next((one for one in named if found[1] is None or one not in found[1].names), named[0])
            fix = suggest_name(missing, found[1].names if found[1] else ())
            raise SpecError(f"column {missing}", f"a column of {found[0]}", repr(missing), fix)
        fix = f"if it is a log, name its columns: --user, --item, --time, of {names}"
        raise DataError(found[0], "a log: user, item, time", got, fix)
    log = DraftFile(logs[0][0], logs[0][1], _choose_columns(logs[0][0], logs[0][1], given or {}))
    items = DraftFile(tables[0][0], tables[0][1], tables[0][1].columns) if tables else None
    users = _draft_users(*user_tables[0]) if user_tables else None
    notes = [*_describe_files(log, items, users), *(note for _, one in inferred for note in one.notes)]
    return Draft(_choose_name(log.path), log, items, users, tuple(notes), options=options)


def _draft_users(path: str, guess: InferredFormat) -> DraftFile:
    """The table of users: its ids, and all other columns as attributes under their own names."""
    user = guess.columns["user"]
    return DraftFile(path, guess, {"user": user} | {name: name for name in guess.names if name != user})


def _expand_folders(paths: Sequence[str], options: ReadingOptions) -> tuple[list[str], ReadingOptions]:
    """The files of folders of RecBole's atomic files, and the options with their given parts."""
    found: list[str] = []
    for path in paths:
        atomic = sorted(Path(path).glob("*.inter")) if "://" not in path and Path(path).is_dir() else []
        parts = {one.name.split(".")[-2]: str(one) for one in atomic if one.name.count(".") > 1}
        if not atomic:
            found.append(path)
        elif {"train", "test"} <= set(parts):
            found.append(parts["train"])
            options = replace(options, valid=parts.get("valid"), test=parts["test"])
        else:
            found.append(str(atomic[0]) if len(atomic) == 1 else path)
        for ending in (".item", ".user"):
            found += [str(one) for one in sorted(Path(path).glob(f"*{ending}"))] if atomic else []
    return found, options


def draft_table_spec(paths: Sequence[str], label: str, given: Mapping[str, str] | None = None) -> Draft:
    """Draft for a table of labelled rows. given: its user and time columns, if it has them.

    Raises DataError for more than one file or one that cannot be read; SpecError for a column that does not exist.
    """
    if len(paths) != 1:
        raise DataError(", ".join(paths), "one table of labelled rows", f"{len(paths)} files", "give one")
    found = infer_format(_find_first_file(paths[0]))
    columns = {word: column for word, column in (given or {}).items() if column and word in ("user", "time")}
    is_column = label in found.names or not LabelExpression.is_expression(label)
    label_column = label if is_column else LabelExpression.parse(label, f"--label {label!r}").column
    for word, column in {"label": label_column, **columns}.items():
        if column not in found.names:
            where = f"--{word} {column}"
            raise SpecError(where, f"a column of {paths[0]}", repr(column), suggest_name(column, found.names))
    note = f"{paths[0]}: labelled rows; label = {label}; {len(found.names) - 1 - len(columns)} feature columns"
    return Draft(_choose_name(paths[0]), DraftFile(paths[0], found, columns), notes=(note,), label=label)


@dataclass(frozen=True)
class DraftSources:
    """Configs of the readers: the log, and the tables of items and users where there are any."""

    log: LogSource
    items: CatalogSource | None = None
    users: UserSource | None = None


def build_sources(draft: Draft) -> DraftSources:
    """Configs of the readers of a draft's files."""
    items, users = draft.items, draft.users
    return DraftSources(
        LogSource(draft.log.path, draft.log.columns, draft.options),
        None if items is None else CatalogSource(items.path, items.columns, items.guess.text),
        None if users is None else UserSource(users.path, users.columns),
    )


def is_database(path: str) -> bool:
    """Whether a path is the URL of a database, which has no first lines to infer from."""
    return path.startswith(("sqlite://", "postgresql://", "postgres://"))


def _find_first_file(path: str) -> str:
    """The file to infer from: the first one of a folder or glob."""
    from leaven.ingest.files import list_files

    return list_files(path)[0]


def _choose_columns(path: str, found: InferredFormat, given: Mapping[str, str]) -> dict[str, str]:
    """The inferred columns with those that the user named, in the order of our names."""
    if found.kind == "sequences":
        return {}
    named = {word: column for word, column in given.items() if column}
    for word, column in named.items():
        if column not in found.names:
            raise SpecError(
                f"--{word} {column}", f"a column of {path}", repr(column), suggest_name(column, found.names)
            )
    guessed = {word: column for word, column in found.columns.items() if column not in named.values()}
    columns = guessed | named
    for word in NEEDED:
        if word not in columns:
            fix = f"name it: --{word} COLUMN, one of {', '.join(found.names)}"
            raise DataError(path, f"a column for {word!r}", "none that matches", fix)
    if "time" not in columns and (near := find_unnamed_time(found)):
        fix = f"name it: --time {near}"
        raise DataError(path, "a column for 'time'", f"none named, but {near!r} looks like it", fix)
    order = [*(word for word in _FIRST if word in columns), *(word for word in columns if word not in _FIRST)]
    return {word: columns[word] for word in order}


def _choose_name(path: str) -> str:
    """Name of the spec and its run: the file's name, or its folder's where that is generic."""
    file = Path(re.sub(r"[*?\[\]]", "", path))
    stem = file.name.split(".")[0]
    is_generic = stem.lower() in ("interactions", "events", "log", "data", "train", "")
    return (file.resolve().parent.name if is_generic else stem) or "leaven"


def _describe_files(log: DraftFile, items: DraftFile | None, users: DraftFile | None) -> Iterator[str]:
    if log.guess.kind == "sequences":
        yield f"{log.path}: one user per line, items in time order without times"
    else:
        columns = ", ".join(f"{word} = {column}" for word, column in log.columns.items())
        yield f"{log.path}: a log; {columns}"
        if "time" not in log.columns:
            yield f"{log.path}: no column of times; the order of the lines is the order of the events"
    if items is not None:
        columns = ", ".join(f"{word} = {column}" for word, column in items.columns.items())
        texts = f"; text in {', '.join(items.guess.text)}" if items.guess.text else ""
        yield f"{items.path}: a table of items; {columns}{texts}"
    if users is not None:
        attributes = ", ".join(word for word in users.columns if word != "user")
        yield f"{users.path}: a table of users; user = {users.columns['user']}; attributes {attributes}"


def write_draft(draft: Draft, target: Path, force: bool = False, task: str = "ranking") -> Path:
    """Write the spec; the file is complete or absent, and its paths are relative to its folder.

    Raises SpecError where the target exists and `force` is not given.
    """
    if target.exists() and not force:
        raise SpecError(str(target), "a new file", "an existing one", "name another with --out, or --force")
    if target.is_dir():
        raise SpecError(str(target), "a file", "a folder", f"--out {target / (draft.name + '.toml')}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_text(render_draft(draft, target.parent, task), encoding="utf-8")
    part.replace(target)
    return target


def render_draft(draft: Draft, folder: Path, task: str = "ranking") -> str:
    """The spec as commented TOML, for a file in `folder`.

    Raises SpecError for an unknown task.
    """
    if task not in _TASKS:
        raise SpecError("--task", "a known task", repr(task), suggest_value(task, _TASKS))
    head = _HEAD.format(name=_quote(draft.name), task=_TASKS[task])
    if draft.label:
        return "\n".join([head, *_render_labelled(draft, folder), _CLICKS])
    parts = [head, *_render_data(draft, folder), _render_clean(draft)]
    samples = _SAMPLES
    if draft.sample_label:
        LabelExpression.parse(draft.sample_label, "--label")
        samples = _SAMPLES.replace(_DRAWN_SAMPLES, f"label = {_quote(draft.sample_label)}\n")
    return "\n".join([*parts, *([samples, _CLICKS] if task == "ctr" else [_render_split(draft), _REST])])


_HEAD = """\
# A spec for leaven, drafted from your files. It runs as it is:
#     leaven run THIS-FILE          leaven run THIS-FILE --dry-run   only checks it
# Unknown keys are errors; `leaven schema` lists all keys, `leaven list transforms` all steps.

name = {name}
{task}seed = 7                        # the same seed gives the same bytes, for any number of workers
"""


_TASKS = {
    "ranking": "",
    "ctr": """\
task = "ctr"                 # click prediction: will this user take this item now?
rules = []                      # what synthetic rows must satisfy, such as "item_price > 0"; or a file of rules
""",
}


def _render_labelled(draft: Draft, folder: Path) -> Iterator[str]:
    """[data] of a labelled table; without times it is split by users, without users row by row."""
    columns = draft.log.columns
    yield "[data]"
    yield f"labeled = {_quote(_relate_path(draft.log.path, folder))}"
    yield _render_column("label", draft.label, draft.log)
    yield from (_render_column(word, column, draft.log) for word, column in columns.items())
    yield "# numeric, categorical: types of columns; by default, columns of numbers are numeric"
    yield '# hashed = ["f*"] hashes sparse columns into a few; multi_valued = ["tags"]: cells as "red|sale"\n'
    kind = "time" if "time" in columns else "users" if "user" in columns else "rows"
    yield f'[split]\nkind = "{kind}"\n'


def _render_data(draft: Draft, folder: Path) -> Iterator[str]:
    found = draft.log.guess
    yield "[data]"
    yield f"interactions = {_quote(_relate_path(draft.log.path, folder))}"
    if draft.items is not None:
        yield f"items = {_quote(_relate_path(draft.items.path, folder))}"
    if draft.users is not None:
        yield f"users = {_quote(_relate_path(draft.users.path, folder))}"
    yield from _render_options(draft, folder)
    if found.kind != "sequences":
        yield "\n[data.columns]                  # our name = your column; comments show its first cells"
        yield from (_render_column(word, column, draft.log) for word, column in draft.log.columns.items())
    else:
        yield "# one user per line: the user, then their items in time order"
    if draft.items is not None:
        yield "\n[data.item_columns]"
        yield from (_render_column(word, column, draft.items) for word, column in draft.items.columns.items())
        if draft.items.guess.text:
            yield f"text = [{', '.join(map(_quote, draft.items.guess.text))}]"
    if draft.users is not None:
        yield "\n[data.user_columns]             # attributes: features of click models, segments of the report"
        yield from (_render_column(word, column, draft.users) for word, column in draft.users.columns.items())
        yield '# categorical = ["zip_code"]: attributes whose numbers are codes'
    yield ""


def _render_options(draft: Draft, folder: Path) -> Iterator[str]:
    """The options of reading that differ from the defaults; the inferred encoding is written down."""
    found, options = draft.log.guess, draft.options
    if options.encoding is None and found.encoding not in ("", "utf-8", "ascii"):
        options = replace(options, encoding=found.encoding)
    for one in fields(options):
        value = getattr(options, one.name)
        if value in (one.default, None):
            continue
        if one.name in ("valid", "test"):
            value = _relate_path(value, folder)
        yield f"{one.name} = {json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}"
    if not found.header and found.kind == "log":
        yield "# guessed, no header: columns are called by their numbers"


def _render_column(word: str, column: str, file: DraftFile) -> str:
    """`user = "CustomerID"   # 17850.0, 13047.0`"""
    cells = _list_examples(column, file.guess)
    unit = {"s": "seconds since 1970", "ms": "milliseconds since 1970", "us": "microseconds since 1970"}
    note = unit.get(file.guess.time_unit, "") if word == "time" else ""
    comment = ", ".join([*cells, note] if note else cells)
    key = word if _BARE_KEY.fullmatch(word) else _quote(word)
    line = f"{key} = {_quote(column)}"
    return f"{line:<31} # {comment}" if comment else line


def _list_examples(column: str, found: InferredFormat) -> list[str]:
    """Some distinct cells of a column, shortened."""
    if column not in found.names:
        return []
    index = found.names.index(column)
    cells = (" ".join(row[index].split()) for row in found.rows if len(row) > index)
    known = list(dict.fromkeys(cell for cell in cells if cell.isprintable() and cell))[:_SHOWN]
    return [cell if len(cell) <= _LONGEST else cell[: _LONGEST - 1] + "…" for cell in known]


def _render_clean(draft: Draft) -> str:
    """[clean]: the k-core, and a comment on the default rules for these columns."""
    rules = ["exact duplicates", "bots"]
    rules += [rule for word, rule in _RULES.items() if word in draft.log.columns]
    if draft.items is not None:
        rules += ["misspelt categories", "missing attributes"]
    return _CLEAN.format(rules=_wrap_comment(rules))


_RULES = {
    "order": "cancelled orders",
    "quantity": "returned goods, absurd quantities",
    "price": "zero, negative and absurd prices",
    "text": "lines that are not products, items with several texts",
}
_CLEAN = """\
[clean]                         # every rule counts what it touched; `leaven profile` shows it beforehand
min_user_events = 5             # users and items with fewer events are dropped, repeatedly
min_item_events = 5             # (1 keeps all)
# on by default:
{rules}
"""


def _wrap_comment(rules: Sequence[str]) -> str:
    lines = [""]
    for rule in rules:
        if len(lines[-1]) + len(rule) > 90:
            lines.append("")
        lines[-1] += f"{rule}, "
    return "\n".join(f"#     {line.strip()}" for line in lines).rstrip(",")


def _render_split(draft: Draft) -> str:
    if draft.options.test:
        return '[split]\nkind = "given"                  # the parts are those of the files\n'
    if draft.log.guess.kind == "sequences" or "time" not in draft.log.columns:
        return '[split]\nkind = "leave_one_out"          # there are no times; with times, "time" avoids leaks\n'
    return '[split]\nkind = "time"                   # or "leave_one_out", as in most papers: it leaks the future\n'


_REST = """\
[recommender]
kind = "transformer"            # `leaven list recommenders`

[evaluate]
metrics = ["ndcg@10", "recall@10", "mrr@10", "coverage@10"]
seeds = 3                       # trainings of each variant; more seeds give narrower intervals
min_effect = 0.01            # smallest relative lift that matters to you

# Each variant is a plan under trial. Two more always run: the baseline without a plan, and
# "repeat", which adds as many duplicated rows.

[[variant]]
name = "crop a few"             # augmentation: a good first choice (examples/best.toml)
[[variant.step]]
use = "crop"
mode = "in_place"                # changes the row itself; "append": changed copies join the real rows
when = "each_epoch"             # fresh rows in every epoch; or "once", before training
during = [0.0, 0.8]             # not in the last fifth of training, which uses unchanged histories
p = 0.2                         # share of changed histories

[[variant]]
name = "markov histories"       # expansion: synthetic histories of a Markov chain
[[variant.step]]
use = "markov"
copies = { kind = "uniform", factor = 0.2 }
weight = 0.3                    # in the loss; real rows have weight 1
"""


_DRAWN_SAMPLES = """\
ratio = 4                       # negatives for each positive
negatives = "mixed"             # or uniform, popularity, category
# label = "rating >= 4"         # or "kind == buy": these events are the positives, the others the negatives
"""
_SAMPLES = f"""\
[samples]                       # positives are events, negatives items on sale then and not taken
{_DRAWN_SAMPLES}max_positives = 20000          # of each part; more are sampled down, and counted

[split]
kind = "time"                   # or "users": each user is in one part only
"""
_CLICKS = """\
[recommender]
kind = "mlp"                    # `leaven list ctr_models`
batch_size = 128
epochs = 4

[evaluate]
seeds = 3                       # trainings of each variant; more seeds give narrower intervals
min_effect = 0.005           # smallest relative lift of the AUC that matters to you

# Each variant is a plan under trial. Two more always run: the baseline without a plan, and
# "repeat", which adds as many duplicated rows. `leaven list tabular_transforms` and tabular_generators: steps.

[[variant]]
name = "mixup"                  # augmentation: two rows blended, with a soft label, in every epoch
[[variant.step]]
use = "row_mixup"
mode = "in_place"
when = "each_epoch"
p = 0.5

[[variant]]
name = "copula, even classes"   # expansion: synthetic rows, until both classes have equal size
[[variant.step]]
use = "copula"
copies = { kind = "balanced", towards = "class" }
"""


def _relate_path(path: str, folder: Path) -> str:
    """A path relative to the spec's folder; URLs and absolute paths outside it stay."""
    if _URL.match(path):
        return path
    seen = os.path.relpath(Path(path).resolve(), folder.resolve())
    return path if Path(path).is_absolute() and seen.startswith("..") else seen.replace(os.sep, "/")


def _quote(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
