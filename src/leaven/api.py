"""What does a scientist call from a notebook? The words of the command line, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.registry import FAMILIES, kinds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from leaven.augmentation import Plan
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.events import Events
    from leaven.datasets.histories import Histories
    from leaven.datasets.images import Pictures
    from leaven.ingest import ItemSource
    from leaven.protocols import ImageTransform, TextTransform
    from leaven.run_folder import Run
    from leaven.splits.log_splits import LeaveOneOut, Split, TimeSplit
    from leaven.transforms.image.image_preview import PicturePreview
    from leaven.transforms.text.text_preview import TextPreview


def read(
    interactions: Any,
    user: str = "",
    item: str = "",
    time: str = "",
    columns: Mapping[str, str] | None = None,
    items: ItemSource | None = None,
) -> Events:
    """The events of a log: a path, glob, URL, database or frame (pandas, Polars, Arrow).

    user, item, time name its columns; `columns` further ones, our word -> column (kind, value, quantity,
    price, and those that cleaning reads). Without any they are guessed.

    >>> import pyarrow as pa
    >>> read(pa.table({"who": ["a"], "what": ["x"], "when": [1318896000]}), "who", "what", "when").count()
    1

    Raises DataError that names file, line or column for whatever cannot be read.
    """
    from leaven import ingest as log

    named = {"user": user, "item": item, "time": time} | dict(columns or {})
    return log.read(interactions, {word: column for word, column in named.items() if column}, items)


def split(log: Events | Histories, kind: str | TimeSplit | LeaveOneOut = "time", key: int = 0) -> Split:
    """A log's histories in parts: train, valid, test, and control users where the kind keeps some apart.

    log: what `read` or `leaven.Histories` gave, or `leaven.clean(…).events`; lines without user, item or time
    must be gone by then. kind: "time", "leave_one_out", or a wish with other shares. `key` chooses the
    control users.

    Raises DataError where a part would be empty, and says what to change.
    """
    from leaven import ingest as logs
    from leaven.datasets.histories import Histories
    from leaven.splits.log_splits import split as parts

    return parts(log if isinstance(log, Histories) else logs.order(log).histories, kind, key)


def preview(plan: Plan, train: Histories, rows: int = 10, seed: int = 7) -> list[dict[str, Any]]:
    """Before and after on some of these rows: step, before and after (names of items), changed places."""
    from leaven.augmentation import preview as shown

    return [one.as_dict() for one in shown(plan, train, rows, seed)]


def preview_text(
    text: str,
    operator: str | TextTransform = "synonyms",
    seed: int = 7,
    protect: Sequence[str] = (),
    catalog: Catalog | None = None,
    strength: float = 1.0,
) -> TextPreview:
    """One text before and after an operator on words; `str` of it marks what is new, `.why` says why nothing is.

    operator: a kind of `leaven.list("text_transforms")`, or a wish with fields of its own. protect: words and phrases
    that must stay, for a kind. catalog: what operators learn from, where they do.

    >>> preview_text("Nivea soft cream 250ml", "units", seed=1, protect=["Nivea"]).after
    'Nivea soft cream 250 ml'

    Raises SpecError for an unknown kind, and MissingExtra where Chinese cannot be cut.
    """
    from leaven.datasets.catalog import Catalog
    from leaven.registry import made
    from leaven.transforms.text.text_preview import previewed

    wish = made("text_transforms", operator, {"protect": tuple(protect)}) if isinstance(operator, str) else operator
    (found,) = previewed([text], wish, catalog or Catalog(ids=[]), seed, strength)
    return found


def preview_pictures(
    pictures: str | Path | npt.NDArray[np.uint8] | Pictures | Catalog,
    operator: str | ImageTransform = "chain",
    seed: int = 7,
    strength: float = 1.0,
    catalog: Catalog | None = None,
    rows: int = 8,
) -> PicturePreview:
    """Pictures before and after an operator: `.before`, `.after`, `.unchanged`; `.sheet()` is one picture of all.

    pictures: a folder, an array uint8 (pictures, height, width, 3), or a catalogue with images. operator: a kind of
    `leaven.list("image_transforms")`, or a wish with fields of its own. catalog: whose words and brands guard colours
    and logos, where `pictures` names its items.

    >>> import numpy as np
    >>> preview_pictures(np.full((1, 8, 8, 3), 90, np.uint8), "flip", rows=1).unchanged
    {'the image is of one color': 1}

    Raises SpecError for an unknown kind, DataError where nothing can be read, MissingExtra without OpenCV.
    """
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.images import Pictures, picture_files
    from leaven.registry import made
    from leaven.transforms.image.image_preview import Show, previewed

    wish = made("image_transforms", operator) if isinstance(operator, str) else operator
    show, names = Show(rows, seed=seed, strength=strength), None
    if isinstance(pictures, Catalog):
        catalog, names = pictures, list(pictures.ids)
        sources: Any = [pictures.folder / path if path else "" for path in pictures.images or ()]
    elif isinstance(pictures, str | Path):
        sources = picture_files(Path(pictures))
    else:
        sources = pictures if isinstance(pictures, Pictures) else Pictures.of(pictures)
    return previewed(sources, wish, show, catalog, names)


def run(
    spec: str | Path,
    out: str | Path | None = None,
    resume: bool = False,
    changes: Sequence[str] = (),
    workers: int = 1,
    at_once: int = 1,
) -> Run:
    """The whole experiment of a spec file, as `leaven run`: `.folder` is where all lies, `.facts()` what was found.

    changes: "key=value", as `--set` takes them. out: by default runs/NAME. workers: processes that make rows; at_once:
    trainings side by side. For more than one of either a script needs `if __name__ == "__main__":`.

    Raises LeavenError for a spec or data that cannot be used; what was finished stays, and `resume` goes on.
    """
    from leaven import experiment
    from leaven.config import load
    from leaven.progress import shown
    from leaven.registry import made

    wish = load(spec, changes)
    folder = Path(out) if out is not None else Path("runs") / wish.name
    with shown() as tell:
        return experiment.run(wish, folder, resume, made("engines", "local", {"workers": workers}), tell, at_once)


def list_kinds(family: str = "") -> dict[str, list[str]] | list[str]:
    """The kinds of a family, by the names that specs use; of all families where none is named.

    >>> "ndcg" in list_kinds("metrics")
    True

    Raises SpecError for an unknown family.
    """
    if family:
        return list(kinds(family))
    return {name: list(kinds(name)) for name in FAMILIES}
