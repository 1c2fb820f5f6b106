"""Texts are cut without losing a byte."""

import builtins
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from leaven import tokenization
from leaven.errors import MissingExtra
from leaven.tokenization import HanCutter, Vocabulary, cut, read

pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")


@given(some.text())
def test_the_pieces_of_any_text_are_the_text(text: str) -> None:
    assert "".join(cut(text)) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("T-shirt, L'Oreal", ["T-shirt", ",", " ", "L'Oreal"]),
        ("1.5 l / 1,000 g", ["1.5", " ", "l", " ", "/", " ", "1,000", " ", "g"]),
        ("<b class='x'>soft</b>&amp;", ["<b class='x'>", "soft", "</b>", "&amp;"]),
        ("柔软红色棉质衬衫", ["柔软", "红色", "棉质", "衬衫"]),
        ("Nivea护手霜", ["Nivea", "护手霜"]),
        ("e\u0301le\u0301gant", ["e\u0301le\u0301gant"]),
        ("क्रीम", ["क्रीम"]),
    ],
)
def test_words_numbers_and_tags_stay_whole(text: str, found: list[str]) -> None:
    cutter = HanCutter(frozenset(("棉质", "护手霜")))
    assert cut(text, cutter) == found


def test_a_held_phrase_is_cut_out_whatever_stands_around_it() -> None:
    assert cut("兰蔻小黑瓶精华", HanCutter(held=["兰蔻"]))[0] == "兰蔻"


def test_chinese_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenization._cutter.cache_clear()
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "rjieba":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "rjieba", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    assert cut("soft") == ["soft"]
    with pytest.raises(MissingExtra, match=r"leaven\[text\]"):
        cut("柔软")
    monkeypatch.undo()
    tokenization._cutter.cache_clear()


def test_texts_that_were_met_are_read_as_for_the_first_time_and_forgotten_where_they_are_too_many(monkeypatch) -> None:
    texts = ["soft hand cream 50 ml", "Nivea soft-cream", "", "玫瑰护手霜", " two  blanks "]
    vocabulary = Vocabulary(lambda piece: (len(piece), (), False))
    first, again = read(texts, vocabulary), read(texts[::-1], vocabulary)
    assert first.words == [piece for text in texts for piece in cut(text)]
    assert again.words == [piece for text in texts[::-1] for piece in cut(text)]
    assert again.kinds.tolist() == [len(piece) for piece in again.words]
    monkeypatch.setattr(tokenization, "_MOST_LETTERS", 10)
    assert read(texts[:1], vocabulary).words == cut(texts[0])
    assert list(vocabulary.rows) == texts[:1]
