"""Rewriting of many texts with a language model: requests, checks, budget and cache."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import DataError
from leaven.generators.text.output_checks import OutputChecks, RejectedAnswer, Rewrite
from leaven.protocols import RngKeys, Strength


@dataclass(frozen=True)
class ModelAnswer:
    """A model's answer, and the tokens read and written as the model counts them."""

    text: str
    tokens: int = 0


class ResponseCache:
    """Answers by a hash of their inputs. path "": in memory, for the lifetime of the object."""

    def __init__(self, path: str) -> None:
        try:
            if path:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or ":memory:")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, answer TEXT, tokens INTEGER)"
            )
        except (sqlite3.Error, OSError) as error:
            raise DataError(path, "a SQLite file of answers", str(error), "set cache to another file") from error

    def get(self, request: str) -> ModelAnswer | None:
        """Returns the cached answer of a request hash, or None."""
        row = self._database.execute("SELECT answer, tokens FROM answers WHERE request = ?", (request,)).fetchone()
        return ModelAnswer(row[0], row[1]) if row else None

    def put(self, request: str, answer: ModelAnswer) -> None:
        """Stores an answer; it is on disk on return."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (request, answer.text, answer.tokens)
            )


PROMPT_VERSION = 1
"""Version of the prompt and the answer format; part of every cache key."""
OUTPUTS = ("paraphrase", "tags", "attributes")
PROMPT = (
    "You rewrite the text of an item in a shop's catalogue. Answer with one JSON object and nothing else: "
    '{"paraphrase": "the text in other words, in its own language", "tags": ["…"], '
    '"attributes": [{"name": "…", "value": "…", "evidence": "words of the text, copied"}]}. '
    "Keep every brand, number, size, unit, colour, material and negation as it is. Add nothing that the text does not "
    "say: no certificates, no effects on health, no prices, no shipping."
)


class ModelCallError(Exception):
    """A model call failed after all attempts; the message is the reason."""


class TextModel(Protocol):
    """A language model that answers requests."""

    @property
    def name(self) -> str:
        """Identifies the model in cache keys."""
        ...

    def generate_answer(self, messages: Sequence[Mapping[str, str]], variant: int) -> ModelAnswer:
        """Returns an answer. Raises ModelCallError."""
        ...


@dataclass(frozen=True)
class CallBudget:
    """The budget of one fitted operator: calls, and tokens as the model counts them; None: no bound."""

    max_calls: int | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class CostEstimate:
    """The cost of rewriting, before any request. n_cached: answers in the cache."""

    calls: int
    tokens: int
    price: float
    n_cached: int


@dataclass
class _Spent:
    calls: int = 0
    tokens: int = 0

    def exceeds(self, budget: CallBudget) -> bool:
        """Returns whether the budget is exhausted."""
        is_over_calls = budget.max_calls is not None and self.calls >= budget.max_calls
        return is_over_calls or (budget.max_tokens is not None and self.tokens >= budget.max_tokens)


@dataclass(eq=False)
class TextRewriter:
    """The fitted operator: returns checked rewrites of texts; the cache makes it reproducible.

    output           part of the answer that becomes the view: the paraphrase, or the text followed by tags or
                     attributes
    p                probability of a rewrite (× strength); variants: number of different answers for a text
    stop_on_failure  whether a failed call or an exhausted budget stops the run; else the text is unchanged
    n_jobs           concurrent requests
    rejected         reason -> number of answers rejected after one repair
    """

    model: TextModel
    checks: OutputChecks
    cache: ResponseCache
    budget: CallBudget
    output: str
    p: float
    variants: int
    stop_on_failure: bool
    n_jobs: int
    rejected: Counter[str] = field(default_factory=Counter)
    spent: _Spent = field(default_factory=_Spent)
    outcomes: dict[tuple[str, int], Rewrite | str] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[str]:
        """Returns one text for each text: rewritten if drawn and if the answer passes the checks, else unchanged.

        Raises DataError with `stop_on_failure` for a failed call or an exhausted budget; answers so far are cached.
        """
        drawn = rng.draw_uniform(keys, 0) < self.p * np.clip(strength, 0, 1)
        variant = (rng.draw_uniform(keys, 1) * self.variants).astype(int).tolist()
        requests = [
            (text, v)
            for text, v, is_drawn in zip(texts, variant, drawn.tolist(), strict=True)
            if is_drawn and text.strip()
        ]
        self._rewrite(list(dict.fromkeys(requests)))
        rewritten = list(texts)
        for row in np.flatnonzero(drawn).tolist():
            outcome = self.outcomes.get((texts[row], variant[row]))
            if isinstance(outcome, Rewrite):
                rewritten[row] = self._build_view(texts[row], outcome)
        return rewritten

    def _build_view(self, text: str, written: Rewrite) -> str:
        if self.output == "paraphrase":
            return written.paraphrase
        if self.output == "tags":
            return " | ".join((text, *written.tags))
        return " | ".join((text, *(f"{name}: {value}" for name, value, _ in written.attributes)))

    def reasons(self, texts: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Returns the rejection reasons: empty texts, and texts whose answers so far were all rejected."""
        reasons: dict[str, npt.NDArray[np.bool_]] = {"no words": np.array([not text.strip() for text in texts], bool)}
        known = [[self.outcomes[text, v] for v in range(self.variants) if (text, v) in self.outcomes] for text in texts]
        for row, outcomes in enumerate(known):
            if len(outcomes) == self.variants and all(isinstance(outcome, str) for outcome in outcomes):
                reason = str(outcomes[0]).split(":")[0]
                reasons.setdefault(reason, np.zeros(len(texts), bool))[row] = True
        return reasons

    def estimate_cost(self, texts: Sequence[str], price_per_million: float = 0.0) -> CostEstimate:
        """Returns calls, tokens and price of all variants of these texts. A token is about 4 characters."""
        pairs = [(text, v) for text in dict.fromkeys(texts) if text.strip() for v in range(self.variants)]
        uncached = [(text, v) for text, v in pairs if self.cache.get(self._hash_request(text, v)) is None]
        tokens = sum((len(PROMPT) + 3 * len(text)) // 4 + 60 for text, _ in uncached)
        return CostEstimate(len(uncached), tokens, tokens * price_per_million / 1e6, len(pairs) - len(uncached))

    def _hash_request(self, text: str, variant: int, repair: str = "") -> str:
        parts = (str(PROMPT_VERSION), self.model.name, text, str(variant), repair)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()

    def _rewrite(self, pairs: Sequence[tuple[str, int]]) -> None:
        """Fills the outcomes of all (text, variant) pairs; rejected answers are repaired once."""
        requests = [_Request(text, v) for text, v in pairs if (text, v) not in self.outcomes]
        repairs = list(self._check_answers(requests, last=False))
        if repairs:
            list(self._check_answers(repairs, last=True))

    def _check_answers(self, requests: Sequence[_Request], last: bool) -> Iterator[_Request]:
        """Stores the outcomes of requests, and yields repair requests for rejected answers unless `last`."""
        for request, answer in self._collect_answers(requests):
            pair = request.text, request.variant
            if isinstance(answer, str):  # the call failed
                self.rejected[answer] += 1
                self.outcomes[pair] = answer
                continue
            try:
                self.outcomes[pair] = self.checks(request.text, answer.text)
            except RejectedAnswer as error:
                if not last:
                    yield _Request(request.text, request.variant, str(error), answer.text)
                    continue
                self.rejected[str(error).split(":")[0]] += 1
                self.outcomes[pair] = str(error)

    def _collect_answers(self, requests: Sequence[_Request]) -> Iterator[tuple[_Request, ModelAnswer | str]]:
        """Yields each request with its answer, cached if possible, or the reason of failure; in order."""
        answers: dict[int, ModelAnswer | str] = {}
        uncached = []
        for number, request in enumerate(requests):
            cached = self.cache.get(self._hash_request(request.text, request.variant, request.reason))
            if cached is not None:
                answers[number] = cached
            else:
                uncached.append(number)
        with ThreadPoolExecutor(self.n_jobs) as pool:
            for begin in range(0, len(uncached), self.n_jobs):
                part = uncached[begin : begin + self.n_jobs]
                answers |= self._send_requests(pool.submit, requests, part)
        yield from ((request, answers[number]) for number, request in enumerate(requests))

    def _send_requests(
        self, submit: Callable[..., Future[ModelAnswer]], requests: Sequence[_Request], part: Sequence[int]
    ) -> dict[int, ModelAnswer | str]:
        """Sends the requests of these numbers within the budget, and caches every answer on arrival."""
        answers: dict[int, ModelAnswer | str] = {}
        pending: dict[Future[ModelAnswer], int] = {}
        for number in part:
            if self.spent.exceeds(self.budget):
                answers[number] = self._handle_failure(
                    "the budget is spent", "raise max_calls or max_tokens, and run again"
                )
                continue
            self.spent.calls += 1
            request = requests[number]
            sent = build_messages(request.text, request.variant, request.reason, request.answer)
            pending[submit(self.model.generate_answer, sent, request.variant)] = number
        for done in as_completed(pending):
            number = pending[done]
            request = requests[number]
            try:
                answer = done.result()
            except ModelCallError as error:
                answers[number] = self._handle_failure(str(error), "run again: answers so far are cached")
                continue
            self.spent.tokens += answer.tokens
            self.cache.put(self._hash_request(request.text, request.variant, request.reason), answer)
            answers[number] = answer
        return answers

    def _handle_failure(self, reason: str, fix: str) -> str:
        if self.stop_on_failure:
            raise DataError("generated text", "an answer of the model", reason, fix)
        return reason


@dataclass(frozen=True)
class _Request:
    """A request for a variant of a text; for a repair, the rejection reason and the rejected answer."""

    text: str
    variant: int
    reason: str = ""
    answer: str = ""


def build_messages(text: str, variant: int, reason: str, rejected: str) -> list[dict[str, str]]:
    """Returns the messages of a request: the rules and the text; for a repair, also the rejected answer and reason."""
    chat = [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": json.dumps({"text": text, "variant": variant}, ensure_ascii=False)},
    ]
    if reason:
        chat.append({"role": "assistant", "content": rejected})
        chat.append({"role": "user", "content": f"This was refused: {reason}. Answer again, with that put right."})
    return chat


def validate_rewriting(kind: str, config: Any) -> None:
    """Raises SpecError for invalid fields that both configs share."""
    from leaven.errors import SpecError
    from leaven.field_checks import check_choice, check_count, check_range, check_share

    check_choice(f"{kind}.output", config.output, OUTPUTS)
    check_share(f"{kind}.p", config.p)
    check_count(f"{kind}.variants", config.variants, 1)
    check_range(f"{kind}.length_range", config.length_range, 0)
    check_range(f"{kind}.similarity_range", config.similarity_range, -1, 1)
    if config.on_failure not in ("stop", "skip"):
        raise SpecError(f"{kind}.on_failure", "'stop' or 'skip'", repr(config.on_failure), "")
