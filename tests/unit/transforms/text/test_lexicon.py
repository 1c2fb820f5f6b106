"""Synonyms come from the configured sources, and attributes never replace each other."""

from pathlib import Path

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import DataError
from leaven.transforms.text import Synonyms, lexicon
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.text_views import transform_texts

EMPTY = Catalog(ids=[])


def keys(count: int) -> np.ndarray:
    return rng.derive_row_keys(rng.derive_key(1), rng.derive_user_ids([str(n) for n in range(count)]))


def words_after(wish: Synonyms, text: str, catalog: Catalog = EMPTY) -> set[str]:
    """All texts that many draws yield from one."""
    return set(transform_texts(wish.fit(catalog), [text] * 60, keys(60)))


def test_the_lexicon_has_a_few_hundred_groups_in_both_languages() -> None:
    known = Lexicon.load_default().synonyms
    assert sum(word.isascii() for word in known) > 200
    assert sum(not word.isascii() for word in known) > 200
    assert all(word not in others for word, others in known.items())


def test_different_colors_sizes_and_materials_never_replace_each_other() -> None:
    ours = Lexicon.load_default()
    for kind, pairs in {
        "color": [("red", "blue"), ("红色", "蓝色"), ("black", "white")],
        "size": [("small", "large"), ("大号", "小号"), ("mini", "maxi")],
        "material": [("cotton", "wool"), ("棉质", "羊毛"), ("steel", "glass")],
        "product": [("shampoo", "conditioner"), ("cream", "lotion"), ("衬衫", "长裤")],
    }.items():
        for one, two in pairs:
            assert ours.attributes[one] == ours.attributes[two] == kind
            assert two not in ours.synonyms.get(one, ())
            assert one not in ours.synonyms.get(two, ())


def test_the_lexicon_has_no_blocked_word() -> None:
    ours = Lexicon.load_default()
    assert not ours.blocked_words & {other for others in ours.synonyms.values() for other in others}


def test_a_users_word_comes_first_and_passes_every_filter(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('Gentle = ["tender"]\nred = "crimson"\n')
    wish = Synonyms(dictionary=str(tmp_path / "own.toml"), share_range=(1, 1))
    assert words_after(wish, "Gentle red soap") == {"Tender crimson soap"}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.csv", "Sofa,couch,settee\nCOUCH,sofa\n", {"sofa": ("couch", "settee"), "couch": ("sofa",)}),
        ("a.tsv", "# mine\nhot\twarm\nhot\thot\twarm\tspicy\n", {"hot": ("warm", "spicy")}),
        ("a.toml", 'groups = [["a1", "b1", "A1"]]\n', {"a1": ("b1",), "b1": ("a1", "A1")}),
        ("a.csv", "面霜,脸霜\n", {"面霜": ("脸霜",)}),
    ],
)
def test_dictionaries_with_cycles_and_capitals_are_read(tmp_path: Path, name: str, text: str, found: object) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert lexicon.load_dictionary(str(tmp_path / name)) == found


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "cream = ["), ("a.csv", "face cream,lotion"), ("missing.csv", None)]
)
def test_an_invalid_dictionary_is_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=name):
        lexicon.load_dictionary(str(tmp_path / name))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_cilin_file_yields_its_equal_words_only(tmp_path: Path, encoding: str) -> None:
    lines = "Bp01A01= 礼物 赠品 礼品\nBp01A02# 桌子 椅子\nBp01A03@ 灯\n\n"
    (tmp_path / "cilin.txt").write_text(lines, encoding=encoding)
    found = lexicon.load_cilin(str(tmp_path / "cilin.txt"))
    assert found == {"礼物": ("赠品", "礼品"), "赠品": ("礼物", "礼品"), "礼品": ("礼物", "赠品")}


def test_cilin_words_must_occur_in_the_catalog_and_be_no_attributes(tmp_path: Path) -> None:
    pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")
    (tmp_path / "cilin.txt").write_text("Aa01A01= 高兴 快乐 愉快\nAa01A02= 红色 蓝色\n", encoding="utf-8")
    catalog = Catalog(["a", "b", "c"], {"title": ["快乐生活 蓝色"] * 3})
    wish = Synonyms(sources=("cilin",), cilin=str(tmp_path / "cilin.txt"), share_range=(1, 1))
    assert wish.build_thesaurus(catalog) == {"高兴": ("快乐",), "愉快": ("快乐",)}
    assert Synonyms(sources=("cilin",), cilin=wish.cilin, guard_attributes=False).build_thesaurus(catalog)["红色"] == (
        "蓝色",
    )


def test_blocked_words_are_never_inserted() -> None:
    wish = Synonyms(sources=("lexicon",), blocked_words=("Mild",), share_range=(1, 1))
    assert words_after(wish, "gentle soap") == {"gentle soap"}


def test_replacements_keep_the_case_and_fit_articles() -> None:
    wish = Synonyms(sources=("lexicon",), share_range=(1, 1))
    assert words_after(wish, "STYLISH lamp") == {"FASHIONABLE lamp", "CHIC lamp"}
    assert "An elegant lamp" in words_after(wish, "An elegant lamp")  # "an graceful" is no English
    assert words_after(wish, "a stylish lamp") <= {"a fashionable lamp", "a chic lamp"}
