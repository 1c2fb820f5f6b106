"""Text generator that calls a server with the OpenAI chat completions API, with retries."""

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

_MAX_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Endpoint:
    """Rewrites item texts with a language model behind an endpoint: "soft hand cream 50 ml" as
    "hand cream, soft, 50 ml".

    url           base address of the API, up to "/v1"; no other address is called
    model         the server's name of the model
    take          "paraphrase" replaces the text; "tags" or "attributes" are appended to it
    p             probability of a rewrite (× strength)
    variants      maximum number of different answers for a text; copies and epochs draw among them
    cache         SQLite file of answers, by a hash of their inputs; "": in memory
    key_variable  environment variable of the API key, if the server needs one
    most_calls, most_tokens  the budget of a fit; None: no bound
    on_failure    "stop": the run stops at a failed call or an exhausted budget, and resumes when run again; "skip": the
                  text is unchanged and counted
    tries, wait_seconds, timeout_seconds  attempts of a request; first pause after a failure, doubled with each, unless
                  the server names one; maximum time for an answer
    at_once       concurrent requests
    temperature   of the model
    protect       words and phrases to preserve, besides brands, numbers, sizes, colors and materials
    forbidden     claims that are rejected unless the source text makes them
    length_range, likeness_range  bounds of the paraphrase's length over the text's, and of their cosine

    Only the text is sent. Answers that fail a check are repaired once, then rejected and counted.
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
            raise SpecError(
                "endpoint.max_attempts", "max_attempts, n_jobs, timeout above 0", f"{self.tries}, {self.at_once}", ""
            )

    def fit(self, catalog: Catalog) -> Writer:
        """Fits the checks on brands, words and categories, without requests.

        Raises DataError for a cache that cannot be opened.
        """
        checks = Checks.of(catalog, self.protect, self.forbidden, self.length_range, self.likeness_range)
        budget = Budget(self.most_calls, self.most_tokens)
        stop = self.on_failure == "stop"
        return Writer(
            Server(self), checks, Answers(self.cache), budget, self.take, self.p, self.variants, stop, self.at_once
        )


@dataclass(frozen=True)
class Server:
    """The model behind an endpoint."""

    config: Endpoint

    @property
    def name(self) -> str:
        """Address, model and temperature."""
        return f"{self.config.url} {self.config.model} {self.config.temperature}"

    def ask(self, messages: Sequence[Mapping[str, str]], variant: int) -> Answer:
        """Returns an answer, with retries. Raises ModelCallError with the last failure."""
        request = {
            "model": self.config.model,
            "messages": list(messages),
            "temperature": self.config.temperature,
            "seed": variant,
            "response_format": {"type": "json_object"},
        }
        body, reason = json.dumps(request).encode(), ""
        for attempt in range(self.config.tries):
            wait = self.config.wait_seconds * 2**attempt * _draw_jitter(body, attempt)
            try:
                return _parse_response(self._post(body))
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"the server answered {error.code}"
                if error.code == 400 and b"response_format" in body:
                    request.pop("response_format")  # not supported by some servers; the format is checked anyway
                    body = json.dumps(request).encode()
                elif error.code not in (408, 409, 425, 429) and error.code < 500:
                    raise Failed(reason) from None  # a retry would not help
                wait = _read_retry_after(error.headers.get("Retry-After"), wait)
            except TimeoutError:
                reason = f"no answer within {self.config.timeout_seconds:g} s"
            except urllib.error.URLError as error:
                is_timeout = isinstance(error.reason, TimeoutError)
                reason = (
                    f"no answer within {self.config.timeout_seconds:g} s"
                    if is_timeout
                    else "the server cannot be reached"
                )
            except (ValueError, KeyError, IndexError, TypeError, HTTPException, OSError):
                reason = "the server's answer is invalid"
            if attempt + 1 < self.config.tries:
                time.sleep(min(wait, _MAX_WAIT_SECONDS))
        raise Failed(reason)

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.config.key_variable, ""):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.config.url.rstrip('/')}/chat/completions", body, headers)
        with urllib.request.urlopen(request, timeout=self.config.timeout_seconds) as response:
            content: bytes = response.read()
        return content


def _parse_response(content: bytes) -> Answer:
    """Returns the answer of a chat completion. Raises ValueError, KeyError, IndexError or TypeError if invalid."""
    response = json.loads(content)
    text = response["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise TypeError
    return Answer(text, int((response.get("usage") or {}).get("total_tokens") or 0))


def _read_retry_after(header: str | None, default: float) -> float:
    try:
        return max(float(header or ""), 0.0)
    except ValueError:
        return default


def _draw_jitter(body: bytes, attempt: int) -> float:
    """Returns a factor in 0.5..1.5 that depends on the request, so that retries are spread in time."""
    return 0.5 + (rng.key(attempt, body.decode()) >> 11) * 2.0**-53
