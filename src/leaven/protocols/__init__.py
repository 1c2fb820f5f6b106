"""Protocols of transforms, generators, filters, recommenders, metrics and engines.

A config is a plain frozen dataclass; its `fit` returns a fitted object of another type. Whatever makes rows is fitted
on training rows alone. `tests/contracts/` checks every registered class.
"""

from leaven.progress import Tell
from leaven.protocols.filters import Filter, FittedFilter, FittedTableFilter, Kept, Measured, TableFilter
from leaven.protocols.generators import (
    FittedGenerator,
    FittedImageGenerator,
    FittedTableGenerator,
    Generator,
    ImageGenerator,
    Scored,
    TableGenerator,
    TextGenerator,
)
from leaven.protocols.models import (
    ClickMetric,
    ClickModel,
    Encoder,
    FittedClickModel,
    FittedEncoder,
    FittedRecommender,
    Ranked,
    RankingMetric,
    Recommender,
    Say,
    Training,
    Watch,
)
from leaven.protocols.policies import Controller, Decision, Feedback, Schedule, Signals, Strategy, TableStrategy
from leaven.protocols.rows import Engine, Keys, Rows, Strength
from leaven.protocols.transforms import (
    FittedImageTransform,
    FittedTableTransform,
    FittedTextTransform,
    FittedTransform,
    ImageTransform,
    TableTransform,
    TextTransform,
    Transform,
)

__all__ = [
    "ClickMetric",
    "ClickModel",
    "Controller",
    "Decision",
    "Encoder",
    "Engine",
    "Feedback",
    "Filter",
    "FittedClickModel",
    "FittedEncoder",
    "FittedFilter",
    "FittedGenerator",
    "FittedImageGenerator",
    "FittedImageTransform",
    "FittedRecommender",
    "FittedTableFilter",
    "FittedTableGenerator",
    "FittedTableTransform",
    "FittedTextTransform",
    "FittedTransform",
    "Generator",
    "ImageGenerator",
    "ImageTransform",
    "Kept",
    "Keys",
    "Measured",
    "Ranked",
    "RankingMetric",
    "Recommender",
    "Rows",
    "Say",
    "Schedule",
    "Scored",
    "Signals",
    "Strategy",
    "Strength",
    "TableFilter",
    "TableGenerator",
    "TableStrategy",
    "TableTransform",
    "Tell",
    "TextGenerator",
    "TextTransform",
    "Training",
    "Transform",
    "Watch",
]
