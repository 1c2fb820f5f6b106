"""Text transforms on texts that are small enough to check by hand."""

import numpy as np
import pytest

from leaven import preview_text, rng
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.transforms.text import (
    DeleteWords,
    DropFields,
    InsertWords,
    Misspell,
    NeighborWords,
    ReplaceWords,
    ShuffleFields,
    SwapWords,
    Template,
    Units,
    build_text_views,
    count_unchanged_texts,
    derive_item_ids,
)
from leaven.transforms.text.text_views import mark_changes, transform_texts
from leaven.transforms.text.typos import _adjacent_keys
from leaven.transforms.text.units import find_sizes

EMPTY = Catalog(ids=[])
FULL = (1.0, 1.0)


def keys(count: int) -> np.ndarray:
    return rng.derive_row_keys(rng.derive_key(5), rng.derive_user_ids([str(n) for n in range(count)]))


def all_of(wish: object, text: str, catalog: Catalog = EMPTY, strength: float = 1.0) -> set[str]:
    """All texts that many draws yield from one."""
    return set(transform_texts(wish.fit(catalog), [text] * 80, keys(80), strength))  # type: ignore[attr-defined]


def test_delete_removes_adjacent_blanks_and_commas() -> None:
    assert all_of(DeleteWords(share_range=(0.5, 0.5)), "red, blue") == {"red", "blue"}
    assert all_of(DeleteWords(share_range=FULL), "soft gentle 250ml") == {"250ml"}
    assert all_of(DeleteWords(share_range=FULL), "soft (warm) towel 250ml") == {"soft (warm) towel 250ml"}


def test_delete_keeps_at_least_one_word() -> None:
    assert all_of(DeleteWords(share_range=FULL), "soft warm gentle") == {"soft", "warm", "gentle"}
    assert all_of(DeleteWords(share_range=FULL), "soft") == {"soft"}


def test_swap_exchanges_adjacent_words_only() -> None:
    assert all_of(SwapWords(share_range=FULL), "one two") == {"two one"}
    assert all_of(SwapWords(share_range=FULL), "soft 250ml cream") == {"soft 250ml cream"}
    assert all_of(SwapWords(share_range=FULL), "soft/warm") == {"soft/warm"}


def test_the_share_is_kept_on_average_and_follows_strength() -> None:
    text = "soft gentle warm elegant stylish trendy cute retro vintage modern"  # no noun: every word may be deleted
    for strength in (1.0, 0.5):
        made = transform_texts(DeleteWords(share_range=(0.2, 0.4)).fit(EMPTY), [text] * 4_000, keys(4_000), strength)
        gone = 10 - np.array([len(one.split()) for one in made])
        assert abs(gone.mean() / 10 - 0.3 * strength) < 0.01


def test_p_is_the_share_of_texts_that_change() -> None:
    made = transform_texts(
        DeleteWords(share_range=(0.5, 0.5), p=0.25).fit(EMPTY), ["one two three four"] * 4_000, keys(4_000)
    )
    assert abs(np.mean([one != "one two three four" for one in made]) - 0.25) < 0.03


def world() -> Catalog:
    """Two brands; "mild" and "gentle" share contexts, "rose" always occurs next to "petal"."""
    rows = [f"{kind} care for {skin} skin" for kind in ("mild", "gentle", "red", "blue") for skin in ("dry", "oily")]
    rows += [f"rose petal {thing}" for thing in ("bath", "care", "water", "sleep")]
    texts = [f"{row} {other}" for row in rows for other in ("daily", "nightly")]
    return Catalog([str(n) for n in range(len(texts))], {"title": texts, "brand": ["Acme"] * len(texts)})


def test_neighbors_share_contexts_and_are_no_attributes() -> None:
    wish = NeighborWords(share_range=FULL, min_texts=4)
    assert all_of(wish, "mild thing", world()) == {"gentle thing"}
    assert all_of(wish, "red thing blue", world()) == {"red thing blue"}


def test_insert_adds_related_words() -> None:
    made = all_of(InsertWords(share_range=FULL), "petal 250ml", world())
    assert made == {"petal 250ml"}  # "rose" is a colour: an attribute is never added
    assert all_of(InsertWords(source="synonyms", share_range=FULL), "gentle 12 oz") == {"gentle mild 12 oz"}


def test_replace_draws_from_the_catalog_and_keeps_attributes() -> None:
    made = all_of(ReplaceWords(share_range=FULL), "red thing", world())
    words = {text.split()[1] for text in made}
    assert words <= {word for text in world().texts["title"] for word in text.split()}
    assert len(words) > 3
    assert not words & {"red", "blue", "rose", "skin"}


def test_misspell_makes_one_typo_and_keeps_the_first_letter() -> None:
    made = all_of(Misspell(share_range=FULL, typo_kinds=("adjacent_key",)), "Towel")
    assert {len(word) for word in made} == {5}
    for word in made:
        (place,) = [n for n in range(5) if word[n] != "Towel"[n]]
        assert place > 0
        assert word[place] in _adjacent_keys()["Towel"[place]]
    assert all_of(Misspell(share_range=FULL, typo_kinds=("omitted",)), "soap") == {"sap", "sop", "soa"}
    assert all_of(Misspell(share_range=FULL, typo_kinds=("transposed",)), "soap") == {"saop", "sopa"}
    assert all_of(Misspell(share_range=FULL, typo_kinds=("accent",)), "crème café") == {"creme cafe"}


def test_chinese_is_misspelled_by_sound_and_shape() -> None:
    pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")
    assert "蓝子" in all_of(Misspell(share_range=FULL, typo_kinds=("shape",)), "篮子")
    assert "兰子" in all_of(Misspell(share_range=FULL, typo_kinds=("sound",)), "篮子")


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("250ml", ("250 ml", "250 millilitres")),
        ("12 oz", ("12oz", "12 ounces")),
        ("8 Fl Oz", ("8Fl Oz", "8 fluid ounces")),
        ("500克 面粉", ("500 克", "500g", "500 g")),
        ("洗发水500克", ("500 克", "500g", "500 g")),
        ("洗发水500g", ("500 g", "500克")),
        ("面霜50毫升", ("50 毫升", "50ml", "50 ml")),
        ("充电宝5000毫安时", ("5000 毫安时", "5000mAh", "5000 mAh", "5000毫安")),
        ("1.5 l 牛奶", ("1.5l", "1.5升")),
        ("1 oz", ("1oz",)),
        ("Pack of 6", ("6 Pack", "6-Pack")),
    ],
)
def test_a_size_is_respelled_and_never_converted(text: str, ways: tuple[str, ...]) -> None:
    assert find_sizes(text)[0][2] == ways


@pytest.mark.parametrize(
    "text",
    [
        "model 135l01",
        "2 in 1 shampoo",
        "100% cotton",
        "128GB card",
        "size 10",
        "3g/4g phone",
        "钻戒1克拉",
        "软件2升级版",
    ],
)
def test_what_only_resembles_a_size_stays(text: str) -> None:
    assert all_of(Units(), text) == {text}


def test_fields_are_shuffled_and_dropped_whole() -> None:
    text = "Acme | soft cream | 250 ml"
    assert all_of(ShuffleFields(), text) == {
        "Acme | 250 ml | soft cream",
        "soft cream | Acme | 250 ml",
        "soft cream | 250 ml | Acme",
        "250 ml | Acme | soft cream",
        "250 ml | soft cream | Acme",
    }
    assert all_of(ShuffleFields(keep_first=True), text) == {"Acme | 250 ml | soft cream"}
    assert all_of(DropFields(share_range=FULL), text) == {"Acme"}
    assert all_of(DropFields(share_range=FULL, protect=("250 ml",)), text) == {"Acme | 250 ml"}


def test_a_template_uses_known_attributes_only() -> None:
    category = np.array([0, 1], np.int32)
    catalog = Catalog(["a"], {"title": ["Soft cream 250ml"], "brand": ["Acme"]}, category, ["Skin care"])
    made = all_of(Template(), "Soft cream 250ml", catalog)
    assert "Soft cream 250ml. Brand Acme, category Skin care." in made
    assert "Soft cream 250ml. Size: 250ml." in made
    assert not any("Colour" in text or "Material" in text for text in made)
    assert all_of(Template(), "Something else", catalog) == {"Something else"}
    with pytest.raises(SpecError, match="brnd"):
        Template(english=("{text} by {brnd}",))


def test_views_have_lineage_and_count_unchanged_texts() -> None:
    catalog = Catalog(["a", "b", "c"], {"title": ["soap 250ml", "soap", ""]})
    made = build_text_views(catalog, Units(rename_units=False), seed=1, copies=2)
    assert made.items.tolist() == [1, 2, 3, 1, 2, 3]
    assert made.copies.tolist() == [0, 0, 0, 1, 1, 1]
    assert made.after == ["soap 250 ml", "soap", ""] * 2
    assert made.operator == "units"
    assert made.unchanged == {"no size with a unit": 4}


def test_a_view_depends_on_seed_item_and_copy_only() -> None:
    words = ["one two three four five six"] * 4
    whole = build_text_views(Catalog(list("abcd"), {"title": words}), DeleteWords(), seed=3, copies=3)
    part = build_text_views(Catalog(["c"], {"title": words[:1]}), DeleteWords(), seed=3, copies=2)
    assert part.after == [whole.after[2], whole.after[6]]
    assert len(set(whole.after)) > 4


def test_copies_of_ids_are_keyed_by_the_original_id() -> None:
    assert derive_item_ids(Catalog(["a", "b"])).tolist() == derive_item_ids(Catalog(["b", "a"])).tolist()[::-1]


def test_previews_mark_words_and_name_the_reason() -> None:
    found = preview_text("Nivea soft cream 250ml", "units", protect=["Nivea"])
    assert found.after in ("Nivea soft cream 250 ml", "Nivea soft cream 250 millilitres")
    assert "→" in str(found)
    assert preview_text("!!!", "delete").reason == "no words"
    assert "all words are protected" in str(preview_text("250ml", "synonyms"))
    assert mark_changes("a b", "a c") == ((("a ", False), ("b", True)), (("a ", False), ("c", True)))


def test_wrong_fields_are_named() -> None:
    with pytest.raises(SpecError, match="share_range"):
        DeleteWords(share_range=(0.5, 0.2))
    with pytest.raises(SpecError, match="adjacent_key"):
        Misspell(typo_kinds=("adjacent_keys",))
    assert count_unchanged_texts(DeleteWords().fit(EMPTY), ["", "x"], ["", "x"]) == {
        "no words": 1,
        "fewer than 2 words": 1,
    }
