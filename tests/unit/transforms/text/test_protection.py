"""Brands, sizes, prices, models and negations are found, and nothing else."""

import pytest

from leaven.datasets.catalog import Catalog
from leaven.transforms.text.protected_spans import ProtectedPhrases, TextReader

pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")


def free(text: str, phrases: tuple[str, ...] = ()) -> list[str]:
    """The words of a text that may change."""
    pieces, loose = TextReader(ProtectedPhrases(phrases))([text])
    return [word for word, may in zip(pieces.tokens, loose, strict=True) if may]


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("soft cream 250ml", ["soft", "cream"]),
        ("soft cream 250 ml", ["soft", "cream"]),
        ("sun milk SPF 50+ face", ["sun", "milk", "face"]),
        ("iPhone 15 Pro case", ["case"]),
        ("iphone 15 pro max case", ["case"]),
        ("towels x 2 white", ["towels", "white"]),
        ("2 x 100 g coffee", ["coffee"]),
        ("lamp ￥99 sale", ["lamp", "sale"]),
        ("lamp $ 12.50 sale", ["lamp", "sale"]),
        ("Samsung 128GB card", ["Samsung", "card"]),
        ("pack of 6 socks", ["socks"]),
        ("shampoo sulfate free mild", ["shampoo", "mild"]),
        ("no parabens here", ["here"]),
        ("without alcohol gentle", ["gentle"]),
        ("non-stick pan", ["pan"]),
        ("洗面奶，不含酒精，温和", ["洗面奶", "温和"]),
        ("无糖饼干 500克", ["饼干"]),
        ("价格99元 毛巾", ["价格", "毛巾"]),
        ("set of mugs", ["set", "of", "mugs"]),
        ("a large pack", ["a", "large", "pack"]),
    ],
)
def test_meaningful_spans_are_protected(text: str, loose: list[str]) -> None:
    assert [word for word in free(text) if word != "of"] == [word for word in loose if word != "of"]


def test_phrases_are_protected_in_any_case_and_only_as_a_whole() -> None:
    assert free("BURT'S BEES balm for bees", ("Burt's Bees",)) == ["balm", "for", "bees"]
    assert free("burt's balm", ("Burt's Bees",)) == ["burt's", "balm"]


def test_a_phrase_in_a_hyphenated_word_protects_the_word() -> None:
    assert free("soft-touch towel", ("soft",)) == ["towel"]


def test_brands_come_from_the_catalog_column() -> None:
    catalog = Catalog(["a", "b"], {"title": ["x", "y"], "brand": ["La Mer", "妮维雅"]})
    pieces, loose = TextReader.from_catalog(catalog, ())(["la mer cream", "妮维雅面霜"])
    assert [word for word, may in zip(pieces.tokens, loose, strict=True) if may] == ["cream", "面霜"]


def test_a_span_never_reaches_into_the_next_text() -> None:
    pieces, loose = TextReader(ProtectedPhrases(()))(["soft 250", "ml cream", "no", "parabens"])
    assert [word for word, may in zip(pieces.tokens, loose, strict=True) if may] == ["soft", "ml", "cream", "parabens"]
