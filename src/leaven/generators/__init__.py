"""Generators of histories, texts, images and tables, such as `leaven.generators.Markov`.

Classes load on first use.
"""

from typing import Any

from leaven import registry


def __getattr__(name: str) -> Any:
    return registry.load_class(__name__, name)


def __dir__() -> list[str]:
    return sorted(registry.list_classes(__name__))
