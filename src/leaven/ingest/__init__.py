"""How does what a user has become events, and how do events become histories?

read    a file, folder, URL, database or frame -> Events
guess   what a file's columns seem to mean
order   Events -> one history a user, with dense ids
read_catalog   the table of items, in the order of the dense ids
"""

from __future__ import annotations

from leaven.ingest.catalog_reader import read_catalog
from leaven.ingest.column_inference import Guess, guess
from leaven.ingest.id_mapping import Ordered, order
from leaven.ingest.reader import read
from leaven.ingest.source_config import ItemSource, Source

__all__ = ["Guess", "ItemSource", "Ordered", "Source", "guess", "order", "read", "read_catalog"]
