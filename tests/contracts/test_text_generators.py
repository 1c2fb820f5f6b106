"""Contract of every registered text generator, with a model of true answers and one of false answers."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from contracts.registered import wish_of
from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.generators.text.batch_rewriting import CallBudget, ModelAnswer, ResponseCache, TextRewriter
from leaven.generators.text.output_checks import OutputChecks
from leaven.registry import list_kinds

KINDS = tuple(list_kinds("text_generators"))
ASKED = [kind for kind in KINDS if hasattr(wish_of("text_generators", kind)(), "max_calls")]
LEARNED = [kind for kind in KINDS if kind not in ASKED]
TEXTS = [f"{look} hand {thing} {n} ml" for n, look in enumerate(["soft", "mild"]) for thing in ("cream", "soap")] + [
    "",
    " ",
]
ITEMS = Catalog([str(n) for n in range(6)], {"title": TEXTS})


class Author:
    """Returns the words of a text in another order, or a false answer."""

    name = "author"

    def __init__(self, lies: bool) -> None:
        self.lies, self.asked = lies, 0

    def generate_answer(self, messages, variant: int) -> ModelAnswer:
        self.asked += 1
        words = json.loads(messages[1]["content"])["text"].split()
        said = "cream 99 ml" if self.lies else " ".join([*words[2:], *words[:2]])
        return ModelAnswer(json.dumps({"paraphrase": said}), 10)


def writer(kind: str, lies: bool = False, **fields) -> TextRewriter:
    config = replace(wish_of("text_generators", kind)(), **fields)
    checks = OutputChecks.from_catalog(ITEMS, config.protect, config.forbidden, config.length_range, (-1.0, 1.0))
    budget = CallBudget(config.max_calls, config.max_tokens)
    return TextRewriter(
        Author(lies), checks, ResponseCache(config.cache), budget, config.output, config.p, config.variants, False, 1
    )


def keys(count: int) -> np.ndarray:
    return rng.derive_row_keys(3, rng.mix_bits(np.arange(1, count + 1, dtype=np.uint64)))


def ones(count: int) -> np.ndarray:
    return np.ones(count, np.float32)


@cache
def learned(kind: str):
    """Trained for a moment: what it writes is no matter."""
    config = wish_of("text_generators", kind)()
    return replace(config, model=replace(config.model, steps=4, width=8), similarity_range=(-1.0, 1.0)).fit(ITEMS)


@pytest.mark.parametrize("kind", LEARNED)
def test_a_fitted_generator_gives_the_same_texts_in_any_batch_and_reasons(kind: str) -> None:
    fitted = learned(kind)
    whole = fitted(TEXTS, keys(6), ones(6))
    assert [fitted([text], keys(6)[n : n + 1], ones(1))[0] for n, text in enumerate(TEXTS)] == whole
    assert fitted(TEXTS, keys(6), 0 * ones(6)) == TEXTS
    assert wish_of("text_generators", kind)().cache == ""
    held = fitted.reasons(TEXTS)
    assert held["no words"].tolist() == [False] * 4 + [True] * 2
    stayed = [a == b for a, b in zip(TEXTS, whole, strict=True)]
    assert all(any(why[row] for why in held.values()) for row in np.flatnonzero(stayed))


@pytest.mark.parametrize("kind", ASKED)
def test_the_same_keys_give_the_same_texts_in_any_batch(kind: str) -> None:
    fitted = writer(kind, p=0.5)
    whole = fitted(TEXTS, keys(6), ones(6))
    assert whole != TEXTS
    other = writer(kind, p=0.5)
    assert [other([text], keys(6)[n : n + 1], ones(1))[0] for n, text in enumerate(TEXTS)] == whole


@pytest.mark.parametrize("kind", ASKED)
def test_strength_0_is_the_identity_without_requests(kind: str) -> None:
    fitted = writer(kind)
    assert fitted(TEXTS, keys(6), 0 * ones(6)) == TEXTS
    assert fitted.model.asked == 0


@pytest.mark.parametrize("kind", ASKED)
def test_unchanged_texts_have_a_reason(kind: str) -> None:
    fitted = writer(kind, lies=True)
    assert fitted(TEXTS, keys(6), ones(6)) == TEXTS
    held = fitted.reasons(TEXTS)
    assert held["facts that are not in the text"].tolist() == [True] * 4 + [False] * 2
    assert held["no words"].tolist() == [False] * 4 + [True] * 2


@pytest.mark.parametrize("kind", ASKED)
def test_a_budget_is_never_exceeded(kind: str) -> None:
    fitted = writer(kind, max_calls=2)
    made = fitted(TEXTS, keys(6), ones(6))
    assert fitted.model.asked == 2
    assert sum(a != b for a, b in zip(made, TEXTS, strict=True)) == 2


def test_configs_load_without_heavy_libraries() -> None:
    modules = sorted({place.partition(":")[0] for place in list_kinds("text_generators").values()})
    heavy = "{'torch', 'numba', 'duckdb', 'scipy', 'transformers'}"
    code = (
        f"import sys; sys.path[:] = {sys.path}; import {', '.join(modules)}; print(sorted({heavy} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
