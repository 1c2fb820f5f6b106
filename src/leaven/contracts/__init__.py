"""What does every transform, generator, recommender, metric and engine promise?

A wish is a plain frozen dataclass; `fit` returns another type, which works. What makes samples is
given training rows and nothing else. `tests/contracts/` checks every registered class.
"""

from leaven.contracts.filters import Filter, FittedFilter, FittedTableFilter, Kept, Measured, TableFilter
from leaven.contracts.generators import (
    FittedGenerator,
    FittedImageGenerator,
    FittedTableGenerator,
    Generator,
    ImageGenerator,
    Scored,
    TableGenerator,
    TextGenerator,
)
from leaven.contracts.learning import (
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
from leaven.contracts.rows import Engine, Keys, Rows, Strength
from leaven.contracts.steering import Controller, Decision, Feedback, Schedule, Signals, Strategy, TableStrategy
from leaven.contracts.transforms import (
    FittedImageTransform,
    FittedTableTransform,
    FittedTextTransform,
    FittedTransform,
    ImageTransform,
    TableTransform,
    TextTransform,
    Transform,
)
from leaven.progress import Tell

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
