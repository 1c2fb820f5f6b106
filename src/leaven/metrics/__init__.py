"""Metrics of rankings, click predictions and synthetic data, such as `leaven.metrics.F1`.

Classes load on first use.
"""

from leaven import registry


def __getattr__(name: str) -> type:
    return registry.load_class(__name__, name)


def __dir__() -> list[str]:
    return sorted(registry.list_classes(__name__))
