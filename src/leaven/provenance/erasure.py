"""How are a user's rows, and all that was made of them, taken out of a run?

Files are rewritten one by one, each beside and renamed. What is to be erased is noted first and struck off last: an
erasure that was cut off is finished by asking again, and until then the run takes no other work.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.config import Spec, load
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.errors import DataError
from leaven.experiment import tasks
from leaven.provenance import facts_scrubbing
from leaven.provenance.mixed_rows import Borrowed, borrows
from leaven.provenance.row_files import Keys, RowFile, names_of, row_files, rows_of
from leaven.provenance.user_columns import Named
from leaven.run_folder import ERASED, RECORDS, SPEC, Run, opened, plain, write_json

MOST_VISITS = 10_000
"""Visits of one user that are looked for, where cleaning made a history of each."""


@dataclass(frozen=True)
class Erased:
    """What an erasure did, and what it could not do.

    rows       part of the split, or arm -> rows that went
    borrowed   arm -> rows among them that were made of another user and may hold events of this one
    records    values of single users that went from the results
    trained    fitted models of the folder that have learned from the rows, or were stopped by them
    learned    arm -> steps whose other rows were made by what had learned from the rows, or may hold cells of them
    kept       what else still knows the user, and what to do about it
    """

    users: tuple[str, ...]
    rows: dict[str, int] = field(default_factory=dict)
    borrowed: dict[str, int] = field(default_factory=dict)
    records: int = 0
    trained: tuple[str, ...] = ()
    learned: dict[str, list[str]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def erase(folder: str | Path, users: Sequence[str]) -> Erased:
    """Take users out of the folder of a run: their rows in every part of the split, every row that was made of them
    in any arm, through any number of layers, their values in the results, and the lines and pairs that quote them.

    users: ids as the log has them. Figures, models and what generators learned stay as they are; the answer lists
    them. Where the folder makes its split again, the users stay out of it: their keys are kept in erased.json.

    Raises DataError for a user of whom no file has a row, and where a part of the split would be empty.
    """
    run = opened(Path(folder))
    wish = load(run.folder / SPEC)
    before = run.erased()
    asked = _keys(users, wish)
    there = _found(run, asked, users, before)
    pending = np.array([int(key, 16) for key, done in before.items() if not done], np.uint64)
    keys = _with_their_rows(run, np.unique(np.concatenate([there, pending])))
    _refuse_empty(run, keys)
    noted = {f"{int(key):016x}": False for key in [*there, *pending]}
    write_json(run.folder / ERASED, before | noted)
    found = _erased(run, wish, keys, tuple(users))
    write_json(run.folder / ERASED, before | dict.fromkeys(noted, True))
    return found


def _keys(users: Sequence[str], wish: Spec) -> dict[int, str]:
    """key -> user; with the user's visits where cleaning gave each a name of its own."""
    if not users:
        raise DataError("erase", "a user", "none", "leaven erase RUN --user USER")
    found = dict(zip(rng.user_keys(list(users)).tolist(), users, strict=True))
    if not wish.clean.gap_hours:
        return found
    for user in users:
        visits = rng.user_keys([f"{user}#{number}" for number in range(1, MOST_VISITS + 1)])
        found |= dict.fromkeys(visits.tolist(), user)
    return found


def _found(run: Run, asked: dict[int, str], users: Sequence[str], before: dict[str, bool]) -> Keys:
    """Those of the keys that a file knows, or that an erasure which was cut off had noted."""
    wanted = np.array(sorted(asked), np.uint64)
    there = np.zeros(len(wanted), bool)
    for file in row_files(run):
        names = names_of(file.path)
        there |= np.isin(wanted, names.keys) | np.isin(wanted, names.users)
    noted = np.array([before.get(f"{key:016x}") is False for key in wanted.tolist()], bool)
    for user in users:
        mine = np.array([asked[key] == user for key in wanted.tolist()], bool)
        if not (mine & (there | noted)).any():
            raise DataError(str(run.folder), "a user of this run", *_why_not(user, wanted[mine], before))
    found: Keys = wanted[there | noted]
    return found


def _why_not(user: str, keys: Keys, before: dict[str, bool]) -> tuple[str, str]:
    if any(before.get(f"{key:016x}") for key in keys.tolist()):
        return f"{user!r}, who was erased before", "nothing is left to do"
    return f"{user!r}, of whom no file has a row", "ids are those of the log, as text: 007 is not 7"


def _with_their_rows(run: Run, keys: Keys) -> Keys:
    """The keys of these users and, where a user has many rows (samples), of all their real rows."""
    found = [keys]
    for file in row_files(run):
        names = names_of(file.path)
        mine = np.isin(names.users, keys) & (names.keys == names.parents)
        if mine.any():
            found.append(names.keys[mine])
    return np.unique(np.concatenate(found))


def _refuse_empty(run: Run, keys: Keys) -> None:
    for file in row_files(run):
        if not file.of_arm and file.part in ("train", "valid", "test") and names_of(file.path).of(keys).all():
            fix = "delete the folder, and run again on a log without them"
            raise DataError(str(run.folder), f"somebody else in {file.part}", "nobody", fix)


def _erased(run: Run, wish: Spec, keys: Keys, users: tuple[str, ...]) -> Erased:
    """Everything but the note. What is quoted goes first, as long as the rows are there to know it by; test users go
    last, as values are known by their places among them."""
    files = list(row_files(run))
    learned_from = any(f.part in ("train", "valid") and names_of(f.path).of(keys).any() for f in files if not f.of_arm)
    facts_scrubbing.scrub(run, wish, keys, users)
    _drop_unfinished(run)
    records = _without_values(run, wish, keys)
    rows, borrowed = _without_rows(run, wish, keys, [file for file in files if file.of_arm and file.path.exists()])
    parts, _ = _without_rows(run, wish, keys, [file for file in files if not file.of_arm])
    found = Erased(users, parts | rows, borrowed, records)
    if not learned_from:
        return found
    return Erased(users, found.rows, borrowed, records, tuple(_trained(run)), _learned(wish), _kept(wish))


def _drop_unfinished(run: Run) -> None:
    """Half a training goes on from what it learned, half a plan in blocks of the rows that were: both begin anew."""
    for note in sorted((run.folder / "stages").glob("*.json")):
        if json.loads(note.read_text(encoding="utf-8"))["done"]:
            continue
        for arm in (run.folder / "arms").glob("*"):
            outputs = {f"rows-{arm.name}": arm / "expanded"}
            outputs |= {plain(f"fit {arm.name} {one.name.partition('-')[2]}"): one for one in arm.glob("seed-*")}
            if note.stem in outputs:
                shutil.rmtree(outputs[note.stem], ignore_errors=True)


def _without_values(run: Run, wish: Spec, keys: Keys) -> int:
    """Values of test users, known by their place; then records, known by the key. How many records went.

    Values of groups of rows, whose users nobody wrote down, go whole.
    """
    job = tasks.of(wish)
    gone = np.isin(job.list_users(job.load_parts(run.data)), keys)
    for path in sorted((run.folder / "arms").glob("*/seed-*/values.npz")):
        with np.load(path) as held:
            values = {name: held[name] for name in held.files}
        kept = {name: one[~gone] for name, one in values.items() if len(one) == len(gone)}
        kept |= {name: one for name, one in values.items() if gone.any() and len(one) == (~gone).sum()}
        part = path.with_name("values.part.npz")
        np.savez_compressed(part, allow_pickle=False, **kept)
        part.replace(path)
    return _without_records(run.folder / RECORDS, keys)


def _without_records(path: Path, keys: Keys) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return 0
    table = pq.read_table(path)
    gone = np.isin(np.asarray(table.column("user"), np.uint64), keys)
    if gone.any():
        part = path.with_name(path.name + ".part")
        pq.write_table(table.filter(pa.array(~gone)), part)
        part.replace(path)
    return int(gone.sum())


def _without_rows(run: Run, wish: Spec, keys: Keys, files: Sequence[RowFile]) -> tuple[dict[str, int], dict[str, int]]:
    """(part or arm -> rows that went, arm -> how many of them were made of another user)."""
    called = {plain(name): name for name in (BASELINE, CONTROL, *(arm.name for arm in wish.arms))}
    lent, named = Borrowed.of(run, wish, keys), Named.of(run, keys)
    rows: dict[str, int] = {}
    borrowed: dict[str, int] = {}
    for file in files:
        part = called.get(file.part, file.part) if file.of_arm else file.part
        gone = names_of(file.path).of(keys)
        if lent.may_be_in(file):
            more = lent.rows(file) & ~gone
            borrowed[part] = borrowed.get(part, 0) + int(more.sum())
            gone = gone | more
        bears = named.rows(file)
        gone = gone if bears is None else gone | bears
        if gone.any() or bears is not None:
            left = rows_of(file.path).take(~gone)
            (left if bears is None else named.without(left)).to_parquet(file.path)
            rows[part] = rows.get(part, 0) + int(gone.sum())
    rows = {part: count for part, count in rows.items() if count}
    return rows, {part: count for part, count in borrowed.items() if count}


def _trained(run: Run) -> Iterator[str]:
    for path in sorted((run.folder / "arms").glob("*/seed-*")):
        yield str(path.relative_to(run.folder))


def _learned(wish: Spec) -> dict[str, list[str]]:
    """arm -> its generators, whose other rows follow from what they learned; of labelled rows its mixtures too, whose
    cells do not tell whose they were."""
    tables = wish.task == "clicks"
    found = {
        arm.name: [step.called for step in arm.plan.all if step.is_generator or (tables and borrows(step.use))]
        for arm in wish.arms
    }
    return {name: steps for name, steps in found.items() if steps}


def _kept(wish: Spec) -> tuple[str, ...]:
    return (
        f"the log itself ({wish.data.interactions}) is as it was: erase the user there, too",
        "figures of facts.json and the report were computed with these users",
        "erased.json keeps a hash of the user's id, so that the rows do not come back",
    )
