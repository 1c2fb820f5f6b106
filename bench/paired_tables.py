"""Tables of variants with differences that are paired per user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from leaven.stats.resampling_tests import compute_interval, resample_means

DRAWS = 2_000
"""Resamples of the users behind each interval."""
Values = npt.NDArray[np.float64]


def format_variants(values: Mapping[str, Values], rivals: tuple[str, ...]) -> Iterator[str]:
    """Yield the table: means, and paired relative differences to each rival with 95 % intervals over users."""
    heads = " | ".join(f"against {rival}" for rival in rivals)
    yield f"| variant | NDCG@10 | seeds | {heads} |"
    yield "|---|---|---|" + "---|" * len(rivals)
    for name, table in values.items():
        users = table.mean(axis=0)
        cells = [format_difference(users, values[rival].mean(axis=0)) if rival != name else "" for rival in rivals]
        yield f"| {name} | {users.mean():.4f} | {len(table)} | {' | '.join(cells)} |"


def format_difference(users: Values, rival: Values) -> str:
    """Return the relative difference of the means with its interval from resampled users."""
    draws = resample_means(np.column_stack([users, rival, np.ones(len(users))]), DRAWS, 7)
    low, high = compute_interval(draws[:, 0] / draws[:, 1] - 1)
    return f"{users.mean() / rival.mean() - 1:+.1%} ({low:+.1%} to {high:+.1%})"
