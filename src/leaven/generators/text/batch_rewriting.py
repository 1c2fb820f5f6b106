"""How are many texts written, checked, paid for and kept, so that a stopped run goes on where it was?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import DataError
from leaven.generators.text.output_checks import Checks, Refused, Written
from leaven.generators.text.response_cache import Answer, Answers
from leaven.protocols import Keys, Strength

VERSION = 1
"""Of the prompt and the form of the answer: another one makes other answers."""
TAKES = ("paraphrase", "tags", "attributes")
PROMPT = (
    "You rewrite the text of an item in a shop's catalogue. Answer with one JSON object and nothing else: "
    '{"paraphrase": "the text in other words, in its own language", "tags": ["…"], '
    '"attributes": [{"name": "…", "value": "…", "evidence": "words of the text, copied"}]}. '
    "Keep every brand, number, size, unit, colour, material and negation as it is. Add nothing that the text does not "
    "say: no certificates, no effects on health, no prices, no shipping."
)


class Failed(Exception):
    """A model could not be asked, however often it was tried; its text says why."""


class Author(Protocol):
    """Who is asked."""

    @property
    def name(self) -> str:
        """Says which model it is, for the file of answers."""
        ...

    def ask(self, messages: Sequence[Mapping[str, str]], variant: int) -> Answer:
        """An answer. Raises Failed."""
        ...


@dataclass(frozen=True)
class Budget:
    """What may be spent by one fitted operator: calls, and tokens as the model counts them; None: no bound."""

    calls: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Estimate:
    """What writing would cost, before anything is asked. known: answers that are kept already."""

    calls: int
    tokens: int
    price: float
    known: int


@dataclass
class _Spent:
    calls: int = 0
    tokens: int = 0

    def over(self, budget: Budget) -> bool:
        """Whether nothing more may be asked."""
        too_often = budget.calls is not None and self.calls >= budget.calls
        return too_often or (budget.tokens is not None and self.tokens >= budget.tokens)


@dataclass(eq=False)
class Writer:
    """The fitted operator: texts go in, checked views come out; the file of answers makes it repeatable.

    take      what of an answer becomes the view: the paraphrase, or the text with tags or attributes behind it
    p         chance that a text is written anew (× strength); variants: how many different answers a text may have
    stop      whether the run stops where a model fails or the budget is spent; else the text stays as it is
    at_once   questions on their way at a time
    refused   why -> how many answers were not taken, after their one repair
    """

    author: Author
    checks: Checks
    answers: Answers
    budget: Budget
    take: str
    p: float
    variants: int
    stop: bool
    at_once: int
    refused: Counter[str] = field(default_factory=Counter)
    spent: _Spent = field(default_factory=_Spent)
    outcomes: dict[tuple[str, int], Written | str] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One text a text: written anew where drawn and where the answer holds, else as it is.

        Raises DataError where the model fails or the budget is spent, and `stop` is said; answers so far are kept.
        """
        drawn = rng.uniform(keys, 0) < self.p * np.clip(strength, 0, 1)
        variant = (rng.uniform(keys, 1) * self.variants).astype(int).tolist()
        wanted = [(text, v) for text, v, go in zip(texts, variant, drawn.tolist(), strict=True) if go and text.strip()]
        self._write(list(dict.fromkeys(wanted)))
        made = list(texts)
        for row in np.flatnonzero(drawn).tolist():
            outcome = self.outcomes.get((texts[row], variant[row]))
            if isinstance(outcome, Written):
                made[row] = self._view(texts[row], outcome)
        return made

    def _view(self, text: str, written: Written) -> str:
        if self.take == "paraphrase":
            return written.paraphrase
        if self.take == "tags":
            return " | ".join((text, *written.tags))
        return " | ".join((text, *(f"{name}: {value}" for name, value, _ in written.attributes)))

    def reasons(self, texts: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Empty texts, and those all of whose answers so far were refused, by the reason."""
        found: dict[str, npt.NDArray[np.bool_]] = {"no words": np.array([not text.strip() for text in texts], bool)}
        known = [[self.outcomes[text, v] for v in range(self.variants) if (text, v) in self.outcomes] for text in texts]
        for row, outcomes in enumerate(known):
            if len(outcomes) == self.variants and all(isinstance(one, str) for one in outcomes):
                reason = str(outcomes[0]).split(":")[0]
                found.setdefault(reason, np.zeros(len(texts), bool))[row] = True
        return found

    def estimate(self, texts: Sequence[str], price_per_million: float = 0.0) -> Estimate:
        """Calls, tokens and price of all variants of these texts; nothing is asked. A token is about four letters."""
        pairs = [(text, v) for text in dict.fromkeys(texts) if text.strip() for v in range(self.variants)]
        asked = [(text, v) for text, v in pairs if self.answers.get(self._mark(text, v)) is None]
        tokens = sum((len(PROMPT) + 3 * len(text)) // 4 + 60 for text, _ in asked)
        return Estimate(len(asked), tokens, tokens * price_per_million / 1e6, len(pairs) - len(asked))

    def _mark(self, text: str, variant: int, repair: str = "") -> str:
        return Answers.mark(VERSION, self.author.name, text, variant, repair)

    def _write(self, pairs: Sequence[tuple[str, int]]) -> None:
        """The outcomes of all pairs; refused answers are repaired once."""
        asked = [(text, v, "", "") for text, v in pairs if (text, v) not in self.outcomes]
        again = list(self._judged(asked, last=False))
        if again:
            list(self._judged(again, last=True))

    def _judged(self, asked: Sequence[tuple[str, int, str, str]], last: bool) -> Iterator[tuple[str, int, str, str]]:
        """Asks (text, variant, reason of the refusal, answer refused); those to be asked once more."""
        for (text, variant, _, _), answer in self._answered(asked):
            if isinstance(answer, str):  # it could not be asked
                self.refused[answer] += 1
                self.outcomes[text, variant] = answer
                continue
            try:
                self.outcomes[text, variant] = self.checks(text, answer.said)
            except Refused as refusal:
                if not last:
                    yield text, variant, str(refusal), answer.said
                    continue
                self.refused[str(refusal).split(":")[0]] += 1
                self.outcomes[text, variant] = str(refusal)

    def _answered(
        self, asked: Sequence[tuple[str, int, str, str]]
    ) -> Iterator[tuple[tuple[str, int, str, str], Answer | str]]:
        """Each question with its answer, from the file where it is there, or why there is none; in their order."""
        found: dict[int, Answer | str] = {}
        open_ones = []
        for number, (text, variant, why, _) in enumerate(asked):
            kept = self.answers.get(self._mark(text, variant, why))
            if kept is not None:
                found[number] = kept
            else:
                open_ones.append(number)
        with ThreadPoolExecutor(self.at_once) as pool:
            for begin in range(0, len(open_ones), self.at_once):
                part = open_ones[begin : begin + self.at_once]
                found |= self._asked(pool.submit, asked, part)
        yield from ((one, found[number]) for number, one in enumerate(asked))

    def _asked(
        self, submit: Callable[..., Future[Answer]], asked: Sequence[tuple[str, int, str, str]], part: Sequence[int]
    ) -> dict[int, Answer | str]:
        """A handful of questions at a time, within the budget; every answer is kept as soon as it is there."""
        found: dict[int, Answer | str] = {}
        going: dict[Future[Answer], int] = {}
        for number in part:
            if self.spent.over(self.budget):
                found[number] = self._stopped("the budget is spent", "raise most_calls or most_tokens, and run again")
                continue
            self.spent.calls += 1
            going[submit(self.author.ask, messages(*asked[number]), asked[number][1])] = number
        for done in as_completed(going):
            number = going[done]
            text, variant, why, _ = asked[number]
            try:
                answer = done.result()
            except Failed as failure:
                found[number] = self._stopped(str(failure), "run again: what was answered is kept")
                continue
            self.spent.tokens += answer.tokens
            self.answers.put(self._mark(text, variant, why), answer)
            found[number] = answer
        return found

    def _stopped(self, why: str, fix: str) -> str:
        if self.stop:
            raise DataError("generated words", "an answer of the model", why, fix)
        return why


def messages(text: str, variant: int, why: str, refused: str) -> list[dict[str, str]]:
    """What is sent: the rules, the text and nothing else of the item; for a repair, the answer and what is wrong."""
    sent = [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": json.dumps({"text": text, "variant": variant}, ensure_ascii=False)},
    ]
    if why:
        sent.append({"role": "assistant", "content": refused})
        sent.append({"role": "user", "content": f"This was refused: {why}. Answer again, with that put right."})
    return sent


def check_writing(kind: str, config: Any) -> None:
    """SpecError unless the fields that both configs share are right."""
    from leaven.errors import SpecError
    from leaven.transforms.validation import check_count, check_range, check_share, check_word

    check_word(f"{kind}.take", config.take, TAKES)
    check_share(f"{kind}.p", config.p)
    check_count(f"{kind}.variants", config.variants, 1)
    check_range(f"{kind}.length_range", config.length_range, 0)
    check_range(f"{kind}.likeness_range", config.likeness_range, -1, 1)
    if config.on_failure not in ("stop", "skip"):
        raise SpecError(f"{kind}.on_failure", "'stop' or 'skip'", repr(config.on_failure), "")
