"""What would a small net write that has read nothing but the catalogue's own titles?

The net is one of the generators of rows, which learn what follows what: a transformer as GPT's (`autoregressive`), a
variational autoencoder (`vae`), a net that was trained against a judge (`gan`). A row of theirs is a category, words,
and an end; a row that begins as a title does is written on, and checked as the answers of large models are.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError, nearest
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.text.character_codec import Spelling
from leaven.generators.text.output_checks import FORBIDDEN, Checks, Refused
from leaven.protocols import FittedGenerator, Generator, Keys, Strength
from leaven.tokenization import cut
from leaven.transforms.text.protected_spans import is_word
from leaven.transforms.validation import check_count, check_range, check_share

GPT = Autoregressive(width=96, length=40, dropout=0.1, top_p=0.9)
SHORT, EMPTY = "fewer than 3 words", "no words"
_LAYOUT = ("where", "events_range", "new_events_range")
_AT_ONCE = 512  # texts written together


@dataclass(frozen=True)
class Titles:
    """Write views of items' titles by a small net trained on the catalogue's own, in minutes on a processor.

    by           the generator of rows that learns: autoregressive, vae or gan, with fields of its own
    learn        the text column that it learns; "": the first that is no brand
    keep_range   share of a text's words that stay as its beginning, drawn evenly
    most_words   different words that are known; rarer ones are spelled
    most_new     words, or letters of rare ones, that are written at most
    tries        drafts of a text before it stays as it is, each by a key of its own
    p            chance that a text is written anew (× strength)
    cache        a folder where the net is kept by the hash of what it follows from; "": in a run the arm's own folder
    protect, forbidden, length_range, likeness_range   as of `Endpoint`

    Numbers, sizes, brands and colours of the part that is written anew are put back behind it; a draft that states
    others, strays from the text, or spells a word that the catalogue does not know, is refused.
    """

    by: Generator = GPT
    learn: str = ""
    keep_range: tuple[float, float] = (0.4, 0.8)
    most_words: int = 6_000
    most_new: int = 16
    tries: int = 2
    p: float = 1.0
    cache: str = ""
    protect: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = FORBIDDEN
    length_range: tuple[float, float] = (0.4, 2.5)
    likeness_range: tuple[float, float] = (0.3, 1.0)

    def __post_init__(self) -> None:
        check_range("titles.keep_range", self.keep_range, 0, 1)
        check_range("titles.length_range", self.length_range, 0)
        check_range("titles.likeness_range", self.likeness_range, -1, 1)
        check_share("titles.p", self.p)
        for name in ("most_words", "most_new", "tries"):
            check_count(f"titles.{name}", getattr(self, name), 1)
        if not (is_dataclass(self.by) and all(hasattr(self.by, name) for name in _LAYOUT)):
            fix = "by = 'autoregressive', 'vae' or 'gan'"
            raise SpecError("titles.by", "a generator that continues rows", type(self.by).__name__, fix)

    def fit(self, catalog: Catalog) -> TitleWriter:
        """Learns the titles, category by category where there are any.

        Raises DataError for a catalogue without texts; FitError where the loss is no finite number.
        """
        return TitleWriter.of(self, learn(self, _texts(self, catalog), _codes(catalog)), catalog)


@dataclass(frozen=True, eq=False)
class LearnedTitles:
    """A spelling, and a generator of rows of its ids that goes on from a beginning."""

    spelling: Spelling
    generator: FittedGenerator

    def written(self, begins: Sequence[Sequence[int]], keys: Keys) -> list[str]:
        """One text a beginning (a category's id, and ids of words), each by its key."""
        made: list[str] = []
        for first in range(0, len(begins), _AT_ONCE):
            part = begins[first : first + _AT_ONCE]
            rows = self.generator.sample(keys[first : first + _AT_ONCE], rows_of(part, self.spelling))
            bounds = zip(rows.starts[:-1].tolist(), rows.starts[1:].tolist(), strict=True)
            made += [self.spelling.text(rows.items[begin:end].tolist()) for begin, end in bounds]
        return made

    def surprisal(self, texts: Sequence[str], codes: Sequence[int]) -> float:
        """Mean of minus the natural logarithm of the probability of a word's id, over all of these texts."""
        rows = rows_of([_row(self.spelling, *one) for one in zip(texts, codes, strict=True)], self.spelling)
        generator: Any = self.generator
        return float(-generator.log_likelihood(rows).sum() / (rows.events - len(rows)))


def learn(config: Titles, texts: Sequence[str], codes: Sequence[int], key: int = 0) -> LearnedTitles:
    """A generator trained on texts of these category codes (0: none), or what the cache holds of it."""
    said = json.dumps(
        [_said(config.by), config.most_words, config.most_new, key, list(texts), [int(one) for one in codes]]
    )
    folder = Path(config.cache) / hashlib.blake2b(said.encode(), digest_size=16).hexdigest() if config.cache else None
    own = (
        {"match_popularity": False} if hasattr(config.by, "match_popularity") else {}
    )  # behind a beginning words differ
    by: Any = replace(config.by, where="after", new_events_range=(config.most_new,) * 2, **own)  # type: ignore[type-var]
    if folder is not None and (folder / "spelling.json").is_file():
        held = json.loads((folder / "spelling.json").read_text(encoding="utf-8"))
        return LearnedTitles(Spelling(held["categories"], tuple(held["signs"])), type(by).load(folder))
    spelling = Spelling.of(texts, config.most_words, int(max(codes, default=0)) + 1)
    rows = rows_of([_row(spelling, *one) for one in zip(texts, codes, strict=True)], spelling)
    generator = by.fit(rows, rng.key(key, "titles"))
    if folder is not None:
        generator.save(folder)
        (folder / "spelling.json").write_text(json.dumps(asdict(spelling), ensure_ascii=False), encoding="utf-8")
    return LearnedTitles(spelling, generator)


def rows_of(rows: Sequence[Sequence[int]], spelling: Spelling) -> Histories:
    """Rows of ids, their places for times."""
    return Histories.of(rows, spelling.size)


def _row(spelling: Spelling, text: str, code: int) -> list[int]:
    """A whole text: its category, its words, its end."""
    return [code + 1, *spelling.row(text), spelling.end]


def _said(by: Any) -> list[Any]:
    return [type(by).__name__, json.loads(json.dumps(asdict(by), default=str))]


def _texts(config: Titles, catalog: Catalog) -> list[str]:
    column = config.learn or next((name for name in catalog.words if name != "brand"), "")
    if column not in catalog.words or not any(text.strip() for text in catalog.words[column]):
        fix = nearest(config.learn, catalog.words) if config.learn else "name text columns in item_columns"
        raise DataError("titles.learn", "a column with texts", repr(column) if column else "none", fix)
    return list(catalog.words[column])


def _codes(catalog: Catalog) -> list[int]:
    return [0] * len(catalog) if catalog.category is None else catalog.category[1:].tolist()


def _categories(catalog: Catalog) -> dict[str, int]:
    """Text -> the category of the item that says it."""
    codes = _codes(catalog)
    return {text: code for column in catalog.words.values() for text, code in zip(column, codes, strict=True)}


@dataclass(frozen=True, eq=False)
class TitleWriter:
    """The fitted operator. known: words of the catalogue, in small letters; category: of each of its texts.

    refused   why -> how many drafts were not taken
    outcomes  texts none of whose drafts was taken so far -> why
    """

    config: Titles
    learned: LearnedTitles
    checks: Checks
    known: frozenset[str]
    category: Mapping[str, int]
    refused: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Titles, learned: LearnedTitles, catalog: Catalog) -> TitleWriter:
        """With what the catalogue says of words, brands and categories."""
        checks = Checks.of(catalog, config.protect, config.forbidden, config.length_range, config.likeness_range)
        known = {word.lower() for texts in catalog.words.values() for text in texts for word in cut(text)}
        return cls(config, learned, checks, frozenset(known), _categories(catalog))

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One text a text: written anew where drawn and where a draft passes the checks, else as it is."""
        made = list(texts)
        drawn = rng.uniform(keys, 0) < self.config.p * np.clip(strength, 0, 1)
        left = [row for row in np.flatnonzero(drawn).tolist() if self._is_long(texts[row])]
        for attempt in range(self.config.tries):
            own = rng.row_keys(rng.key(0, "draft", attempt), keys[np.array(left, np.int64)])
            drafts = self._drafts([texts[row] for row in left], own)
            kept = [self._passes(texts[row], draft) for row, draft in zip(left, drafts, strict=True)]
            for row, draft, fine in zip(left, drafts, kept, strict=True):
                if fine:
                    made[row] = draft
            left = [row for row, fine in zip(left, kept, strict=True) if not fine]
        return made

    def _is_long(self, text: str) -> bool:
        """Whether it has three words, of which one may be left to the net; Chinese ones are told apart too."""
        return int(is_word(self.checks.reader([text])[0]).sum()) >= 3

    def _drafts(self, texts: Sequence[str], keys: Keys) -> list[str]:
        """Each text's beginning written on, and what was protected in the rest of it put behind."""
        pieces, free = self.checks.reader(texts)
        words, held = pieces.words, (is_word(pieces) & ~free).tolist()
        low, high = self.config.keep_range
        share = low + (high - low) * rng.uniform(keys, 1)
        starts, ends = pieces.starts[:-1].tolist(), pieces.starts[1:].tolist()
        begins, behind = [], []
        for text, part, start, end in zip(texts, share.tolist(), starts, ends, strict=True):
            stop = start + max(round(part * (end - start)), 1)
            kept = self.learned.spelling.row("".join(words[start:stop]).rstrip())
            begins.append([self.category.get(text, 0) + 1, *kept])
            behind.append([words[place] for place in range(stop, end) if held[place]])
        drafts = self.learned.written(begins, keys)
        return [_with(draft, lost) for draft, lost in zip(drafts, behind, strict=True)]

    def _passes(self, text: str, draft: str) -> bool:
        try:
            if not self.known.issuperset(word.lower() for word in cut(draft) if word not in text):
                raise Refused("a word that the catalogue does not know")
            self.checks(text, json.dumps({"paraphrase": draft}))
        except Refused as refusal:
            why = str(refusal).split(":")[0]
            self.refused[why] += 1
            self.outcomes.setdefault(text, why)
            return False
        self.outcomes.pop(text, None)
        return True

    def reasons(self, texts: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Empty and short texts, and those whose drafts so far were all refused, by the first reason."""
        found = {EMPTY: np.array([not text.strip() for text in texts], bool)}
        found[SHORT] = np.array([not self._is_long(text) for text in texts], bool)
        for row, text in enumerate(texts):
            if text in self.outcomes:
                found.setdefault(self.outcomes[text], np.zeros(len(texts), bool))[row] = True
        return found


def _with(draft: str, lost: Sequence[str]) -> str:
    """The draft, with each of these words behind it that does not stand in it."""
    known = f" {draft.lower()} "
    return " ".join([draft, *(word for word in lost if word.lower() not in known)])
