"""Tokenization of item texts."""

import builtins
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from leaven import tokenization
from leaven.errors import MissingExtra
from leaven.tokenization import ChineseSegmenter, Vocabulary, tokenize_text, tokenize_texts

pytest.importorskip("rjieba", reason="Chinese is segmented by rjieba: pip install 'leaven[text]'")


@given(some.text())
def test_joined_tokens_equal_the_text(text: str) -> None:
    assert "".join(tokenize_text(text)) == text


@pytest.mark.parametrize(
    ("text", "tokens"),
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
def test_words_numbers_and_tags_stay_whole(text: str, tokens: list[str]) -> None:
    cutter = ChineseSegmenter(frozenset(("棉质", "护手霜")))
    assert tokenize_text(text, cutter) == tokens


def test_a_protected_phrase_is_separated_in_any_context() -> None:
    assert tokenize_text("兰蔻小黑瓶精华", ChineseSegmenter(protected_phrases=["兰蔻"]))[0] == "兰蔻"


def test_chinese_without_rjieba_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenization._import_segmenter.cache_clear()
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "rjieba":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "rjieba", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    assert tokenize_text("soft") == ["soft"]
    with pytest.raises(MissingExtra, match=r"leaven\[text\]"):
        tokenize_text("柔软")
    monkeypatch.undo()
    tokenization._import_segmenter.cache_clear()


def test_cached_texts_give_the_same_tokens_and_a_full_cache_is_cleared(monkeypatch) -> None:
    texts = ["soft hand cream 50 ml", "Nivea soft-cream", "", "玫瑰护手霜", " two  blanks "]
    vocabulary = Vocabulary(lambda token: (len(token), (), False))
    first, again = tokenize_texts(texts, vocabulary), tokenize_texts(texts[::-1], vocabulary)
    assert first.tokens == [token for text in texts for token in tokenize_text(text)]
    assert again.tokens == [token for text in texts[::-1] for token in tokenize_text(text)]
    assert again.kind_codes.tolist() == [len(token) for token in again.tokens]
    monkeypatch.setattr(tokenization, "_MAX_CACHED_CHARACTERS", 10)
    assert tokenize_texts(texts[:1], vocabulary).tokens == tokenize_text(texts[0])
    assert list(vocabulary.tokenized) == texts[:1]
