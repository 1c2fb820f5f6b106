"""Protocols of transforms, generators, filters, recommenders, metrics and engines.

A config is a plain frozen dataclass; its `fit` returns a fitted object of another type. Whatever makes rows is fitted
on training rows alone. `tests/contracts/` checks every registered class.
"""

from leaven.progress import ProgressCallback
from leaven.protocols.filters import (
    Filter,
    FilterResult,
    FilterStatistics,
    FittedFilter,
    FittedTabularFilter,
    TabularFilter,
)
from leaven.protocols.generators import (
    FittedGenerator,
    FittedImageGenerator,
    FittedTabularGenerator,
    Generator,
    ImageGenerator,
    LikelihoodModel,
    TabularGenerator,
    TextGenerator,
)
from leaven.protocols.models import (
    CallbackAction,
    CtrMetric,
    CtrModel,
    Encoder,
    FittedCtrModel,
    FittedEncoder,
    FittedRecommender,
    RankedItems,
    RankingMetric,
    Recommender,
    TrainingCallback,
    TrainingContext,
)
from leaven.protocols.policies import Controller, Decision, Feedback, Schedule, Signals, Strategy, TabularStrategy
from leaven.protocols.rows import Engine, RngKeys, Rows, Strength
from leaven.protocols.transforms import (
    FittedImageTransform,
    FittedTabularTransform,
    FittedTextTransform,
    FittedTransform,
    ImageTransform,
    TabularTransform,
    TextTransform,
    Transform,
)

__all__ = [
    "CallbackAction",
    "Controller",
    "CtrMetric",
    "CtrModel",
    "Decision",
    "Encoder",
    "Engine",
    "Feedback",
    "Filter",
    "FilterResult",
    "FilterStatistics",
    "FittedCtrModel",
    "FittedEncoder",
    "FittedFilter",
    "FittedGenerator",
    "FittedImageGenerator",
    "FittedImageTransform",
    "FittedRecommender",
    "FittedTabularFilter",
    "FittedTabularGenerator",
    "FittedTabularTransform",
    "FittedTextTransform",
    "FittedTransform",
    "Generator",
    "ImageGenerator",
    "ImageTransform",
    "LikelihoodModel",
    "ProgressCallback",
    "RankedItems",
    "RankingMetric",
    "Recommender",
    "RngKeys",
    "Rows",
    "Schedule",
    "Signals",
    "Strategy",
    "Strength",
    "TabularFilter",
    "TabularGenerator",
    "TabularStrategy",
    "TabularTransform",
    "TextGenerator",
    "TextTransform",
    "TrainingCallback",
    "TrainingContext",
    "Transform",
]
