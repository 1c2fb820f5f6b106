"""How is a server asked that speaks OpenAI's chat completions, and what if it is down, slow, wrong or busy?"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.generators.text.batch_rewriting import Budget, Failed, Writer, check_writing
from leaven.generators.text.output_checks import FORBIDDEN, Checks
from leaven.generators.text.response_cache import Answer, Answers

_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Endpoint:
    """Have a language model behind an endpoint write views of items' texts: "soft hand cream 50 ml" as
    "hand cream, soft, 50 ml".

    url           where chat completions are asked, as far as "/v1"; nothing is sent anywhere else
    model         the name that the server knows it by
    take          "paraphrase" takes its place; "tags" or "attributes" stand behind the text
    p             chance that a text is written anew (× strength)
    variants      different answers of a text, at most; copies and epochs choose among them
    cache         file of answers (SQLite), by the hash of what they follow from; "": none outlives this process
    key_variable  environment variable that holds the key of the server, if it wants one
    most_calls, most_tokens  the budget of a fit; none: without bound
    on_failure    "stop": the run stops where the server fails or the budget is spent, and goes on when run again;
                  "skip": the text stays as it is, and is counted
    tries, wait_seconds, timeout_seconds  tries of a question; first pause after a failure, doubled with each, unless
                  the server names one; how long an answer may take
    at_once       questions on their way at a time
    temperature   of the model
    protect       words and phrases that must survive, beside brands, numbers, sizes, colours and materials
    forbidden     claims that an answer may only make where the text does
    length_range, likeness_range  bounds of the paraphrase's length over the text's, and of their cosine

    Nothing but the text itself is sent. Answers that fail a check are repaired once, then refused and counted.
    """

    url: str = "http://localhost:8000/v1"
    model: str = "default"
    take: str = "paraphrase"
    p: float = 1.0
    variants: int = 1
    cache: str = ""
    key_variable: str = "OPENAI_API_KEY"
    most_calls: int | None = None
    most_tokens: int | None = None
    on_failure: str = "stop"
    tries: int = 4
    wait_seconds: float = 1.0
    timeout_seconds: float = 60.0
    at_once: int = 4
    temperature: float = 0.7
    protect: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = FORBIDDEN
    length_range: tuple[float, float] = (0.4, 2.5)
    likeness_range: tuple[float, float] = (0.2, 1.0)

    def __post_init__(self) -> None:
        check_writing("endpoint", self)
        if not self.url.startswith(("http://", "https://")):
            raise SpecError("endpoint.url", "an http or https address", repr(self.url), "http://localhost:8000/v1")
        if self.tries < 1 or self.at_once < 1 or not (self.wait_seconds >= 0 and self.timeout_seconds > 0):
            raise SpecError("endpoint.tries", "tries, at_once, timeout above 0", f"{self.tries}, {self.at_once}", "")

    def fit(self, catalog: Catalog) -> Writer:
        """Learns brands, words and categories for the checks; asks nothing yet.

        Raises DataError for a file of answers that cannot be opened.
        """
        checks = Checks.of(catalog, self.protect, self.forbidden, self.length_range, self.likeness_range)
        budget = Budget(self.most_calls, self.most_tokens)
        stop = self.on_failure == "stop"
        return Writer(
            Server(self), checks, Answers(self.cache), budget, self.take, self.p, self.variants, stop, self.at_once
        )


@dataclass(frozen=True)
class Server:
    """The author behind an endpoint."""

    config: Endpoint

    @property
    def name(self) -> str:
        """Address, model and temperature."""
        return f"{self.config.url} {self.config.model} {self.config.temperature}"

    def ask(self, messages: Sequence[Mapping[str, str]], variant: int) -> Answer:
        """An answer, tried several times. Raises Failed with what came last."""
        asked = {
            "model": self.config.model,
            "messages": list(messages),
            "temperature": self.config.temperature,
            "seed": variant,
            "response_format": {"type": "json_object"},
        }
        body, why = json.dumps(asked).encode(), ""
        for turn in range(self.config.tries):
            wait = self.config.wait_seconds * 2**turn * _jitter(body, turn)
            try:
                return _answer(self._sent(body))
            except urllib.error.HTTPError as error:
                error.close()
                why = f"the server answered {error.code}"
                if error.code == 400 and b"response_format" in body:
                    asked.pop("response_format")  # some servers do not know it; the form is checked anyway
                    body = json.dumps(asked).encode()
                elif error.code not in (408, 409, 425, 429) and error.code < 500:
                    raise Failed(why) from None  # asking again would not help
                wait = _named_wait(error.headers.get("Retry-After"), wait)
            except TimeoutError:
                why = f"no answer within {self.config.timeout_seconds:g} s"
            except urllib.error.URLError as error:
                slow = isinstance(error.reason, TimeoutError)
                why = f"no answer within {self.config.timeout_seconds:g} s" if slow else "the server cannot be reached"
            except (ValueError, KeyError, IndexError, TypeError, HTTPException, OSError):
                why = "the server's answer is none"
            if turn + 1 < self.config.tries:
                time.sleep(min(wait, _LONGEST_WAIT))
        raise Failed(why)

    def _sent(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.config.key_variable, ""):
            headers["Authorization"] = f"Bearer {key}"
        asked = urllib.request.Request(f"{self.config.url.rstrip('/')}/chat/completions", body, headers)
        with urllib.request.urlopen(asked, timeout=self.config.timeout_seconds) as told:
            found: bytes = told.read()
        return found


def _answer(told: bytes) -> Answer:
    """What a chat completion says. Raises ValueError, KeyError, IndexError or TypeError for anything else."""
    found = json.loads(told)
    said = found["choices"][0]["message"]["content"]
    if not isinstance(said, str):
        raise TypeError
    return Answer(said, int((found.get("usage") or {}).get("total_tokens") or 0))


def _named_wait(header: str | None, else_wait: float) -> float:
    try:
        return max(float(header or ""), 0.0)
    except ValueError:
        return else_wait


def _jitter(body: bytes, turn: int) -> float:
    """0.5..1.5, another for each question, so that they do not all come back at once."""
    return 0.5 + (rng.key(turn, body.decode()) >> 11) * 2.0**-53
