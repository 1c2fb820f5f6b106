"""Which class belongs to which kind? Names only, so that nothing heavy loads.

A class needs two places: its file, and its line here. Packages add their own kinds through the
entry-point groups `leaven.transforms`, `leaven.generators` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

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
        "cold_items": "leaven.transforms.cold:ColdItems",
        "chain": "leaven.transforms.combine:Chain",
        "some_of": "leaven.transforms.combine:SomeOf",
        "maybe": "leaven.transforms.combine:Maybe",
        "one_of": "leaven.transforms.choice:OneOf",
        "by_length": "leaven.transforms.choice:ByLength",
        "trivial": "leaven.transforms.choice:Trivial",
    },
    "text_transforms": {
        "synonyms": "leaven.transforms.text.synonyms:Synonyms",
        "neighbours": "leaven.transforms.text.neighbours:NeighbourWords",
        "delete": "leaven.transforms.text.edits:DeleteWords",
        "swap": "leaven.transforms.text.edits:SwapWords",
        "insert": "leaven.transforms.text.edits:InsertWords",
        "replace": "leaven.transforms.text.edits:ReplaceWords",
        "misspell": "leaven.transforms.text.spelling:Misspell",
        "units": "leaven.transforms.text.units:Units",
        "shuffle_fields": "leaven.transforms.text.fields:ShuffleFields",
        "drop_fields": "leaven.transforms.text.fields:DropFields",
        "template": "leaven.transforms.text.template:Template",
    },
    "text_generators": {
        "endpoint": "leaven.generators.text.endpoint:Endpoint",
        "local_model": "leaven.generators.text.local:LocalModel",
        "titles": "leaven.generators.text.titles:Titles",
    },
    "encoders": {
        "tfidf": "leaven.encoders.tfidf:TfIdf",
        "sentences": "leaven.encoders.sentences:Sentences",
        "attributes": "leaven.encoders.attributes:Attributes",
        "pictures": "leaven.encoders.pictures:OwnPictures",
        "picture_model": "leaven.encoders.picture_model:PictureModel",
    },
    "generators": {
        "markov": "leaven.generators.markov:Markov",
        "autoregressive": "leaven.generators.autoregressive:Autoregressive",
        "vae": "leaven.generators.vae:Vae",
        "gan": "leaven.generators.gan:Gan",
        "denoiser": "leaven.generators.denoiser:Denoiser",
        "self": "leaven.generators.self_generated:SelfGenerated",
    },
    "strategies": {
        "uniform": "leaven.dosage.strategy:Uniform",
        "random": "leaven.dosage.strategy:Random",
        "to_total": "leaven.dosage.strategy:ToTotal",
        "balanced": "leaven.dosage.strategy:Balanced",
        "scaled": "leaven.dosage.scaled:Scaled",
    },
    "schedules": {
        "constant": "leaven.dosage.schedule:Constant",
        "linear": "leaven.dosage.schedule:Linear",
        "cosine": "leaven.dosage.schedule:Cosine",
        "staircase": "leaven.dosage.schedule:Staircase",
        "warm_up": "leaven.dosage.schedule:WarmUp",
        "cool_down": "leaven.dosage.schedule:CoolDown",
        "joined": "leaven.dosage.schedule:Joined",
    },
    "controllers": {
        "gap": "leaven.dosage.controller:Gap",
        "replay": "leaven.dosage.replay:Replay",
    },
    "filters": {
        "validity": "leaven.dosage.filters.validity:Validity",
        "copies": "leaven.dosage.filters.copies:Copies",
        "surprisal": "leaven.dosage.filters.surprisal:Surprisal",
        "quota": "leaven.dosage.filters.quota:Quota",
        "rank_fidelity": "leaven.dosage.filters.rank_fidelity:RankFidelity",
        "density_ratio": "leaven.dosage.filters.density_ratio:DensityRatio",
    },
    "table_strategies": {
        "uniform": "leaven.dosage.strategy:Uniform",
        "random": "leaven.dosage.strategy:Random",
        "to_total": "leaven.dosage.strategy:ToTotal",
        "balanced": "leaven.dosage.groups:BalancedRows",
    },
    "table_filters": {
        "rules": "leaven.dosage.filters.rules:Rules",
    },
    "recommenders": {
        "transformer": "leaven.recommenders.transformer:Transformer",
        "multimodal": "leaven.recommenders.multimodal:Multimodal",
        "blend": "leaven.recommenders.blend:Blend",
        "popularity": "leaven.recommenders.popularity:Popularity",
        "itemknn": "leaven.recommenders.itemknn:ItemKnn",
    },
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
    "sample_metrics": {
        "frechet": "leaven.metrics.samples.likeness:Frechet",
        "frechet_infinity": "leaven.metrics.samples.likeness:FrechetInfinity",
        "sliced_wasserstein": "leaven.metrics.samples.likeness:SlicedWasserstein",
        "mmd": "leaven.metrics.samples.likeness:Mmd",
        "classifier_auc": "leaven.metrics.samples.likeness:ClassifierAuc",
        "density": "leaven.metrics.samples.variety:Density",
        "alpha_precision": "leaven.metrics.samples.variety:AlphaPrecision",
        "indd": "leaven.metrics.samples.noisiness:Indd",
        "indd_shape": "leaven.metrics.samples.noisiness:InddShape",
        "marginals": "leaven.metrics.samples.likeness:Marginals",
        "pairs": "leaven.metrics.samples.likeness:Pairs",
        "transitions": "leaven.metrics.samples.likeness:Transitions",
        "gaps": "leaven.metrics.samples.likeness:Gaps",
        "lengths": "leaven.metrics.samples.likeness:Lengths",
        "repeats": "leaven.metrics.samples.likeness:Repeats",
        "coverage": "leaven.metrics.samples.variety:BallCoverage",
        "beta_recall": "leaven.metrics.samples.variety:BetaRecall",
        "vendi": "leaven.metrics.samples.variety:Vendi",
        "catalog_share": "leaven.metrics.samples.variety:CatalogShare",
        "gini": "leaven.metrics.samples.variety:PopularityGini",
        "top_share": "leaven.metrics.samples.variety:TopShare",
        "popularity_drift": "leaven.metrics.samples.variety:PopularityDrift",
        "self_similarity": "leaven.metrics.samples.variety:SelfSimilarity",
        "distinct_runs": "leaven.metrics.samples.variety:DistinctRuns",
        "novel_runs": "leaven.metrics.samples.facts:novel_runs",
        "category_agreement": "leaven.metrics.samples.facts:category_agreement",
        "odd_prices": "leaven.metrics.samples.facts:odd_prices",
        "before_sale": "leaven.metrics.samples.facts:before_sale",
        "next_rank": "leaven.metrics.samples.facts:next_rank",
        "misnamed": "leaven.metrics.samples.facts:misnamed",
        "words_match": "leaven.metrics.samples.facts:words_match",
        "copies": "leaven.metrics.samples.facts:copies",
        "near_copies": "leaven.metrics.samples.facts:near_copies",
        "longest_run": "leaven.metrics.samples.facts:longest_run",
        "authenticity": "leaven.metrics.samples.facts:authenticity",
        "data_copying": "leaven.metrics.samples.copied:DataCopying",
        "attack_auc": "leaven.metrics.samples.attacks:AttackAuc",
        "attack_tpr": "leaven.metrics.samples.attacks:AttackTpr",
        "attack_strict": "leaven.metrics.samples.attacks:AttackStrict",
        "attack_rare": "leaven.metrics.samples.attacks:AttackRare",
        "rare_runs": "leaven.metrics.samples.facts:rare_runs",
        "closest_record": "leaven.metrics.samples.copied:ClosestRecord",
    },
    "engines": {
        "local": "leaven.engines.local:Local",
        "spark": "leaven.engines.spark:Spark",
        "ray": "leaven.engines.ray:Ray",
    },
    "splits": {
        "time": "leaven.data.split:TimeSplit",
        "leave_one_out": "leaven.data.split:LeaveOneOut",
    },
    "sample_splits": {
        "time": "leaven.data.sampling.parts:ByTime",
        "users": "leaven.data.sampling.parts:ByUsers",
        "rows": "leaven.data.sampling.parts:ByRows",
    },
    "click_models": {
        "mlp": "leaven.clickers.nets:Mlp",
        "cross": "leaven.clickers.nets:CrossNet",
        "boosting": "leaven.clickers.boosting:Boosting",
        "logistic": "leaven.clickers.logistic:Logistic",
        "popularity": "leaven.clickers.popular:PopularItem",
    },
    "click_metrics": {
        "accuracy": "leaven.metrics.clicks:Accuracy",
        "precision": "leaven.metrics.clicks:ClickPrecision",
        "recall": "leaven.metrics.clicks:ClickRecall",
        "f1": "leaven.metrics.clicks:F1",
        "auc": "leaven.metrics.clicks:Auc",
        "average_precision": "leaven.metrics.clicks:ClickAveragePrecision",
        "information_gain": "leaven.metrics.clicks:InformationGain",
        "log_loss": "leaven.metrics.clicks:LogLoss",
        "calibration_error": "leaven.metrics.clicks:CalibrationError",
        "user_auc": "leaven.metrics.clicks:UserAuc",
    },
    "table_transforms": {
        "repeat": "leaven.transforms.table.repeat:RepeatRows",
        "noise": "leaven.transforms.table.numbers:NumericNoise",
        "quantile_jitter": "leaven.transforms.table.numbers:QuantileJitter",
        "swap_noise": "leaven.transforms.table.cells:SwapNoise",
        "feature_mask": "leaven.transforms.table.cells:FeatureMask",
        "roll_up": "leaven.transforms.table.cells:RollUp",
        "row_mixup": "leaven.transforms.table.rows:RowMixup",
    },
    "table_generators": {
        "marginals": "leaven.generators.table.marginals:Marginals",
        "copula": "leaven.generators.table.copula:Copula",
        "any_order": "leaven.generators.table.any_order:AnyOrder",
        "smote": "leaven.generators.table.smote:Smote",
        "vae": "leaven.generators.table.vae:TableVae",
        "gan": "leaven.generators.table.gan:TableGan",
        "diffusion": "leaven.generators.table.diffusion:TableDiffusion",
    },
    "image_transforms": {
        "crop": "leaven.transforms.image.geometry:CropPicture",
        "rotate": "leaven.transforms.image.geometry:RotatePicture",
        "shift": "leaven.transforms.image.geometry:ShiftPicture",
        "shear": "leaven.transforms.image.geometry:ShearPicture",
        "zoom": "leaven.transforms.image.geometry:ZoomPicture",
        "flip": "leaven.transforms.image.geometry:FlipPicture",
        "resize": "leaven.transforms.image.pixels:ResizePicture",
        "brightness": "leaven.transforms.image.colours:Brightness",
        "contrast": "leaven.transforms.image.colours:Contrast",
        "saturation": "leaven.transforms.image.colours:Saturation",
        "hue": "leaven.transforms.image.colours:Hue",
        "noise": "leaven.transforms.image.pixels:NoisePicture",
        "blur": "leaven.transforms.image.pixels:BlurPicture",
        "erase": "leaven.transforms.image.pixels:ErasePatch",
        "jpeg": "leaven.transforms.image.pixels:JpegPicture",
        "mixup": "leaven.transforms.image.mixing:PictureMixup",
        "cutmix": "leaven.transforms.image.mixing:PictureCutmix",
        "chain": "leaven.transforms.image.combine:PictureChain",
        "one_of": "leaven.transforms.image.combine:SomePictureChanges",
        "maybe": "leaven.transforms.image.combine:MaybePicture",
    },
    "image_generators": {
        "gan": "leaven.generators.image.gan:PictureGan",
        "vae": "leaven.generators.image.vae:PictureVae",
        "flow": "leaven.generators.image.flow:PictureFlow",
    },
}


def kinds(family: str) -> dict[str, str]:
    """kind -> "module:Class" of one family, ours first, then those of installed packages.

    >>> "crop" in kinds("transforms")
    True

    Raises SpecError for an unknown family.
    """
    if family not in FAMILIES:
        raise SpecError("family", "a known family", repr(family), nearest(family, FAMILIES))
    return FAMILIES[family] | {name: place for name, place in _packaged(family) if name not in FAMILIES[family]}


@cache
def _packaged(family: str) -> tuple[tuple[str, str], ...]:
    """(kind, "module:Class") of installed packages; looked up once, as each look reads every package's files."""
    return tuple((found.name, found.value) for found in entry_points(group=f"leaven.{family}"))


def place(family: str, kind: str, where: str) -> str:
    """ "module:Class" of a kind; `where` names the key of the spec for the error.

    Raises SpecError that names the nearest known kind.
    """
    known = kinds(family)
    if kind not in known:
        raise SpecError(where, f"one of the {family}", repr(kind), nearest(kind, known))
    return known[kind]


def found(family: str, kind: str, where: str = "") -> Any:
    """The class of a kind; its module is loaded now.

    Raises SpecError that names the nearest known kind.
    """
    module, _, name = place(family, kind, where or f"{family} {kind!r}").partition(":")
    return getattr(import_module(module), name)


def made(family: str, kind: str, fields: Mapping[str, Any] | None = None) -> Any:
    """A wish of a kind with these fields, the others as they are by default."""
    return found(family, kind)(**(fields or {}))


@cache
def family_of(cls: type) -> str:
    """The family that a class is registered in; "" where it is in none."""
    mine = f"{cls.__module__}:{cls.__name__}"
    return next((family for family in FAMILIES if mine in kinds(family).values()), "")


def kind_of(family: str, wish: Any) -> str:
    """The kind that a wish is registered under; the name of its class where it is not."""
    mine = f"{type(wish).__module__}:{type(wish).__name__}"
    return next((kind for kind, there in kinds(family).items() if there == mine), type(wish).__name__)
