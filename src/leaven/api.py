"""Python functions of the command line's tasks, for scripts and notebooks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven import registry
from leaven.errors import DataError, ReadingWarning
from leaven.registry import FAMILIES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from leaven.augmentation import RowPreviews
    from leaven.augmentation.plan import PlanLike
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.events import Events
    from leaven.datasets.histories import Histories
    from leaven.datasets.images import Images
    from leaven.datasets.samples import Samples
    from leaven.ingest import CatalogSource, ReadingOptions, UserSource
    from leaven.protocols import ImageTransform, TextTransform
    from leaven.run_folder import RunFolder
    from leaven.splits.log_splits import LeaveOneOut, Split, TimeSplit
    from leaven.transforms.image.image_preview import ImagePreview
    from leaven.transforms.text.text_views import TextPreview


def read(
    interactions: Any,
    user: str = "",
    item: str = "",
    time: str = "",
    columns: Mapping[str, str] | None = None,
    items: CatalogSource | None = None,
    options: ReadingOptions | None = None,
    users: UserSource | Any = None,
) -> Events:
    """Read the events of a log: a path, glob, URL, database or frame (pandas, Polars, Arrow).

    user, item, time name its columns; `columns` maps further roles (kind, value, quantity, price, and those that
    cleaning reads) to columns. Without any of these, columns are inferred. options: how files are split into cells and
    which lines become events (separator, quote, encoding, time_format, on_bad_line, min_rating …). items, users: tables
    of items and users; `users` is a config, or a path or frame whose column of ids is inferred.

    >>> import pyarrow as pa
    >>> read(pa.table({"who": ["a"], "what": ["x"], "when": [1318896000]}), "who", "what", "when").count_events()
    1

    Raises DataError with the file, line or column that cannot be read.
    """
    from leaven import ingest

    named = {"user": user, "item": item, "time": time} | dict(columns or {})
    source = interactions
    if not isinstance(source, ingest.LogSource):
        chosen = {role: column for role, column in named.items() if column}
        source = ingest.LogSource(interactions, chosen, options or ingest.ReadingOptions())
    if users is not None and not isinstance(users, ingest.UserSource):
        users = ingest.UserSource(users)
    events = ingest.read_events(source, items=items, users=users)
    for note in events.facts.get("notes", ()):
        warnings.warn(note, ReadingWarning, stacklevel=2)
    return events


def split(log: Events | Histories | Any, kind: str | TimeSplit | LeaveOneOut = "time", key: int = 0) -> Split:
    """Split a log into train, validation and test histories, and control users where the kind has them.

    log: the result of `read` or `leaven.clean_events(…).events`, `leaven.Histories`, or what `read` reads with inferred
    columns (a path, a frame); events without user, item or time have to be removed before. kind: "time",
    "leave_one_out", or a config with other shares. key: chooses the control users.

    Raises DataError where a part would be empty, with what to change.
    """
    from leaven import ingest
    from leaven.datasets.events import Events
    from leaven.datasets.histories import Histories
    from leaven.splits import log_splits

    if isinstance(log, Histories):
        return log_splits.split(log, kind, key)
    if isinstance(log, log_splits.Split):
        raise DataError("split", "a log", "a split", "use its parts: .train, .valid, .test")
    if not isinstance(log, Events):
        log = read(log)
    log_splits.require_clock(kind, log.has_clock)
    ordered = ingest.build_histories(log)
    catalog = ingest.build_catalog(log, ordered.item_ids)
    return log_splits.split(replace(ordered.histories, catalog=catalog), kind, key)


def preview(plan: PlanLike, train: Histories | Samples, rows: int = 10, seed: int = 7) -> RowPreviews:
    """Return some rows before and after each step of a plan; `print` shows them aligned, with your titles and ids.

    Each row has `step`, `user`, `before`, `after` (titles), `before_ids`, `after_ids` and `changed`, positions in
    `after`. plan: or the steps of one, as in `leaven.expand`.

    >>> from leaven.datasets.histories import Histories
    >>> print(preview("reverse", Histories.from_lists([[1, 2, 3]], n_items=3))[0].after)
    ['2', '1', '3']
    """
    from leaven import augmentation

    return augmentation.preview_rows(plan, train, rows, seed)


def preview_text(
    text: str,
    operator: str | TextTransform = "synonyms",
    seed: int = 7,
    protect: Sequence[str] = (),
    catalog: Catalog | None = None,
    strength: float = 1.0,
) -> TextPreview:
    """Return one text before and after a text transform; `str` marks the changes, `.why` explains an unchanged text.

    operator: a kind of `leaven.list_kinds("text_transforms")`, or a config. protect: words and phrases to keep, where
    operator is a kind. catalog: the items that trainable transforms are fitted on.

    >>> preview_text("Nivea soft cream 250ml", "units", seed=1, protect=["Nivea"]).after
    'Nivea soft cream 250 millilitres'

    Raises SpecError for an unknown kind, and MissingExtra where Chinese cannot be segmented.
    """
    from leaven.datasets.catalog import Catalog
    from leaven.registry import create_config
    from leaven.transforms.text.text_views import preview_texts

    config = (
        create_config("text_transforms", operator, {"protect": tuple(protect)})
        if isinstance(operator, str)
        else operator
    )
    (example,) = preview_texts([text], config, catalog or Catalog(ids=[]), seed, strength)
    return example


def preview_images(
    images: str | Path | npt.NDArray[np.uint8] | Images | Catalog,
    operator: str | ImageTransform = "chain",
    seed: int = 7,
    strength: float = 1.0,
    catalog: Catalog | None = None,
    rows: int = 8,
) -> ImagePreview:
    """Images before and after an image transform: `.before`, `.after`, `.unchanged`; `.render_sheet()` joins them.

    images: a folder, a uint8 array (images, height, width, 3), or a catalog with images. operator: a kind of
    `leaven.list_kinds("image_transforms")`, or a config. catalog: the items whose texts and brands protect colors and
    logos, where `images` is not a catalog itself.

    >>> import numpy as np
    >>> preview_images(np.full((1, 8, 8, 3), 90, np.uint8), "flip", rows=1).unchanged
    {'the image is of one color': 1}

    Raises SpecError for an unknown kind, DataError where nothing can be read, MissingExtra without OpenCV.
    """
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.images import Images, find_image_files
    from leaven.registry import create_config
    from leaven.transforms.image.image_preview import PreviewConfig, preview_images

    config = create_config("image_transforms", operator) if isinstance(operator, str) else operator
    show, names = PreviewConfig(rows, seed=seed, strength=strength), None
    if isinstance(images, Catalog):
        catalog, names = images, list(images.ids)
        sources: Any = [images.image_folder / path if path else "" for path in images.image_paths or ()]
    elif isinstance(images, str | Path):
        sources = find_image_files(Path(images))
    else:
        sources = images if isinstance(images, Images) else Images.from_pixels(images)
    return preview_images(sources, config, show, catalog, names)


def run(
    spec: str | Path,
    out: str | Path | None = None,
    resume: bool = False,
    changes: Sequence[str] = (),
    workers: int = 1,
    n_jobs: int = 1,
) -> RunFolder:
    """Run the experiment of a spec file, like `leaven run`; read the result with its `.facts()`.

    out: by default runs/NAME. resume: continue an interrupted run. changes: "key=value" items, as of `--set`. workers:
    processes that create rows. n_jobs: parallel trainings. A script needs `if __name__ == "__main__":` for more than
    one of either.

    Raises LeavenError for a spec or data that cannot be used; finished stages stay for `resume`.
    """
    from leaven import experiment
    from leaven.config import load_spec
    from leaven.progress import show_progress
    from leaven.registry import create_config

    config = load_spec(spec, changes)
    folder = Path(out) if out is not None else Path("runs") / config.name
    with show_progress() as on_progress:
        return experiment.run(
            config, folder, resume, create_config("engines", "local", {"workers": workers}), on_progress, n_jobs
        )


def list_kinds(family: str = "") -> dict[str, list[str]] | list[str]:
    """Return the kinds of a family, by their names in specs; of all families without an argument.

    >>> "ndcg" in list_kinds("metrics")
    True

    Raises SpecError for an unknown family.
    """
    if family:
        return list(registry.list_kinds(family))
    return {name: list(registry.list_kinds(name)) for name in FAMILIES}
