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
from typing import ClassVar

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.generators.text.batch_rewriting import (
    CallBudget,
    ModelAnswer,
    ModelCallError,
    ResponseCache,
    TextRewriter,
    validate_rewriting,
)
from leaven.generators.text.output_checks import FORBIDDEN, OutputChecks
from leaven.protocols import OperatorTraits

_MAX_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Endpoint:
    """Rewrites item texts with a language model behind an endpoint: "soft hand cream 50 ml" as
    "hand cream, soft, 50 ml".

    url                             base address of the API, up to "/v1"; no other address is called
    model                           the server's name of the model
    output                          "paraphrase" replaces the text; "tags" or "attributes" are appended to it
    p                               probability of a rewrite (× strength)
    variants                        maximum number of different answers for a text; copies and epochs draw among them
    cache                           SQLite file of answers, by a hash of their inputs; "": in memory
    api_key_variable                environment variable of the API key, if the server needs one
    max_calls, max_tokens           the budget of a fit; None: no bound
    on_failure                      "stop": the run stops at a failed call or an exhausted budget, and resumes when run
                                    again; "skip": the text is unchanged and counted
    max_attempts, wait_seconds, timeout_seconds  attempts; first pause after a failure, then doubled, unless the
                                    server names one; maximum time for an answer
    n_jobs                          concurrent requests
    temperature                     of the model
    protect                         words and phrases to preserve, besides brands, numbers, sizes, colors and materials
    forbidden                       claims that are rejected unless the source text makes them
    length_range, similarity_range  bounds of the paraphrase's length over the text's, and of their cosine

    Only the text is sent. Answers that fail a check are repaired once, then rejected and counted.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("endpoint", has_cache=True)
    url: str = "http://localhost:8000/v1"
    model: str = "default"
    output: str = "paraphrase"
    p: float = 1.0
    variants: int = 1
    cache: str = ""
    api_key_variable: str = "OPENAI_API_KEY"
    max_calls: int | None = None
    max_tokens: int | None = None
    on_failure: str = "stop"
    max_attempts: int = 4
    wait_seconds: float = 1.0
    timeout_seconds: float = 60.0
    n_jobs: int = 4
    temperature: float = 0.7
    protect: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = FORBIDDEN
    length_range: tuple[float, float] = (0.4, 2.5)
    similarity_range: tuple[float, float] = (0.2, 1.0)

    def __post_init__(self) -> None:
        validate_rewriting("endpoint", self)
        if not self.url.startswith(("http://", "https://")):
            raise SpecError("endpoint.url", "an http or https address", repr(self.url), "http://localhost:8000/v1")
        if self.max_attempts < 1 or self.n_jobs < 1 or not (self.wait_seconds >= 0 and self.timeout_seconds > 0):
            raise SpecError(
                "endpoint.max_attempts",
                "max_attempts, n_jobs, timeout above 0",
                f"{self.max_attempts}, {self.n_jobs}",
                "",
            )

    def fit(self, catalog: Catalog) -> TextRewriter:
        """Fits the checks on brands, words and categories, without requests.

        Raises DataError for a cache that cannot be opened.
        """
        checks = OutputChecks.from_catalog(
            catalog, self.protect, self.forbidden, self.length_range, self.similarity_range
        )
        budget = CallBudget(self.max_calls, self.max_tokens)
        stop = self.on_failure == "stop"
        return TextRewriter(
            EndpointClient(self),
            checks,
            ResponseCache(self.cache),
            budget,
            self.output,
            self.p,
            self.variants,
            stop,
            self.n_jobs,
        )


@dataclass(frozen=True)
class EndpointClient:
    """The model behind an endpoint."""

    config: Endpoint

    @property
    def name(self) -> str:
        """Address, model and temperature."""
        return f"{self.config.url} {self.config.model} {self.config.temperature}"

    def generate_answer(self, messages: Sequence[Mapping[str, str]], variant: int) -> ModelAnswer:
        """Returns an answer, with retries. Raises ModelCallError with the last failure."""
        request = {
            "model": self.config.model,
            "messages": list(messages),
            "temperature": self.config.temperature,
            "seed": variant,
            "response_format": {"type": "json_object"},
        }
        body, reason = json.dumps(request).encode(), ""
        for attempt in range(self.config.max_attempts):
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
                    raise ModelCallError(reason) from None  # a retry would not help
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
            if attempt + 1 < self.config.max_attempts:
                time.sleep(min(wait, _MAX_WAIT_SECONDS))
        raise ModelCallError(reason)

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.config.api_key_variable, ""):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.config.url.rstrip('/')}/chat/completions", body, headers)
        with urllib.request.urlopen(request, timeout=self.config.timeout_seconds) as response:
            content: bytes = response.read()
        return content


def _parse_response(content: bytes) -> ModelAnswer:
    """Returns the answer of a chat completion. Raises ValueError, KeyError, IndexError or TypeError if invalid."""
    response = json.loads(content)
    text = response["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise TypeError
    return ModelAnswer(text, int((response.get("usage") or {}).get("total_tokens") or 0))


def _read_retry_after(header: str | None, default: float) -> float:
    try:
        return max(float(header or ""), 0.0)
    except ValueError:
        return default


def _draw_jitter(body: bytes, attempt: int) -> float:
    """Returns a factor in 0.5..1.5 that depends on the request, so that retries are spread in time."""
    return 0.5 + (rng.derive_key(attempt, body.decode()) >> 11) * 2.0**-53
