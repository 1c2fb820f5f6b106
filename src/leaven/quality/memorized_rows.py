"""Lists new rows that copy a real row, and writes the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.metrics.synthetic import image_statistics
from leaven.metrics.synthetic.memorization import find_copied_rows
from leaven.quality.image_rows import ImageRows
from leaven.quality.loading import QualityInputs
from leaven.quality.quality_facts import CopiedRow
from leaven.quality.table_rows import TabularRows
from leaven.quality.text_rows import TextRows


def list_copies(inputs: QualityInputs) -> tuple[CopiedRow, ...]:
    """Return all new rows that copy a real row, by name or index from 0.

    A copy repeats a whole training row, or for histories and texts one run of at least four fifths of its length; for
    images it differs by no more than compression and size.
    """
    source_of_row = find_copy_sources(inputs)
    copied = np.flatnonzero(source_of_row >= 0)
    if inputs.names is None:
        return tuple(CopiedRow(str(row), str(source_of_row[row])) for row in copied.tolist())
    real, new = inputs.names
    return tuple(CopiedRow(new[row], real[int(source_of_row[row])]) for row in copied.tolist())


def find_copy_sources(inputs: QualityInputs) -> npt.NDArray[np.int64]:
    """Return the training row that each new row copies, int64 (new rows,); -1 for none."""
    real, new = inputs.real, inputs.new
    if isinstance(real, Histories) and isinstance(new, Histories):
        return find_copied_rows(new, real)
    if isinstance(real, TextRows) and isinstance(new, TextRows):
        return find_copied_rows(new.tokens, real.tokens)
    if isinstance(real, ImageRows) and isinstance(new, ImageRows):
        return image_statistics.find_copied_thumbnails(
            image_statistics.build_thumbnails(new.pixels), image_statistics.build_thumbnails(real.pixels)
        )
    assert isinstance(real, TabularRows)
    assert isinstance(new, TabularRows)
    real_hashes, new_hashes = real.hash_rows(), new.hash_rows()
    order = np.argsort(real_hashes, kind="stable")
    index = np.minimum(np.searchsorted(real_hashes[order], new_hashes), len(real_hashes) - 1)
    return np.where(real_hashes[order][index] == new_hashes, order[index], -1)


def write_rows_without_copies(inputs: QualityInputs, folder: Path) -> Path:
    """Write the new rows that are no copies: Parquet of histories or of a table, `user,item,time` for logs, one text
    per line, the names of images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = inputs.new.take(np.flatnonzero(find_copy_sources(inputs) < 0))
    if isinstance(rows, TextRows):
        return _write_text(
            folder / "new-without-copies.txt", "".join(f"{' '.join(text.splitlines())}\n" for text in rows.texts)
        )
    if isinstance(rows, ImageRows):
        lines = "".join(f"{rows.get_name(place)}\n" for place in range(len(rows)))
        return _write_text(folder / "new-without-copies.txt", lines)
    target = folder / "new-without-copies.parquet"
    if isinstance(rows, Histories):
        if inputs.is_log:
            return _write_log(rows, inputs, folder)
        rows.to_parquet(target)
        return target
    import pyarrow as pa
    import pyarrow.parquet as pq

    part = target.with_suffix(".part")
    pq.write_table(pa.table(dict(rows.columns)), part)
    part.replace(target)
    return target


def _write_log(rows: Histories, inputs: QualityInputs, folder: Path) -> Path:
    """Write histories as a log with the original ids; return the path."""
    import csv
    import io

    assert rows.catalog is not None
    assert isinstance(inputs.new, Histories)
    names = dict(zip(inputs.new.row_ids.tolist(), inputs.names[1], strict=True)) if inputs.names else {}
    user = np.repeat(rows.row_ids, rows.lengths).tolist()
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("user", "item", "time"))
    ids: Sequence[str] = rows.catalog.ids
    for key, item, time in zip(user, rows.items.tolist(), rows.times.tolist(), strict=True):
        writer.writerow((names[key], ids[item - 1], time))
    return _write_text(folder / "new-without-copies.csv", buffer.getvalue())


def _write_text(target: Path, text: str) -> Path:
    """Write a file atomically; return its path."""
    part = target.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
    return target
