"""Engines that create rows in processes or clusters, such as `leaven.engines.Local`.

Classes load on first use.
"""

from leaven import registry


def __getattr__(name: str) -> type:
    return registry.load_class(__name__, name)


def __dir__() -> list[str]:
    return sorted(registry.list_classes(__name__))
