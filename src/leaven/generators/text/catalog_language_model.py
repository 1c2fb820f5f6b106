"""Small language models trained on the catalog's titles.

The model is one of the sequence generators: a decoder-only transformer (`autoregressive`), a variational autoencoder
(`vae`), or a GAN (`gan`). Its rows are a category, words, and an end token; the beginning of a title is continued, and
the result is checked like the answers of large models.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError, suggest_name
from leaven.field_checks import check_count, check_range, check_share
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.text.output_checks import FORBIDDEN, OutputChecks, RejectedAnswer
from leaven.protocols import FittedGenerator, Generator, OperatorTraits, RngKeys, Strength
from leaven.tokenization import ChineseSegmenter, tokenize_text
from leaven.transforms.text.protected_spans import is_word

MIN_COUNT = 2  # minimum count of a word or character


@dataclass(frozen=True)
class CharacterCodec:
    """categories: number of ids for categories, including 0 (none); tokens: words and characters, one id each."""

    n_categories: int
    tokens: tuple[str, ...]

    @classmethod
    def from_texts(cls, texts: Iterable[str], max_words: int, categories: int) -> CharacterCodec:
        """Returns a codec of the most frequent words, and all characters that occur at least twice."""
        words, characters = Counter[str](), Counter[str]()
        for text in texts:
            words.update(_split_words(text))
            characters.update(text)
        frequent = [word for word, count in words.most_common(max_words) if count >= MIN_COUNT and len(word) > 1]
        return cls(
            categories,
            tuple(frequent) + tuple(sorted(character for character, count in characters.items() if count >= MIN_COUNT)),
        )

    @property
    def end_id(self) -> int:
        """Id of the end token."""
        return self.n_categories + 1

    @property
    def n_ids(self) -> int:
        """Number of ids."""
        return self.end_id + len(self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {sign: index for index, sign in enumerate(self.tokens, self.end_id + 1)}

    def encode_text(self, text: str) -> list[int]:
        """Returns the ids of a text, without category and end; unknown characters are dropped."""
        known, ids = self._ids, list[int]()
        for word in _split_words(text):
            if word in known:
                ids.append(known[word])
            else:
                ids += [known[character] for character in word if character in known]
        return ids

    def decode_ids(self, row: Sequence[int]) -> str:
        """Returns the text of ids, up to the end token.

        >>> spelling = CharacterCodec.from_texts(["a soap", "a soap"], 10, 1)
        >>> spelling.decode_ids(spelling.encode_text("a soap"))
        'a soap'
        """
        parts = []
        for index in row:
            if index == self.end_id:
                break
            if index > self.end_id:
                parts.append(self.tokens[index - self.end_id - 1])
        return "".join(parts).strip()


def _split_words(text: str) -> Iterator[str]:
    """Yields the words of a text, each with the blank before it."""
    blank = ""
    for piece in tokenize_text(text, _CUTTER):
        if piece == " ":
            blank = " "
            continue
        yield blank + piece
        blank = ""


_CUTTER = ChineseSegmenter()


GPT = Autoregressive(width=96, max_length=40, dropout=0.1, top_p=0.9)
TOO_SHORT, NO_WORDS = "fewer than 3 words", "no words"
_LAYOUT = ("where", "events_range", "new_events_range")
_BATCH = 512  # texts generated together


@dataclass(frozen=True)
class CatalogLanguageModel:
    """Rewrites item titles with a small language model trained on the catalog, in minutes on a CPU.

    model                           the sequence generator to train: autoregressive, vae or gan, with its fields
    text_column                     the text column to train on; "": the first that is not the brand
    keep_range                      share of a text's words kept as its beginning, drawn uniformly
    max_words                       vocabulary size; rarer words are encoded by characters
    max_new_tokens                  maximum new tokens (words, or characters of rare words)
    max_attempts                    drafts of a text before it stays unchanged, each with its own key
    p                               probability of a rewrite (× strength)
    cache                           folder of trained models, by a hash of their inputs; "": in a run the folder of the
                                    variant
    protect, forbidden, length_range, similarity_range  see `Endpoint`

    Numbers, sizes, brands and colors of the replaced part are appended again; a draft is rejected if it states others,
    differs too much from the text, or has a word that is not in the catalog.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("titles", has_cache=True)
    model: Generator = GPT
    text_column: str = ""
    keep_range: tuple[float, float] = (0.4, 0.8)
    max_words: int = 6_000
    max_new_tokens: int = 16
    max_attempts: int = 2
    p: float = 1.0
    cache: str = ""
    protect: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = FORBIDDEN
    length_range: tuple[float, float] = (0.4, 2.5)
    similarity_range: tuple[float, float] = (0.3, 1.0)

    def __post_init__(self) -> None:
        check_range("titles.keep_range", self.keep_range, 0, 1)
        check_range("titles.length_range", self.length_range, 0)
        check_range("titles.similarity_range", self.similarity_range, -1, 1)
        check_share("titles.p", self.p)
        for name in ("max_words", "max_new_tokens", "max_attempts"):
            check_count(f"titles.{name}", getattr(self, name), 1)
        if not (is_dataclass(self.model) and all(hasattr(self.model, name) for name in _LAYOUT)):
            fix = "by = 'autoregressive', 'vae' or 'gan'"
            raise SpecError("titles.model", "a generator that continues rows", type(self.model).__name__, fix)

    def fit(self, catalog: Catalog) -> FittedLanguageModel:
        """Trains on the titles, conditioned on categories if there are any.

        Raises DataError for a catalog without texts; FitError for a non-finite loss.
        """
        column = self.text_column or next((name for name in catalog.texts if name != "brand"), "")
        if column not in catalog.texts or not any(text.strip() for text in catalog.texts[column]):
            fix = (
                suggest_name(self.text_column, catalog.texts)
                if self.text_column
                else "name text columns in item_columns"
            )
            raise DataError("titles.learn", "a column with texts", repr(column) if column else "none", fix)
        return FittedLanguageModel.from_catalog(
            self, train_language_model(self, list(catalog.texts[column]), _list_category_codes(catalog)), catalog
        )


@dataclass(frozen=True, eq=False)
class TrainedLanguageModel:
    """A codec, and a generator that continues rows of its ids."""

    codec: CharacterCodec
    generator: FittedGenerator

    def generate_texts(self, begins: Sequence[Sequence[int]], keys: RngKeys) -> list[str]:
        """Returns one text for each beginning (a category id and token ids) and key."""
        texts: list[str] = []
        for first in range(0, len(begins), _BATCH):
            part = begins[first : first + _BATCH]
            rows = self.generator.sample(keys[first : first + _BATCH], build_token_rows(part, self.codec))
            bounds = zip(rows.starts[:-1].tolist(), rows.starts[1:].tolist(), strict=True)
            texts += [self.codec.decode_ids(rows.items[begin:end].tolist()) for begin, end in bounds]
        return texts

    def compute_surprisal(self, texts: Sequence[str], codes: Sequence[int]) -> float:
        """Returns the mean negative natural log-probability of a token over these texts."""
        rows = build_token_rows(
            [_encode(self.codec, text, code) for text, code in zip(texts, codes, strict=True)], self.codec
        )
        generator: Any = self.generator
        return float(-generator.log_likelihood(rows).sum() / (rows.n_events - len(rows)))


def train_language_model(
    config: CatalogLanguageModel, texts: Sequence[str], codes: Sequence[int], key: int = 0
) -> TrainedLanguageModel:
    """Returns a model trained on texts of these category codes (0: none), or the cached one."""
    fields = asdict(config.model)  # type: ignore[call-overload]
    inputs = json.dumps(
        [
            [type(config.model).__name__, json.loads(json.dumps(fields, default=str))],
            config.max_words,
            config.max_new_tokens,
            key,
            list(texts),
            [int(one) for one in codes],
        ]
    )
    folder = Path(config.cache) / hashlib.blake2b(inputs.encode(), digest_size=16).hexdigest() if config.cache else None
    own = (
        {"match_popularity": False} if hasattr(config.model, "match_popularity") else {}
    )  # continuations have other word frequencies
    by: Any = replace(config.model, where="after", new_events_range=(config.max_new_tokens,) * 2, **own)  # type: ignore[type-var]
    if folder is not None and (folder / "codec.json").is_file():
        saved = json.loads((folder / "codec.json").read_text(encoding="utf-8"))
        return TrainedLanguageModel(CharacterCodec(saved["categories"], tuple(saved["tokens"])), type(by).load(folder))
    spelling = CharacterCodec.from_texts(texts, config.max_words, int(max(codes, default=0)) + 1)
    rows = build_token_rows([_encode(spelling, text, code) for text, code in zip(texts, codes, strict=True)], spelling)
    generator = by.fit(rows, rng.derive_key(key, "titles"))
    if folder is not None:
        generator.save(folder)
        facts = {"categories": spelling.n_categories, "tokens": spelling.tokens}
        (folder / "codec.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
    return TrainedLanguageModel(spelling, generator)


def build_token_rows(rows: Sequence[Sequence[int]], spelling: CharacterCodec) -> Histories:
    """Returns rows of ids, with their positions as times."""
    return Histories.from_lists(rows, spelling.n_ids)


def _encode(spelling: CharacterCodec, text: str, code: int) -> list[int]:
    """Returns the ids of a text: its category, its words, the end token."""
    return [code + 1, *spelling.encode_text(text), spelling.end_id]


def _list_category_codes(catalog: Catalog) -> list[int]:
    return [0] * len(catalog) if catalog.category is None else catalog.category[1:].tolist()


def _map_categories(catalog: Catalog) -> dict[str, int]:
    codes = _list_category_codes(catalog)
    return {text: code for column in catalog.texts.values() for text, code in zip(column, codes, strict=True)}


@dataclass(frozen=True, eq=False)
class FittedLanguageModel:
    """The fitted operator. known: lower-case words of the catalog; category_of: code of each of its texts.

    rejected  reason -> number of rejected drafts
    outcomes  first reason of each text whose drafts were all rejected so far
    """

    config: CatalogLanguageModel
    model: TrainedLanguageModel
    checks: OutputChecks
    known: frozenset[str]
    category_of: Mapping[str, int]
    rejected: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_catalog(
        cls, config: CatalogLanguageModel, learned: TrainedLanguageModel, catalog: Catalog
    ) -> FittedLanguageModel:
        """Returns the operator with the words, brands and categories of the catalog."""
        checks = OutputChecks.from_catalog(
            catalog, config.protect, config.forbidden, config.length_range, config.similarity_range
        )
        known = {word.lower() for texts in catalog.texts.values() for text in texts for word in tokenize_text(text)}
        return cls(config, learned, checks, frozenset(known), _map_categories(catalog))

    def __call__(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[str]:
        """Returns one text for each text: rewritten if drawn and if a draft passes the checks, else unchanged."""
        rewritten = list(texts)
        drawn = rng.draw_uniform(keys, 0) < self.config.p * np.clip(strength, 0, 1)
        pending = [row for row in np.flatnonzero(drawn).tolist() if self._is_long(texts[row])]
        for attempt in range(self.config.max_attempts):
            own = rng.derive_row_keys(rng.derive_key(0, "draft", attempt), keys[np.array(pending, np.int64)])
            drafts = self._write_drafts([texts[row] for row in pending], own)
            accepted = [self._is_accepted(texts[row], draft) for row, draft in zip(pending, drafts, strict=True)]
            for row, draft, is_accepted in zip(pending, drafts, accepted, strict=True):
                if is_accepted:
                    rewritten[row] = draft
            pending = [row for row, is_accepted in zip(pending, accepted, strict=True) if not is_accepted]
        return rewritten

    def _is_long(self, text: str) -> bool:
        """Returns whether a text has three words, so that one can be replaced; Chinese words are segmented."""
        return int(is_word(self.checks.reader([text])[0]).sum()) >= 3

    def _write_drafts(self, texts: Sequence[str], keys: RngKeys) -> list[str]:
        """Returns the continued beginning of each text, with the protected words of the rest appended."""
        pieces, free = self.checks.reader(texts)
        words, held = pieces.tokens, (is_word(pieces) & ~free).tolist()
        low, high = self.config.keep_range
        share = low + (high - low) * rng.draw_uniform(keys, 1)
        starts, ends = pieces.starts[:-1].tolist(), pieces.starts[1:].tolist()
        begins, protected = [], []
        for text, part, start, end in zip(texts, share.tolist(), starts, ends, strict=True):
            stop = start + max(round(part * (end - start)), 1)
            kept = self.model.codec.encode_text("".join(words[start:stop]).rstrip())
            begins.append([self.category_of.get(text, 0) + 1, *kept])
            protected.append([words[index] for index in range(stop, end) if held[index]])
        drafts = self.model.generate_texts(begins, keys)
        return [
            " ".join([draft, *(word for word in words if word.lower() not in f" {draft.lower()} ")])
            for draft, words in zip(drafts, protected, strict=True)
        ]

    def _is_accepted(self, text: str, draft: str) -> bool:
        try:
            if not self.known.issuperset(word.lower() for word in tokenize_text(draft) if word not in text):
                raise RejectedAnswer("a word that is not in the catalog")
            self.checks(text, json.dumps({"paraphrase": draft}))
        except RejectedAnswer as error:
            reason = str(error).split(":")[0]
            self.rejected[reason] += 1
            self.outcomes.setdefault(text, reason)
            return False
        self.outcomes.pop(text, None)
        return True

    def reasons(self, texts: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Returns the rejection reasons: empty and short texts, and the first reason of rejected ones."""
        reasons = {NO_WORDS: np.array([not text.strip() for text in texts], bool)}
        reasons[TOO_SHORT] = np.array([not self._is_long(text) for text in texts], bool)
        for row, text in enumerate(texts):
            if text in self.outcomes:
                reasons.setdefault(self.outcomes[text], np.zeros(len(texts), bool))[row] = True
        return reasons
