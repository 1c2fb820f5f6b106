"""Reads logs and tables of items: files, URLs, databases and frames become events, histories and catalogs.

read_events      a file, folder, URL, database or frame -> Events
infer_format     the format and the meaning of the columns of a file
build_histories  Events -> one history per user, with dense ids
build_catalog    the items of a log, from its item table or from texts in the log
read_catalog     the table of items, in the order of the dense ids
"""

from __future__ import annotations

from leaven.ingest.catalog_reader import build_catalog, read_catalog
from leaven.ingest.column_inference import InferredFormat, find_unnamed_time, infer_format
from leaven.ingest.id_mapping import IndexedHistories, build_histories
from leaven.ingest.reader import read_events
from leaven.ingest.source_config import CatalogSource, LogSource, ReadingOptions, UserSource

__all__ = [
    "CatalogSource",
    "IndexedHistories",
    "InferredFormat",
    "LogSource",
    "ReadingOptions",
    "UserSource",
    "build_catalog",
    "build_histories",
    "find_unnamed_time",
    "infer_format",
    "read_catalog",
    "read_events",
]
