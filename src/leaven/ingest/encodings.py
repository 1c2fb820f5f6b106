"""Finds the encoding of a text file from its bytes, with a flag for doubtful cases.

Libraries that guess encodings need long texts: on the few names and titles of a small log, charset-normalizer 3.5 took
GB18030 and Shift-JIS for Korean and Latin-1 for Polish. A log is mostly ASCII, and only few encodings occur; here each
is judged by the share of its everyday characters among the bytes that are not ASCII.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass

_RUN = re.compile(rb"[\x80-\xff](?:[\x40-\xff]?[\x80-\xff])*[\x40-\x7e]?")
_LATIN = frozenset("éèêëàâäáãåæçìíîïñòóôõöøùúûüýßœÉÈÊËÀÂÄÁÃÅÆÇÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŒŠšŽž’‘“”–—…•·°£€®™«»¿¡º\xa0")
_MIN_SCORE, _MIN_LEAD = 0.8, 0.05


@dataclass(frozen=True)
class EncodingGuess:
    """encoding: a name that Python knows, "" where none fits; is_sure: whether the bytes leave no doubt."""

    encoding: str
    is_sure: bool


def guess_encoding(block: bytes) -> EncodingGuess:
    """The encoding of the first bytes of a file.

    >>> guess_encoding("张三,红裙".encode("gb18030")).encoding, guess_encoding("Иван,платье".encode("cp1251")).encoding
    ('gb18030', 'cp1251')
    """
    for mark, name in _MARKS:
        if block.startswith(mark):
            return EncodingGuess(name, True)
    if wide := _find_wide(block):
        return EncodingGuess(wide, True)
    if block.isascii():
        return EncodingGuess("utf-8", True)
    if is_mostly_utf8(block):
        return EncodingGuess("utf-8", True)
    odd = b"\n".join(line for line in block.split(b"\n") if not line.isascii())
    scores = {name: score(odd) for name, score in _SCORES.items()}
    best = max(scores, key=lambda name: scores[name])
    rivals = [name for name in scores if name != best and scores[name] >= scores[best] - _MIN_LEAD]
    is_clear = scores[best] >= _MIN_SCORE and not rivals
    return EncodingGuess(best if is_clear else "", False)


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _find_wide(block: bytes) -> str:
    """UTF-16 without a mark: every second byte of ASCII text is zero."""
    head = block[:4096]
    if not head or head.count(0) < len(head) * 0.3:
        return ""
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"


def is_mostly_utf8(block: bytes) -> bool:
    """Whether the bytes are UTF-8, except for a few that are broken: fewer than the characters that are not ASCII."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(block)
    broken = text.count("\ufffd")
    return broken == 0 or broken < sum(letter > "\x7f" for letter in text) - broken


def _list_pairs(block: bytes) -> list[tuple[int, int]]:
    """The pairs of bytes of the runs that start with a byte that is not ASCII."""
    pairs = []
    for run in _RUN.findall(block):
        index = 0
        while index + 1 < len(run):
            if run[index] < 0x80:
                index += 1
                continue
            pairs.append((run[index], run[index + 1]))
            index += 2
    return pairs


def _score_pairs(encoding: str, is_common: Callable[[int, int], bool]) -> Callable[[bytes], float]:
    def score(block: bytes) -> float:
        try:
            codecs.getincrementaldecoder(encoding)().decode(block)
        except UnicodeDecodeError:
            return 0.0
        pairs = _list_pairs(block)
        return sum(is_common(*pair) for pair in pairs) / len(pairs) if pairs else 0.0

    return score


def _is_hangul(first: int, second: int) -> bool:
    return 0xB0 <= first <= 0xC8 and second >= 0xA1


def _score_korean(block: bytes) -> float:
    """Hangul shares its codes with common Chinese characters: Korean needs many pairs, all of them in its range."""
    pairs = _list_pairs(block)
    share = _score_pairs("cp949", _is_hangul)(block)
    return share + 0.1 if share == 1.0 and len(pairs) >= 12 else share * 0.9


def _score_japanese(block: bytes) -> float:
    """EUC-JP: the kana rows, which Chinese texts hardly use, hold a good part of the characters."""
    kana = _score_pairs("euc_jp", lambda first, second: first in (0xA4, 0xA5) and second >= 0xA1)(block)
    return 1.1 if kana > 0.3 else 0.0


def _score_shift_jis(block: bytes) -> float:
    return _score_pairs(
        "cp932",
        lambda first, second: (first in (0x81, 0x82, 0x83) and 0x40 <= second <= 0xF1) or 0x88 <= first <= 0x9F,
    )(block)


_HIGH_WORD = re.compile(r"[^\x00-\x7f]+")
_ODD_WORD = re.compile(r"[A-Za-z]*[^\x00-\x7f][A-Za-z\x80-\U0010ffff]*")


def _score_cyrillic(encoding: str) -> Callable[[bytes], float]:
    """Words in lower case, perhaps with a capital first; a wrong encoding gives capitals inside, or signs."""

    def score(block: bytes) -> float:
        try:
            words = _ODD_WORD.findall(block.decode(encoding))
        except UnicodeDecodeError:
            return 0.0
        is_word = [bool(re.fullmatch(r"[А-ЯЁ]?[а-яё]+|[А-ЯЁ]+|[№«»—–“”„]+", word)) for word in words]
        letters = sum(len(word) for word in words)
        return sum(len(word) for word, good in zip(words, is_word, strict=True) if good) / letters if letters > 2 else 0

    return score


def _score_latin(block: bytes) -> float:
    """Single letters with accents inside words of ASCII letters."""
    words = _HIGH_WORD.findall(block.decode("cp1252", errors="replace"))
    letters = "".join(words)
    return sum(len(word) for word in words if len(word) <= 2 and set(word) <= _LATIN) / len(letters)


_SCORES: dict[str, Callable[[bytes], float]] = {
    "gb18030": _score_pairs("gb18030", lambda first, second: 0xB0 <= first <= 0xD7 and second >= 0xA1),
    "cp932": _score_shift_jis,
    "euc_jp": _score_japanese,
    "big5": _score_pairs(
        "big5", lambda first, second: 0xA4 <= first <= 0xC6 and (0x40 <= second <= 0x7E or second >= 0xA1)
    ),
    "cp949": _score_korean,
    "cp1251": _score_cyrillic("cp1251"),
    "koi8_r": _score_cyrillic("koi8_r"),
    "cp1252": _score_latin,
}
"""In the order in which equal scores count."""
