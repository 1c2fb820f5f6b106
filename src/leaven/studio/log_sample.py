"""A sample of the users of a large log, so that pages answer quickly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from leaven.ingest import LogSource, infer_format
from leaven.ingest.files import find_form, list_files
from leaven.run_folder import compute_fingerprint
from leaven.sql import quote_identifier, quote_literal

MAX_BYTES = 24_000_000
"""Size of a log above which a sample of its users is read."""


@dataclass(frozen=True)
class SampledLog:
    """What is read instead of a log. one_in: every how many users; 1: all of them."""

    source: LogSource
    one_in: int = 1


def sample_log(source: LogSource, folder: Path, max_bytes: int = MAX_BYTES) -> SampledLog:
    """The log itself, or a file in `folder` with all events of every n-th user where it is large.

    Users are chosen by a hash of their id: the same ones for the same file. Databases, folders of several files and
    files of one user per line are read whole.
    """
    import duckdb

    from leaven.ingest.source_loading import open_database

    path = Path(str(source.interactions))
    if not path.is_file() or path.stat().st_size <= max_bytes or "user" not in source.columns:
        return SampledLog(source)
    form = find_form(list_files(str(path))[0])
    if form not in ("text", "parquet"):
        return SampledLog(source)
    found = infer_format(path, source.options, list(source.columns.values()))
    one_in = -(-path.stat().st_size // max_bytes)
    state = path.stat()
    name = compute_fingerprint(str(path), state.st_size, state.st_mtime_ns, one_in, source.columns["user"])
    target = folder / f"{name}.csv"
    if not target.exists():
        reader = f"read_parquet({quote_literal(str(path))})"
        if form == "text":
            names = ", ".join(quote_literal(column) for column in found.names)
            reader = (
                f"read_csv({quote_literal(str(path))}, delim = {quote_literal(found.separator)}, "
                f"header = {str(found.header).lower()}, names = [{names}], all_varchar = true)"
            )
        folder.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        user = quote_identifier(source.columns["user"])
        query = f"SELECT * FROM {reader} WHERE hash(CAST({user} AS VARCHAR)) % {one_in} = 0"
        try:
            open_database("1GB").execute(f"COPY ({query}) TO {quote_literal(str(part))} (FORMAT csv, HEADER)")
        except duckdb.Error:  # a layout that only leaven's own reader knows
            return SampledLog(source)
        part.replace(target)
    options = replace(
        source.options, separator=None, quote=None, escape=None, skip_rows=None, encoding=None, header=True
    )
    return SampledLog(replace(source, interactions=str(target), options=options), one_in)
