"""How does a net learn rows of which no single user may show?

A user is one example: up to eight of their rows, by lot. Columns are counted with noise (the Gaussian mechanism, Dwork
and Roth, 2014, theorem A.1); the net is trained by DP-SGD; both together keep the bound (basic composition). What the
net needs of columns, scores and bins, follows from a table drawn from the noisy counts, in place of the real one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.privacy import Privacy
from leaven.generators.tabular.neural_generator import FEWEST_STEPS, NetTable, Wish, settled
from leaven.generators.tabular.row_encoding import Coding
from leaven.generators.tabular.row_schema import Layout
from leaven.progress import Tell, quiet

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROWS_OF_A_USER = 8
_COUNTING = 0.2  # share of epsilon that counting the columns takes
_BINS = 64  # of a number between its lowest and highest value
_DRAWN = 4096  # rows that stand for the law of the columns
_LOOKS = 10


@dataclass(frozen=True, eq=False)
class Users:
    """rows int64 (users, 8): places of each user's rows; there bool (users, 8): whether it is one."""

    rows: Ints
    there: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, train: Samples, key: int) -> Users:
        """Rows of nobody are users of their own; of many rows of a user eight are drawn."""
        owner = np.where(train.users == 0, train.keys, train.users)
        lot = rng.uniform(rng.row_keys(rng.key(key, "rows of a user"), train.keys), 0)
        order = np.lexsort((lot, owner))
        _, first, counts = np.unique(owner[order], return_index=True, return_counts=True)
        place = np.arange(ROWS_OF_A_USER)
        there = place < counts[:, None]
        return cls(order[np.where(there, first[:, None] + place, first[:, None])], there)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def weights(self) -> Floats:
        """float64 (users, 8): all rows of a user weigh 1 together, so that nobody moves a count by more than 1."""
        return np.asarray(self.there / self.there.sum(axis=1, keepdims=True), np.float64)


class VaeConfig(Wish, Protocol):
    """The fields of `TableVae` that private training reads."""

    @property
    def latent(self) -> int: ...
    @property
    def learned_variance(self) -> bool: ...
    @property
    def kl(self) -> float: ...


def learned_privately(config: VaeConfig, privacy: Privacy, train: Samples, key: int, tell: Tell = quiet) -> NetTable:
    """Trains the net of a config within the bound. Columns' names, levels and ranges, and how many users there are, count
    as known. Raises MissingExtra without Opacus.
    """
    import torch

    from leaven.nn import dp_sgd
    from leaven.nn.tabular_codec import hot
    from leaven.nn.tabular_vae import RowsOfOne

    layout = Layout.of(train, "vae")
    train = train.take(np.argsort(train.keys, kind="stable"))
    users = Users.of(train, key)
    counting, training = privacy.parted(_COUNTING, len(users))
    coding = Coding.fit(_drawn(train, users, counting, rng.key(key, "counts")), config.bins)
    net: Any = config.net(coding, rng.key(key, "begin"))
    scores = torch.from_numpy(coding.scored(train, rng.key(key, "ties")))
    bins = hot(torch.from_numpy(coding.binned(train)), coding.sizes)
    chance = torch.Generator().manual_seed(rng.key(key, "points"))

    def batch(chosen: Ints) -> tuple[torch.Tensor, ...]:
        rows = torch.from_numpy(users.rows[chosen])
        noise = torch.randn(*rows.shape, config.latent, generator=chance)
        return scores[rows], bins[rows], torch.from_numpy(users.there[chosen]).float(), noise

    steps = max(round(config.epochs * len(users) / privacy.users_per_step), FEWEST_STEPS)
    course = dp_sgd.PrivateCourse(
        key=rng.key(key, "private"),
        steps=steps,
        learning_rate=config.learning_rate,
        rate=training.rate(len(users)),
        clip=training.clip,
        noise=training.noise(len(users), steps),
        look_every=max(steps // _LOOKS, 1),
        tell=tell,
    )
    dp_sgd.train(RowsOfOne(net, config.learned_variance, config.kl), len(users), batch, course)
    facts = {"steps": steps, "users": len(users), "epsilon": privacy.epsilon, "delta": privacy.delta_of(len(users))}
    return settled(NetTable("vae", config, layout, coding, net.eval(), facts), key)


def _drawn(train: Samples, users: Users, privacy: Privacy, key: int) -> Samples:
    """A table whose columns each follow their noisy counts, and hang together in nothing."""
    chance = rng.generator(key)
    columns = 1 + train.numbers.shape[1] + train.codes.shape[1]
    noise = privacy.noise_once(len(users)) * np.sqrt(columns)  # a user moves each column's counts by 1 at most
    rows, weights = users.rows[users.there], users.weights[users.there]

    def counts(bins: Ints, many: int) -> Floats:
        found = np.bincount(bins[rows], weights, many) + noise * chance.standard_normal(many)
        kept = np.where(found > noise, found, 0.0)
        return kept if kept.any() else np.maximum(found - found.min(), 1e-9)

    label = _places(counts((train.label > 0.5).astype(np.int64), 2), chance)[0].astype(np.float32)
    numbers = [_number(column, counts, chance) for column in train.numbers.T]
    levels = [len(train.levels[name]) for name in train.categorical]
    codes = [
        _places(counts(column.astype(np.int64), many + 1), chance)[0].astype(np.int32)
        for column, many in zip(train.codes.T, levels, strict=True)
    ]
    first = train.take(np.zeros(_DRAWN, np.int64))
    return replace(
        first,
        numbers=np.column_stack(numbers) if numbers else first.numbers,
        codes=np.column_stack(codes) if codes else first.codes,
        label=label,
        weight=np.ones(_DRAWN, np.float32),
    )


def _number(column: Floats, counts: Any, chance: np.random.Generator) -> Floats:
    """Cells of a number column: even between the edges of their bins, whole where all are; NaN as often as missing."""
    there = np.isfinite(column)
    low, high = (float(column[there].min()), float(column[there].max())) if there.any() else (0.0, 0.0)
    width = (high - low) / _BINS or 1.0
    bins = np.where(there, 1 + np.clip((np.nan_to_num(column) - low) // width, 0, _BINS - 1), 0).astype(np.int64)
    place, inside = _places(counts(bins, _BINS + 1), chance)
    cells = np.minimum(low + (place - 1 + inside) * width, high)
    whole = bool((column[there] == np.rint(column[there])).all())
    return np.where(place == 0, np.nan, np.rint(cells) if whole else cells)


def _places(counts: Floats, chance: np.random.Generator) -> tuple[Ints, Floats]:
    """(int64 (4096,): bins as often as they are counted; how far into its bin each is, 0 to 1); in any order."""
    share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    lot = (chance.permutation(_DRAWN) + 0.5) / _DRAWN
    place = np.minimum(np.searchsorted(share, lot, side="right") - 1, len(counts) - 1)
    return place, (lot - share[place]) / np.maximum(share[place + 1] - share[place], 1e-12)
