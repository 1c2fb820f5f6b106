"""The registry of kinds: family and kind -> "module:Class", by name only, so that it imports nothing.

A new class needs its file and its line here. Other packages add kinds through the entry-point groups
`leaven.transforms`, `leaven.generators` and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from leaven.errors import SpecError, suggest_name

FAMILIES: dict[str, dict[str, str]] = {
    "transforms": {
        "crop": "leaven.transforms.sequence.crop:Crop",
        "truncate": "leaven.transforms.sequence.crop:Truncate",
        "mask": "leaven.transforms.sequence.masking:Mask",
        "drop": "leaven.transforms.sequence.masking:Drop",
        "reorder": "leaven.transforms.sequence.reorder:Reorder",
        "reverse": "leaven.transforms.sequence.reorder:Reverse",
        "rotate": "leaven.transforms.sequence.reorder:Rotate",
        "swap": "leaven.transforms.sequence.reorder:Swap",
        "substitute": "leaven.transforms.sequence.substitution:Substitute",
        "insert": "leaven.transforms.sequence.substitution:Insert",
        "mixup": "leaven.transforms.sequence.mixup:Mixup",
        "splice": "leaven.transforms.sequence.mixup:Splice",
        "scale": "leaven.transforms.sequence.time_warping:Scale",
        "warp": "leaven.transforms.sequence.time_warping:Warp",
        "jitter": "leaven.transforms.sequence.time_warping:Jitter",
        "shift": "leaven.transforms.sequence.time_warping:Shift",
        "resample": "leaven.transforms.sequence.resampling:Resample",
        "repeat": "leaven.transforms.sequence.resampling:Repeat",
        "repeat_pad": "leaven.transforms.sequence.resampling:RepeatPad",
        "windows": "leaven.transforms.sequence.windows:Windows",
        "target_window": "leaven.transforms.sequence.target_windows:TargetWindow",
        "cold_items": "leaven.transforms.sequence.cold_items:ColdItems",
        "chain": "leaven.transforms.sequence.compose:Chain",
        "some_of": "leaven.transforms.sequence.compose:SomeOf",
        "maybe": "leaven.transforms.sequence.compose:Maybe",
        "one_of": "leaven.transforms.sequence.random_choice:OneOf",
        "by_length": "leaven.transforms.sequence.random_choice:ByLength",
        "trivial_augment": "leaven.transforms.sequence.random_choice:TrivialAugment",
    },
    "text_transforms": {
        "synonyms": "leaven.transforms.text.synonyms:Synonyms",
        "neighbors": "leaven.transforms.text.synonyms:NeighborWords",
        "delete": "leaven.transforms.text.word_edits:DeleteWords",
        "swap": "leaven.transforms.text.word_edits:SwapWords",
        "insert": "leaven.transforms.text.word_edits:InsertWords",
        "replace": "leaven.transforms.text.word_edits:ReplaceWords",
        "misspell": "leaven.transforms.text.typos:Misspell",
        "units": "leaven.transforms.text.units:Units",
        "shuffle_fields": "leaven.transforms.text.fields:ShuffleFields",
        "drop_fields": "leaven.transforms.text.fields:DropFields",
        "template": "leaven.transforms.text.template:Template",
    },
    "text_generators": {
        "endpoint": "leaven.generators.text.endpoint:Endpoint",
        "local_model": "leaven.generators.text.local_llm:LocalLanguageModel",
        "titles": "leaven.generators.text.catalog_language_model:CatalogLanguageModel",
    },
    "encoders": {
        "tfidf": "leaven.encoders.tfidf:TfIdf",
        "sentences": "leaven.encoders.sentences:SentenceEncoder",
        "attributes": "leaven.encoders.attributes:Attributes",
        "image_classifier": "leaven.encoders.image_classifier:ImageClassifierEncoder",
        "pretrained_image": "leaven.encoders.pretrained_image:PretrainedImageEncoder",
    },
    "generators": {
        "markov": "leaven.generators.sequence.markov:Markov",
        "autoregressive": "leaven.generators.sequence.autoregressive:Autoregressive",
        "vae": "leaven.generators.sequence.vae:Vae",
        "gan": "leaven.generators.sequence.gan:Gan",
        "denoiser": "leaven.generators.sequence.denoiser:Denoiser",
        "recommender_rollouts": "leaven.generators.sequence.recommender_rollouts:RecommenderRollouts",
    },
    "strategies": {
        "uniform": "leaven.strategies.copy_counts:Uniform",
        "random": "leaven.strategies.copy_counts:Random",
        "to_total": "leaven.strategies.copy_counts:ToTotal",
        "balanced": "leaven.strategies.copy_counts:Balanced",
        "scaled": "leaven.strategies.copy_counts:Scaled",
    },
    "schedules": {
        "constant": "leaven.schedules.progress_schedules:Constant",
        "linear": "leaven.schedules.progress_schedules:Linear",
        "cosine": "leaven.schedules.progress_schedules:Cosine",
        "staircase": "leaven.schedules.progress_schedules:Staircase",
        "warm_up": "leaven.schedules.progress_schedules:WarmUp",
        "cool_down": "leaven.schedules.progress_schedules:CoolDown",
        "joined": "leaven.schedules.progress_schedules:JoinedSchedule",
    },
    "controllers": {
        "gap": "leaven.controllers.gap_controller:GapController",
        "replay": "leaven.controllers.replay:Replay",
    },
    "filters": {
        "validity": "leaven.filters.validity:Validity",
        "copies": "leaven.filters.copies:CopyFilter",
        "surprisal": "leaven.filters.surprisal:Surprisal",
        "quota": "leaven.filters.quota:Quota",
        "rank_fidelity": "leaven.filters.rank_fidelity:RankFidelity",
        "density_ratio": "leaven.filters.density_ratio:DensityRatio",
    },
    "tabular_strategies": {
        "uniform": "leaven.strategies.copy_counts:Uniform",
        "random": "leaven.strategies.copy_counts:Random",
        "to_total": "leaven.strategies.copy_counts:ToTotal",
        "balanced": "leaven.strategies.class_balancing:BalancedRows",
    },
    "tabular_filters": {
        "rules": "leaven.filters.rules:Rules",
    },
    "recommenders": {
        "transformer": "leaven.recommenders.transformer:Transformer",
        "multimodal": "leaven.recommenders.multimodal:Multimodal",
        "rank_fusion": "leaven.recommenders.rank_fusion:RankFusion",
        "popularity": "leaven.recommenders.popularity:Popularity",
        "recent_popularity": "leaven.recommenders.popularity:RecentPopularity",
        "item_knn": "leaven.recommenders.item_knn:ItemKnn",
        "ease": "leaven.recommenders.ease:Ease",
        "sparse_linear": "leaven.recommenders.sparse_linear:SparseLinear",
        "time_linear": "leaven.recommenders.time_linear:TimeLinear",
        "content_fusion": "leaven.recommenders.content_fusion:ContentFusion",
        "selected_kinds": "leaven.recommenders.selected_kinds:SelectedKinds",
        "ials": "leaven.recommenders.ials:Ials",
    },
    "metrics": {
        "ndcg": "leaven.metrics.ranking.list_metrics:Ndcg",
        "recall": "leaven.metrics.ranking.list_metrics:Recall",
        "hit": "leaven.metrics.ranking.list_metrics:HitRate",
        "mrr": "leaven.metrics.ranking.list_metrics:Mrr",
        "precision": "leaven.metrics.ranking.list_metrics:Precision",
        "map": "leaven.metrics.ranking.list_metrics:AveragePrecision",
        "novelty": "leaven.metrics.ranking.beyond_accuracy:Novelty",
        "tail": "leaven.metrics.ranking.beyond_accuracy:TailShare",
        "coverage": "leaven.metrics.ranking.beyond_accuracy:Coverage",
        "gini": "leaven.metrics.ranking.beyond_accuracy:Gini",
    },
    "synthetic_metrics": {
        "frechet": "leaven.metrics.synthetic.fidelity_metrics:Frechet",
        "frechet_infinity": "leaven.metrics.synthetic.fidelity_metrics:FrechetInfinity",
        "sliced_wasserstein": "leaven.metrics.synthetic.fidelity_metrics:SlicedWasserstein",
        "mmd": "leaven.metrics.synthetic.fidelity_metrics:Mmd",
        "classifier_auc": "leaven.metrics.synthetic.fidelity_metrics:ClassifierAuc",
        "density": "leaven.metrics.synthetic.diversity_metrics:Density",
        "alpha_precision": "leaven.metrics.synthetic.diversity_metrics:AlphaPrecision",
        "indd": "leaven.metrics.synthetic.indd:Indd",
        "indd_shape": "leaven.metrics.synthetic.indd:InddShape",
        "marginals": "leaven.metrics.synthetic.fidelity_metrics:MarginalDistances",
        "pairs": "leaven.metrics.synthetic.fidelity_metrics:PairCorrelations",
        "transitions": "leaven.metrics.synthetic.fidelity_metrics:TransitionDivergence",
        "gaps": "leaven.metrics.synthetic.fidelity_metrics:TimeGaps",
        "lengths": "leaven.metrics.synthetic.fidelity_metrics:RowLengths",
        "repeats": "leaven.metrics.synthetic.fidelity_metrics:RepeatShare",
        "coverage": "leaven.metrics.synthetic.diversity_metrics:BallCoverage",
        "beta_recall": "leaven.metrics.synthetic.diversity_metrics:BetaRecall",
        "vendi": "leaven.metrics.synthetic.diversity_metrics:Vendi",
        "catalog_share": "leaven.metrics.synthetic.diversity_metrics:CatalogShare",
        "gini": "leaven.metrics.synthetic.diversity_metrics:PopularityGini",
        "top_share": "leaven.metrics.synthetic.diversity_metrics:TopShare",
        "popularity_drift": "leaven.metrics.synthetic.diversity_metrics:PopularityDrift",
        "self_similarity": "leaven.metrics.synthetic.diversity_metrics:SelfSimilarity",
        "distinct_ngrams": "leaven.metrics.synthetic.diversity_metrics:DistinctRuns",
        "novel_ngrams": "leaven.metrics.synthetic.row_means:build_novel_runs",
        "category_agreement": "leaven.metrics.synthetic.row_means:build_category_agreement",
        "price_outliers": "leaven.metrics.synthetic.row_means:build_odd_prices",
        "before_release": "leaven.metrics.synthetic.row_means:build_before_sale",
        "next_rank": "leaven.metrics.synthetic.row_means:build_next_rank",
        "category_mismatch": "leaven.metrics.synthetic.row_means:build_mislabeled",
        "image_text_match": "leaven.metrics.synthetic.row_means:build_words_match",
        "copies": "leaven.metrics.synthetic.row_means:build_copies",
        "near_copies": "leaven.metrics.synthetic.row_means:build_near_copies",
        "longest_run": "leaven.metrics.synthetic.row_means:build_longest_run",
        "authenticity": "leaven.metrics.synthetic.row_means:build_authenticity",
        "data_copying": "leaven.metrics.synthetic.memorization:DataCopying",
        "attack_auc": "leaven.metrics.synthetic.membership_inference:AttackAuc",
        "attack_tpr": "leaven.metrics.synthetic.membership_inference:AttackTpr",
        "attack_strict": "leaven.metrics.synthetic.membership_inference:AttackStrict",
        "attack_rare": "leaven.metrics.synthetic.membership_inference:AttackRare",
        "rare_ngrams": "leaven.metrics.synthetic.row_means:build_rare_runs",
        "closest_record": "leaven.metrics.synthetic.memorization:ClosestRecord",
    },
    "engines": {
        "local": "leaven.engines.local:Local",
        "spark": "leaven.engines.spark:Spark",
        "ray": "leaven.engines.ray:Ray",
    },
    "splits": {
        "time": "leaven.splits.log_splits:TimeSplit",
        "leave_one_out": "leaven.splits.log_splits:LeaveOneOut",
        "given": "leaven.splits.given_split:GivenSplit",
    },
    "sample_splits": {
        "time": "leaven.ctr_features.sample_splits:SampleTimeSplit",
        "users": "leaven.ctr_features.sample_splits:SampleUserSplit",
        "rows": "leaven.ctr_features.sample_splits:SampleRowSplit",
    },
    "ctr_models": {
        "mlp": "leaven.ctr_models.neural:Mlp",
        "dcn_v2": "leaven.ctr_models.neural:DcnV2",
        "boosting": "leaven.ctr_models.boosting:Boosting",
        "logistic": "leaven.ctr_models.logistic:Logistic",
        "popularity": "leaven.ctr_models.popularity:PopularItem",
    },
    "ctr_metrics": {
        "accuracy": "leaven.metrics.ctr.ctr_metrics:Accuracy",
        "precision": "leaven.metrics.ctr.ctr_metrics:CtrPrecision",
        "recall": "leaven.metrics.ctr.ctr_metrics:CtrRecall",
        "f1": "leaven.metrics.ctr.ctr_metrics:F1",
        "auc": "leaven.metrics.ctr.ctr_metrics:Auc",
        "average_precision": "leaven.metrics.ctr.ctr_metrics:CtrAveragePrecision",
        "information_gain": "leaven.metrics.ctr.ctr_metrics:InformationGain",
        "log_loss": "leaven.metrics.ctr.ctr_metrics:LogLoss",
        "calibration_error": "leaven.metrics.ctr.ctr_metrics:CalibrationError",
        "user_auc": "leaven.metrics.ctr.ctr_metrics:UserAuc",
    },
    "tabular_transforms": {
        "repeat": "leaven.transforms.tabular.row_mixup:RepeatRows",
        "noise": "leaven.transforms.tabular.cell_noise:NumericNoise",
        "quantile_jitter": "leaven.transforms.tabular.cell_noise:QuantileJitter",
        "swap_noise": "leaven.transforms.tabular.cell_noise:SwapNoise",
        "feature_mask": "leaven.transforms.tabular.cell_noise:FeatureMask",
        "roll_up": "leaven.transforms.tabular.cell_noise:RollUp",
        "row_mixup": "leaven.transforms.tabular.row_mixup:RowMixup",
    },
    "tabular_generators": {
        "marginals": "leaven.generators.tabular.marginals:Marginals",
        "copula": "leaven.generators.tabular.copula:Copula",
        "order_agnostic": "leaven.generators.tabular.order_agnostic:OrderAgnostic",
        "smote": "leaven.generators.tabular.smote:Smote",
        "vae": "leaven.generators.tabular.tabular_vae:TabularVae",
        "gan": "leaven.generators.tabular.tabular_gan:TabularGan",
        "diffusion": "leaven.generators.tabular.tabular_diffusion:TabularDiffusion",
    },
    "image_transforms": {
        "crop": "leaven.transforms.image.geometry:CropImage",
        "rotate": "leaven.transforms.image.geometry:RotateImage",
        "shift": "leaven.transforms.image.geometry:ShiftImage",
        "shear": "leaven.transforms.image.geometry:ShearImage",
        "zoom": "leaven.transforms.image.geometry:ZoomImage",
        "flip": "leaven.transforms.image.geometry:FlipImage",
        "resize": "leaven.transforms.image.corruptions:ResizeImage",
        "brightness": "leaven.transforms.image.colors:Brightness",
        "contrast": "leaven.transforms.image.colors:Contrast",
        "saturation": "leaven.transforms.image.colors:Saturation",
        "hue": "leaven.transforms.image.colors:Hue",
        "noise": "leaven.transforms.image.corruptions:AddImageNoise",
        "blur": "leaven.transforms.image.corruptions:BlurImage",
        "erase": "leaven.transforms.image.corruptions:ErasePatch",
        "jpeg": "leaven.transforms.image.corruptions:CompressImage",
        "mixup": "leaven.transforms.image.mixup_cutmix:ImageMixup",
        "cutmix": "leaven.transforms.image.mixup_cutmix:ImageCutmix",
        "chain": "leaven.transforms.image.compose:ImageChain",
        "one_of": "leaven.transforms.image.compose:SomeImageTransforms",
        "maybe": "leaven.transforms.image.compose:MaybeImage",
    },
    "image_generators": {
        "gan": "leaven.generators.image.image_generator:ImageGan",
        "vae": "leaven.generators.image.image_generator:ImageVae",
        "flow": "leaven.generators.image.image_generator:ImageFlow",
    },
    "recipes": {
        "behaviors": "leaven.plan_search.recipes.added_information:BehaviorsRecipe",
        "cold_items": "leaven.plan_search.recipes.added_information:ColdItemsRecipe",
        "fusion": "leaven.plan_search.recipes.rank_fusion:FusionRecipe",
        "recent_popularity": "leaven.plan_search.recipes.model_settings:RecentPopularityRecipe",
        "age_weights": "leaven.plan_search.recipes.model_settings:AgeWeightsRecipe",
        "input_dropout": "leaven.plan_search.recipes.model_settings:InputDropoutRecipe",
        "subset_drop": "leaven.plan_search.recipes.history_noise:SubsetDropRecipe",
        "light_crop": "leaven.plan_search.recipes.history_noise:LightCropRecipe",
        "filtered_generator": "leaven.plan_search.recipes.history_noise:FilteredGeneratorRecipe",
    },
    "trackers": {
        "mlflow": "leaven.tracking.trackers:MlflowTracker",
        "tensorboard": "leaven.tracking.trackers:TensorBoardTracker",
        "wandb": "leaven.tracking.trackers:WandbTracker",
        "swanlab": "leaven.tracking.trackers:SwanLabTracker",
        "function": "leaven.tracking.trackers:FunctionTracker",
    },
    "exports": {
        "recbole": "leaven.exports.recbole:RecBoleExport",
        "recbole_sequential": "leaven.exports.recbole:RecBoleSequentialExport",
        "rectools": "leaven.exports.event_tables:RecToolsExport",
        "recommenders": "leaven.exports.event_tables:RecommendersExport",
        "spark_als": "leaven.exports.event_tables:SparkAlsExport",
        "implicit": "leaven.exports.sparse_matrices:ImplicitExport",
        "lightfm": "leaven.exports.sparse_matrices:LightFmExport",
        "tfrecord": "leaven.exports.tfrecord:TfRecordExport",
        "personalize": "leaven.exports.personalize:PersonalizeExport",
        "gorse": "leaven.exports.gorse:GorseExport",
        "merlin": "leaven.exports.sequence_tables:MerlinExport",
        "huggingface": "leaven.exports.sequence_tables:HuggingFaceExport",
        "torch_rechub": "leaven.exports.sequence_tables:TorchRechubExport",
        "fuxictr": "leaven.exports.fuxictr:FuxiCtrExport",
        "libsvm": "leaven.exports.feature_lines:LibSvmExport",
        "libffm": "leaven.exports.feature_lines:LibFfmExport",
        "vw": "leaven.exports.feature_lines:VowpalWabbitExport",
    },
}


MODALITIES: dict[str, str] = {
    "sequence": "leaven.modalities.sequence:SEQUENCE",
    "text": "leaven.modalities.text:TEXT",
    "image": "leaven.modalities.image:IMAGE",
    "tabular": "leaven.modalities.tabular:TABULAR",
}
"""Name of a modality -> "module:DESCRIPTOR"."""


def list_kinds(family: str) -> dict[str, str]:
    """kind -> "module:Class" of a family: the built-in kinds, then those of installed packages.

    >>> "crop" in list_kinds("transforms")
    True

    Raises SpecError for an unknown family.
    """
    if family not in FAMILIES:
        raise SpecError("family", "a known family", repr(family), suggest_name(family, FAMILIES))
    return FAMILIES[family] | {kind: path for kind, path in _load_entry_points(family) if kind not in FAMILIES[family]}


@cache
def _load_entry_points(family: str) -> tuple[tuple[str, str], ...]:
    """(kind, "module:Class") pairs of installed packages; cached, as a lookup reads the files of every package."""
    return tuple((entry.name, entry.value) for entry in entry_points(group=f"leaven.{family}"))


def find_class_path(family: str, kind: str, location: str) -> str:
    """The "module:Class" of a kind; `location` is the location shown in the error.

    Raises SpecError with the most similar known kind.
    """
    known = list_kinds(family)
    if kind not in known:
        raise SpecError(location, f"one of the {family}", repr(kind), suggest_name(kind, known))
    return known[kind]


def load_kind(family: str, kind: str, location: str = "") -> Any:
    """Import and return the class of a kind.

    Raises SpecError with the most similar known kind.
    """
    module, _, name = find_class_path(family, kind, location or f"{family} {kind!r}").partition(":")
    return getattr(import_module(module), name)


def create_config(family: str, kind: str, fields: Mapping[str, Any] | None = None) -> Any:
    """A config of this kind with these fields and defaults for the others."""
    return load_kind(family, kind)(**(fields or {}))


@cache
def find_family(cls: type) -> str:
    """The family that a class is registered in; "" for none."""
    path = f"{cls.__module__}:{cls.__name__}"
    return next((family for family in FAMILIES if path in list_kinds(family).values()), "")


def find_kind(family: str, config: object) -> str:
    """The registered kind of a config; the name of its class where it is not registered."""
    path = f"{type(config).__module__}:{type(config).__name__}"
    return next((kind for kind, other in list_kinds(family).items() if other == path), type(config).__name__)


def list_classes(package: str) -> dict[str, str]:
    """Class name -> "module:Class" of the built-in kinds that are defined in a package or below it.

    >>> list_classes("leaven.splits")["TimeSplit"]
    'leaven.splits.log_splits:TimeSplit'
    """
    entries = (entry for family in FAMILIES.values() for entry in family.values())
    return {entry.partition(":")[2]: entry for entry in entries if entry.startswith(f"{package}.")}


def load_class(package: str, name: str) -> type:
    """A built-in class of a package by its name; the body of the package's `__getattr__`.

    Raises AttributeError for a name that is no class of the package.
    """
    classes = list_classes(package)
    if name not in classes:
        raise missing_attribute(package, name, classes)
    module, _, attribute = classes[name].partition(":")
    cls: type = getattr(import_module(module), attribute)
    return cls


def missing_attribute(package: str, name: str, known_names: Iterable[str]) -> AttributeError:
    """The error for a name that a package does not have, with the nearest of the known ones.

    >>> str(missing_attribute("leaven", "Crpo", ["Crop", "Mask"]))
    "module 'leaven' has no attribute 'Crpo'; did you mean 'Crop'?"
    """
    similar = get_close_matches(name, sorted(set(known_names)), n=1, cutoff=0.5)
    hint = f"; did you mean {similar[0]!r}?" if similar else ""
    return AttributeError(f"module {package!r} has no attribute {name!r}{hint}")
