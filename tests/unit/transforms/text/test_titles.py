"""Titles of shops keep their facts, head nouns and scripts under every word operator."""

import re

import numpy as np
import pytest

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.transforms.text import DeleteWords, InsertWords, NeighborWords, ReplaceWords
from leaven.transforms.text.distributional_similarity import find_word_neighbors
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import ProtectedPhrases, TextReader
from leaven.transforms.text.text_views import transform_texts

pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")
FULL = (1.0, 1.0)
WORD_OPERATORS = ("synonyms", "neighbors", "delete", "swap", "insert", "replace", "misspell")


def list_results(config: object, text: str, catalog: Catalog | None = None) -> set[str]:
    """All texts that 200 draws yield from one."""
    keys = rng.derive_row_keys(rng.derive_key(3), rng.derive_user_ids([str(n) for n in range(200)]))
    return set(transform_texts(config.fit(catalog or Catalog(ids=[])), [text] * 200, keys))  # type: ignore[attr-defined]


def list_free(text: str) -> list[str]:
    """The words of a text that may change."""
    pieces, free = TextReader(ProtectedPhrases(()), whole=Lexicon.load_default().unsplit_words)([text])
    return [word for word, may in zip(pieces.tokens, free.tolist(), strict=True) if may]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("红色连衣裙 夏季 女 XL", ["XL"]),
        ("T-shirt men XXL", ["XXL"]),
        ("dress M black", ["M"]),
        ("gloves S/M", ["S", "M"]),
        ("socks M-L warm", ["M-L"]),
        ("shirt 3xl", ["3xl"]),
        ("shoes 38", ["38"]),
        ("凉鞋 39码", ["39", "码"]),
        ("boots EU 38", ["EU", "38"]),
        ("boots EU38", ["EU38"]),
        ("sneakers US 8.5", ["US", "8.5"]),
        ("hat one size", ["one", "size"]),
        ("hat One Size Fits All", ["One", "Size", "Fits", "All"]),
        ("plus size dress", ["plus", "size"]),
        ("Hose Größe 38", ["Größe", "38"]),
        ("T-Shirt Gr. M", ["Gr", "M"]),
        ("robe taille 40", ["taille", "40"]),
        ("jeans W32 L34", ["W32", "L34"]),
        ("bra 75B", ["75B"]),
        ("Tシャツ Mサイズ", ["Mサイズ"]),
        ("ワンピース フリーサイズ", ["フリーサイズ"]),
        ("外套 均码", ["均码"]),
        ("加大码女装", ["加大码"]),
        ("睡衣 L码", ["L", "码"]),
        ("纸尿裤 NB码", ["NB", "码"]),
        ("洗发水五百克", ["五百", "克"]),
        ("面膜三片装", ["三片", "装"]),
        ("大米一公斤", ["一", "公斤"]),
        ("茶叶半斤", ["半斤"]),
        ("床上四件套", ["四件套"]),
        ("シャンプー ５００ｍｌ", ["５００ｍｌ"]),
        ("クリーム 50g入り", ["50g", "入", "り"]),
        ("set of two mugs", ["two"]),
        ("three piece suit", ["three", "piece"]),
    ],
)
def test_sizes_and_amounts_are_protected(text: str, size: list[str]) -> None:
    assert not set(list_free(text)) & set(size)


@pytest.mark.parametrize("operator", WORD_OPERATORS)
@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("Salt &amp; pepper &quot;mill&quot;", ["&amp;", "&quot;"]),
        ("Tom &amp; Ann caf&eacute; cup soft", ["&amp;", "caf&eacute;"]),
        ("soft &Uuml;bung Tom&#39;s gentle towel", ["&Uuml;bung", "Tom&#39;s"]),
        ("gentle &amp;quot;soft&amp;quot; &amp towel", ["&amp;quot;", " &amp "]),
        ("soft towel www.example.com/sale gentle", ["www.example.com/sale"]),
        ("see https://example.com/a,b?soft=1&amp;c=2 for soft towel", ["https://example.com/a,b?soft=1&amp;c=2"]),
        ("write soft.towel+x@shop.co.uk or example.de for gentle towel", ["soft.towel+x@shop.co.uk", "example.de"]),
    ],
)
def test_entities_and_addresses_are_whole_after_every_operator(operator: str, text: str, fixed: list[str]) -> None:
    config = registry.create_config("text_transforms", operator, {"share_range": FULL})
    for result in list_results(config, text):
        for part in fixed:
            assert result.count(part) == text.count(part)


def test_entities_and_addresses_do_not_separate_fields_and_hold_no_sizes() -> None:
    for operator in ("shuffle_fields", "drop_fields", "units"):
        config = registry.create_config("text_transforms", operator)
        for text in ("Salt &amp; pepper &quot;mill&quot;", "soap http://a.com/x;500ml"):
            assert list_results(config, text) == {text}


MIXED = Catalog(
    [str(n) for n in range(40)],
    {
        "title": [
            "groovy vintage lamp shiny",
            "清新 温柔 裙子 浪漫",
            "かわいい バッグ おしゃれ",
            "Мягкое теплое одеяло",
        ]
        * 10
    },
)


@pytest.mark.parametrize("config", [ReplaceWords(share_range=FULL), InsertWords(share_range=FULL)])
@pytest.mark.parametrize("catalog", [None, MIXED], ids=["lexicon", "catalog"])
@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("红色连衣裙 夏季 女 XL 温和", "a-zA-Zぁ-ヿа-я"),
        ("Vintage 连衣裙 温和 shirt", "ぁ-ヿа-я"),
        ("gentle elegant mug", "一-鿿ぁ-ヿа-я"),
        ("weiche schöne Decke", "一-鿿ぁ-ヿа-я"),
        ("保湿クリーム 温和 すごい", "a-zA-Zа-я"),
        ("Мягкое одеяло soft", "一-鿿ぁ-ヿ"),
    ],
)
def test_inserted_words_are_of_a_script_of_the_title(
    config: object, catalog: Catalog | None, text: str, foreign: str
) -> None:
    before = re.findall(f"[{foreign}]+", text)
    for result in list_results(config, text, catalog):
        assert re.findall(f"[{foreign}]+", result) == before
    if re.search("[^\x00-\x7fäöüß]", text):  # a title that is not in Latin script gets no Latin word
        latin = set(re.findall("[A-Za-z]+", text))
        assert all(set(re.findall("[A-Za-z]+", result)) <= latin for result in list_results(config, text, catalog))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("敏感肌面霜 温和", ["敏感肌面霜"]),
        ("漂亮的小裙子", ["漂亮的", "裙子"]),
        ("红色连衣裙 夏季 女 XL", ["连衣裙", "XL"]),
        ("无线蓝牙耳机降噪", ["蓝牙耳机"]),
        ("透明手机壳 防摔", ["手机壳"]),
        ("保温壶家用", ["保温壶"]),
        ("温和洁面乳控油", ["洁面乳"]),
        ("毛巾和浴巾 柔软", ["毛巾和浴巾"]),
        ("保湿クリーム 敏感肌用 50g", ["クリーム 敏感肌用 50g"]),
        ("soft cotton towel for baby", ["towel for baby"]),
        ("Professional Hair Dryer", ["Hair Dryer"]),
        ("Women's Running Leggings Black Large", ["Leggings", "Large"]),
        ("Nivea soft cream for dry and sensitive skin 250ml", ["cream for dry and sensitive skin 250ml"]),
        ("An elegant warm gift | soft cotton | 12 oz", ["An elegant", "gift |", "cotton | 12 oz"]),
        ("Damen Winterjacke warm schwarz", ["Winterjacke"]),
        ("Weiche Handcreme für trockene Haut 75 ml", ["Handcreme für", "Haut 75 ml"]),
        ("Crema hidratante para piel seca", ["Crema", "para piel"]),
        ("Wireless Noise Cancelling Headphones with Mic", ["Noise Cancelling Headphones with Mic"]),
        ("Organic Dog Food for Sensitive Stomach", ["Dog Food for", "Stomach"]),
        ("大米 五公斤装 新鲜", ["大米 五公斤装"]),
        ("不粘锅 炒锅 家用", ["锅 炒锅"]),
        ("可愛い 猫の ぬいぐるみ 大きい", ["可愛い 猫の ぬいぐるみ 大きい"]),
        ("敏感肌用 化粧水 200ml 詰め替え", ["敏感肌用 化粧水 200ml 詰め替え"]),
    ],
)
def test_deletion_keeps_head_nouns_compounds_and_what_function_words_link(text: str, kept: list[str]) -> None:
    results = set().union(*(list_results(DeleteWords(share_range=share), text) for share in (FULL, (0.3, 0.6))))
    for result in results:
        assert all(part in result for part in kept), result
        assert not result.startswith(("的", "for ", "für ", "and ", "| "))


@pytest.mark.parametrize(
    "pair",
    [
        ("waterproof", "washable"),
        ("normal", "oily"),
        ("men", "women"),
        ("left", "right"),
        ("with", "without"),
        ("small", "large"),
        ("turquoise", "crimson"),
        ("summer", "winter"),
        ("wired", "wireless"),
        ("windproof", "dustproof"),
        ("indoor", "outdoor"),
        ("day", "night"),
        ("schwarz", "blau"),
        ("herren", "damen"),
        ("油性", "干性"),
        ("男士", "女士"),
        ("防水", "防风"),
        ("左手", "右手"),
        ("长袖", "短袖"),
    ],
)
def test_contradicting_words_are_no_neighbors(pair: tuple[str, str]) -> None:
    rows = [f"{word} {thing} thing{n} for home" for word in pair for thing in ("alpha", "beta") for n in range(4)]
    rows += [f"{word} {thing} item for garden" for word in ("mellow", "breezy") for thing in ("alpha", "beta")] * 4
    catalog = Catalog([str(n) for n in range(len(rows))], {"title": rows, "brand": ["Acme"] * len(rows)})
    known = find_word_neighbors(catalog, Lexicon.load_default())
    assert known["mellow"] == ("breezy",)
    assert not set(pair) & {*known, *(other for others in known.values() for other in others)}
    text = f"{pair[0]} alpha thing"
    for result in list_results(NeighborWords(share_range=FULL), text, catalog):
        assert result.startswith(pair[0])


def test_contrasts_are_replaced_where_the_guard_is_off() -> None:
    things = [f"{thing} thing{n} for home" for thing in ("alpha", "beta") for n in range(4)]
    rows = [f"{word} {thing}" for word in ("indoor", "hot") for thing in things]
    catalog = Catalog([str(n) for n in range(len(rows))], {"title": rows, "brand": ["Acme"] * len(rows)})
    config = NeighborWords(share_range=FULL, guard_attributes=False)
    assert any(result.startswith("hot") for result in list_results(config, "indoor alpha thing1", catalog))


def test_texts_of_a_million_characters_are_read_in_linear_time() -> None:
    keys = rng.derive_row_keys(rng.derive_key(3), np.arange(4, dtype=np.uint64))
    texts = ["soft " * 200_000, "a@" * 500_000, "&" * 500_000, "www." * 250_000]
    assert len(transform_texts(DeleteWords().fit(Catalog(ids=[])), texts, keys)) == 4


@pytest.mark.parametrize("operator", ["delete", "swap", "insert", "replace", "misspell"])
def test_japanese_words_that_a_chinese_segmenter_cuts_stay_whole(operator: str) -> None:
    config = registry.create_config("text_transforms", operator, {"share_range": FULL})
    for text in ("敏感肌用 化粧水 詰め替え 可愛い", "猫の ぬいぐるみ 大きい"):
        for result in list_results(config, text, MIXED):
            assert {"化粧水", "詰め替え", "可愛い", "猫の", "大きい"} & set(text.split()) <= set(result.split())
