"""Every registered text transform satisfies its contract."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from contracts.registered import wish_of
from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.registry import list_kinds
from leaven.transforms.text.text_views import count_unchanged_texts, transform_texts

pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")

KINDS = tuple(list_kinds("text_transforms"))
TITLES = [
    "Nivea soft cream, 250ml",
    "Nivea柔软红色棉质衬衫 250毫升",
    "妮维雅温和洁面乳，保湿补水，150毫升，不含酒精",
    "Burt's Bees gentle daily lotion | calming | pack of 2",
    "Apple iPhone 15 Pro 128GB elegant case",
    "sturdy classic kids lamp, small, quiet, x 2",
    "warm handmade scarf sulfate free SPF 50+ ￥99",
    "elegant warm gift | soft cotton | 12 oz",
    "柔软棉质毯子，时尚，温暖，送礼",
]
ODD = [
    "",
    " ",
    "!!! ??? ... ---",
    "cream",
    "护手霜",
    "250ml",
    "soft b " * 14_000,
    "温暖柔软" * 25_000,
    "🎁 gentle gift 🎁👩‍👩‍👧 cream",
    "كريم ناعم لليدين 250 مل",
    "מגבת רכה קטנה",
    "soft 柔软 мягкий क्रीम クリーム ครีม 250ml",
    "<p>soft &amp; <b class='red soft'>warm</b> towel<br/></p>",
    "__ _ a_b\x00\x1e\n\t soft\r\n cream",
    "e\u0301le\u0301gant cre\u0300me",
    "x" * 100_000,
]
KINDS_OF_GIFT = ["gentle", "warm", "elegant", "calming", "classic"]
CHINESE_KINDS = ["柔软", "温暖", "时尚"]
PROTECTED = ["Nivea", "Burt's Bees", "128GB", "iPhone 15 Pro", "SPF 50+", "￥99", "x 2", "sulfate free", "不含酒精"]
SIZES = ["250ml", "250毫升", "150毫升", "12 oz", "pack of 2"]


def catalog() -> Catalog:
    """Items whose words stand together and in each other's places; two brands in three spellings."""
    rows = [f"{kind} {thing} for every day" for kind in KINDS_OF_GIFT for thing in ("towel", "lamp", "scarf", "gift")]
    rows += [f"{kind}棉质{thing} 送礼" for kind in CHINESE_KINDS for thing in ("毯子", "枕头", "围巾", "帽子")]
    rows = [f"{row} {other}" for row in rows for other in ("daily", "nightly", "weekly")]
    texts = [*TITLES, *rows]
    brands = ["Nivea", "Nivea", "妮维雅", "Burt's Bees", *[""] * (len(texts) - 4)]
    category = np.array([0, *[1] * len(texts)], np.int32)
    return Catalog([str(n) for n in range(len(texts))], {"title": texts, "brand": brands}, category, ["home"])


FITTED = {kind: wish_of("text_transforms", kind)().fit(catalog()) for kind in KINDS}


def keys(count: int, seed: int = 1) -> Any:
    return rng.derive_row_keys(rng.derive_key(seed, "text"), rng.derive_user_ids([str(n) for n in range(count)]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_keys_give_the_same_bytes_in_any_batch(kind: str) -> None:
    fitted, texts = FITTED[kind], [*TITLES, *ODD[:6], *ODD[8:15]] * 5
    chance = keys(len(texts))
    whole = transform_texts(fitted, texts, chance)
    again = wish_of("text_transforms", kind)().fit(catalog())
    single = [transform_texts(again, [text], chance[row : row + 1])[0] for row, text in enumerate(texts)]
    order = np.random.Generator(np.random.Philox(3)).permutation(len(texts))
    turned = transform_texts(fitted, [texts[row] for row in order], chance[order])
    assert single == whole
    assert [turned[place] for place in np.argsort(order)] == whole


@pytest.mark.parametrize("kind", KINDS)
def test_strength_0_is_the_identity(kind: str) -> None:
    texts = [*TITLES, *ODD]
    assert transform_texts(FITTED[kind], texts, keys(len(texts)), 0.0) == texts


@pytest.mark.parametrize("kind", KINDS)
def test_odd_texts_are_accepted_and_never_emptied(kind: str) -> None:
    for seed in range(3):
        made = transform_texts(FITTED[kind], ODD, keys(len(ODD), seed))
        assert [bool(text.strip()) for text in made] == [bool(text.strip()) for text in ODD]
        assert all(len(text) < 4 * len(before) + 100 for text, before in zip(made, ODD, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_protected_spans_survive_byte_for_byte(kind: str) -> None:
    spans = PROTECTED if kind == "units" else PROTECTED + SIZES
    for seed in range(40):
        for before, after in zip(TITLES, transform_texts(FITTED[kind], TITLES, keys(len(TITLES), seed)), strict=True):
            kept = [span for span in spans if span in before]
            if kind == "drop_fields":  # a field may go as a whole; brands stay
                kept = [span for span in kept if span in ("Nivea", "Burt's Bees")]
            assert all(span in after for span in kept), (before, after)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_user_protects_survives(kind: str) -> None:
    fitted = wish_of("text_transforms", kind)(protect=("soft cotton", "温暖", "lamp", "12 oz")).fit(catalog())
    for seed in range(20):
        for before, after in zip(TITLES, transform_texts(fitted, TITLES, keys(len(TITLES), seed)), strict=True):
            assert all(span in after for span in ("soft cotton", "温暖", "lamp", "12 oz") if span in before), after


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_tags_never_change(kind: str) -> None:
    texts = [
        "<p class='soft'>warm towel, 3 x 2.5 kg, 40°</p>",
        "温暖毯子，150 x 200厘米",
        "gentle gift 2-in-1, 7,500 pieces",
    ]
    for seed in range(20):
        for before, after in zip(texts, transform_texts(FITTED[kind], texts, keys(len(texts), seed)), strict=True):
            found, kept = (re.findall(r"\d[\d.,]*|<[^>]*>", text) for text in (before, after))
            if kind in ("shuffle_fields", "drop_fields"):
                found, kept = sorted({one.rstrip(",.") for one in kept}), sorted({one.rstrip(",.") for one in found})
                assert set(found) <= set(kept)
            else:
                assert sorted(set(found)) == sorted(set(kept)), after


@pytest.mark.parametrize("kind", KINDS)
def test_no_operator_is_a_silent_no_op_on_chinese_or_english(kind: str) -> None:
    chinese = ["妮维雅温和洁面乳，保湿补水，150毫升", "柔软棉质毯子，送礼", "时尚毯子 礼物"]
    english = ["gentle warm towel, 12 oz, elegant gift", "elegant classic lamp, daily gift, red"]
    for texts in (chinese, english):
        made = [transform_texts(FITTED[kind], texts, keys(len(texts), seed)) for seed in range(30)]
        assert any(after != before for row in made for after, before in zip(row, texts, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_texts_are_counted_by_reason(kind: str) -> None:
    texts = [*TITLES, *ODD]
    made = transform_texts(FITTED[kind], texts, keys(len(texts)))
    counts = count_unchanged_texts(FITTED[kind], texts, made)
    assert sum(counts.values()) == sum(a == b for a, b in zip(texts, made, strict=True))
    for reason, holds in FITTED[kind].reasons(texts).items():
        assert all(a == b for a, b, held in zip(texts, made, holds, strict=True) if held), reason


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_one_item_differ_somewhere(kind: str) -> None:
    texts = ["gentle elegant classic towel, red cotton | daily gift, 12 oz"] * 30  # neighbors: calming, which it lacks
    assert len(set(transform_texts(FITTED[kind], texts, keys(30)))) > 1


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(texts=some.lists(some.text(max_size=40), max_size=4), seed=some.integers(0, 9))
def test_any_text_is_accepted(kind: str, texts: list[str], seed: int) -> None:
    made = transform_texts(FITTED[kind], texts, keys(len(texts), seed))
    assert len(made) == len(texts)
    assert all(after.strip() for after, before in zip(made, texts, strict=True) if before.strip())


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_and_an_empty_catalog_are_accepted(kind: str) -> None:
    fitted = wish_of("text_transforms", kind)().fit(Catalog(ids=[]))
    assert transform_texts(fitted, [], keys(0)) == []
    assert len(transform_texts(fitted, TITLES, keys(len(TITLES)))) == len(TITLES)
