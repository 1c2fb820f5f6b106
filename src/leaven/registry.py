"""Which class belongs to which kind? Names only, so that nothing heavy loads.

A class needs two places: its file, and its line here. Packages add their own kinds through the
entry-point groups `leaven.transforms`, `leaven.generators` and so on.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from leaven.errors import SpecError, nearest

FAMILIES: dict[str, dict[str, str]] = {
    "transforms": {
        "crop": "leaven.transforms.history:Crop",
        "truncate": "leaven.transforms.history:Truncate",
        "mask": "leaven.transforms.removal:Mask",
        "drop": "leaven.transforms.removal:Drop",
        "reorder": "leaven.transforms.order:Reorder",
        "reverse": "leaven.transforms.order:Reverse",
        "rotate": "leaven.transforms.order:Rotate",
        "swap": "leaven.transforms.order:Swap",
        "substitute": "leaven.transforms.substitution:Substitute",
        "insert": "leaven.transforms.substitution:Insert",
        "mixup": "leaven.transforms.mixing:Mixup",
        "splice": "leaven.transforms.mixing:Splice",
        "scale": "leaven.transforms.times:Scale",
        "warp": "leaven.transforms.times:Warp",
        "jitter": "leaven.transforms.times:Jitter",
        "shift": "leaven.transforms.times:Shift",
        "resample": "leaven.transforms.repetition:Resample",
        "repeat": "leaven.transforms.repetition:Repeat",
        "repeat_pad": "leaven.transforms.repetition:RepeatPad",
        "windows": "leaven.transforms.windows:Windows",
        "target_window": "leaven.transforms.targets:TargetWindow",
        "chain": "leaven.transforms.combine:Chain",
        "some_of": "leaven.transforms.combine:SomeOf",
        "maybe": "leaven.transforms.combine:Maybe",
        "one_of": "leaven.transforms.choice:OneOf",
        "by_length": "leaven.transforms.choice:ByLength",
        "trivial": "leaven.transforms.choice:Trivial",
    },
    "generators": {},
    "strategies": {},
    "schedules": {},
    "filters": {},
    "recommenders": {},
    "metrics": {
        "ndcg": "leaven.metrics.ranking:Ndcg",
        "recall": "leaven.metrics.ranking:Recall",
        "hit": "leaven.metrics.ranking:HitRate",
        "mrr": "leaven.metrics.ranking:Mrr",
        "precision": "leaven.metrics.ranking:Precision",
        "map": "leaven.metrics.ranking:AveragePrecision",
        "novelty": "leaven.metrics.spread:Novelty",
        "tail": "leaven.metrics.spread:TailShare",
        "coverage": "leaven.metrics.spread:Coverage",
        "gini": "leaven.metrics.spread:Gini",
    },
    "engines": {},
    "splits": {},
}


def kinds(family: str) -> dict[str, str]:
    """kind -> "module:Class" of one family, ours first, then those of installed packages.

    >>> "crop" in kinds("transforms")
    True

    Raises SpecError for an unknown family.
    """
    if family not in FAMILIES:
        raise SpecError(f"family {family!r}", "a known family", "another", nearest(family, FAMILIES))
    others = {found.name: found.value for found in entry_points(group=f"leaven.{family}")}
    return FAMILIES[family] | {name: place for name, place in others.items() if name not in FAMILIES[family]}


def place(family: str, kind: str, where: str) -> str:
    """ "module:Class" of a kind; `where` names the key of the spec for the error.

    Raises SpecError that names the nearest known kind.
    """
    known = kinds(family)
    if kind not in known:
        raise SpecError(where, f"one of the {family}", repr(kind), nearest(kind, known))
    return known[kind]
