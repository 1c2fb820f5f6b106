"""Which new rows copy a real one, and what is left without them?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.metrics.synthetic import image_statistics
from leaven.metrics.synthetic.memorization import copied_from
from leaven.quality.image_rows import Photos
from leaven.quality.loading import Inputs
from leaven.quality.table_rows import Table
from leaven.quality.text_rows import Texts


def copies(inputs: Inputs) -> list[dict[str, Any]]:
    """{"row": a new row, "of": the real row that it copies}, by their names, or counted from 0; of all new rows.

    A copy repeats a whole training row, or of histories and texts one run of at least four fifths of its own length;
    of pictures it is one that differs by no more than compression and size.
    """
    source = sources(inputs)
    mine = np.flatnonzero(source >= 0)
    if inputs.names is None:
        return [{"row": int(row), "of": int(source[row])} for row in mine.tolist()]
    real, new = inputs.names
    return [{"row": new[row], "of": real[int(source[row])]} for row in mine.tolist()]


def sources(inputs: Inputs) -> npt.NDArray[np.int64]:
    """int64 (new rows,): the training row that each copies; -1 for none."""
    real, new = inputs.real, inputs.new
    if isinstance(real, Histories) and isinstance(new, Histories):
        return copied_from(new, real)
    if isinstance(real, Texts) and isinstance(new, Texts):
        return copied_from(new.words, real.words)
    if isinstance(real, Photos) and isinstance(new, Photos):
        return image_statistics.copied_from(
            image_statistics.thumbnails(new.pixels), image_statistics.thumbnails(real.pixels)
        )
    assert isinstance(real, Table)
    assert isinstance(new, Table)
    known, mine = real.identities(), new.identities()
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], mine), len(known) - 1)
    return np.where(known[order][place] == mine, order[place], -1)


def write_others(inputs: Inputs, folder: Path) -> Path:
    """The new rows that copy nobody: Parquet of histories or of a table, `user,item,time` for logs, a text a line, the
    names of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = inputs.new.take(np.flatnonzero(sources(inputs) < 0))
    if isinstance(kept, Texts):
        return _written(folder / "new-without-copies.txt", "".join(f"{_one_line(text)}\n" for text in kept.lines))
    if isinstance(kept, Photos):
        lines = "".join(f"{kept.name(place)}\n" for place in range(len(kept)))
        return _written(folder / "new-without-copies.txt", lines)
    if isinstance(kept, Histories):
        return _log(kept, inputs, folder) if inputs.is_log else _stored(kept, folder)
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = folder / "new-without-copies.parquet"
    part = target.with_suffix(".part")
    pq.write_table(pa.table(dict(kept.columns)), part)
    part.replace(target)
    return target


def _stored(kept: Histories, folder: Path) -> Path:
    target = folder / "new-without-copies.parquet"
    kept.to_parquet(target)
    return target


def _log(kept: Histories, inputs: Inputs, folder: Path) -> Path:
    import csv
    import io

    assert kept.catalog is not None
    assert isinstance(inputs.new, Histories)
    names = dict(zip(inputs.new.keys.tolist(), inputs.names[1], strict=True)) if inputs.names else {}
    user = np.repeat(kept.keys, kept.lengths).tolist()
    held = io.StringIO()
    lines = csv.writer(held, lineterminator="\n")
    lines.writerow(("user", "item", "time"))
    ids: Sequence[str] = kept.catalog.ids
    for key, item, time in zip(user, kept.items.tolist(), kept.times.tolist(), strict=True):
        lines.writerow((names[key], ids[item - 1], time))
    return _written(folder / "new-without-copies.csv", held.getvalue())


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _written(target: Path, text: str) -> Path:
    part = target.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
    return target
