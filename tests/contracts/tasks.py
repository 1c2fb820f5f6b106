"""Tasks that other processes can import."""

from typing import Any

from leaven.errors import DataError


def added(shared: Any, shard: Any) -> Any:
    return shard + shared["add"]


def divided(shared: Any, shard: Any) -> float:
    return shared / shard


def fails_with_ours(shared: Any, shard: Any) -> Any:
    if not shard:
        raise DataError("row 9", "a number", "none", "")
    return shard
