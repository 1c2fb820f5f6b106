"""Finds the words that a title can lose: no head noun, no part of a compound, no word that others need.

A phrase ends at signs, commas, protected spans and function words. Its head is its last word that is no modifier:
`towel` in "soft cotton towel for baby", 裙子 in 漂亮的小裙子.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np

from leaven.tokenization import TokenizedTexts, find_part_of_speech, find_scripts, has_han
from leaven.transforms.text.lexicon import Lexicon, is_claim
from leaven.transforms.text.protected_spans import split_words
from leaven.transforms.text.token_sampling import Bools

FUNCTION, LINK, SIZE, PRODUCT, MODIFIER, OTHER = "function", "link", "size", "product", "modifier", "other"

_FUNCTION_WORDS = split_words(
    """a an the at by for from in into of on onto to with w/ per via as is are be it its your our my this that than
    für mit von der die das den dem des ein eine einen aus auf im am zum zur bei ohne zu als
    de la le les du des pour avec en au aux un une sans sur à el los las para del al y con di da per il lo gli dei
    voor met van het een na do dla для на из
    的 之 を は が で に へ から まで より"""
)
_LINKS = split_words("and or & + / und oder et ou y ed och en и или &amp; 和 与 及 或 以及 跟 同 と や の")
_SIZES = split_words("small medium large sm med lrg")
_AUDIENCE_OR_TIME = split_words(
    """new sale hot set pack unisex official original genuine edition style classic season seasonal
    version series collection design quality summer winter spring autumn fall neu nouveau nuevo"""
)
_MODIFIER_ENDING = re.compile(
    r".{3,}(?:ful|ous|ish|ive|ical|istic|iest|ier)|.{4,}(?:ed|ly|ing)|.{3,}(?:isch|lich|ig|ige|iger|iges)"
)
_PARTICIPLE = re.compile(r".{3,}(?:ing|ed)")
_NOUN_ENDING_IN_ING = split_words(
    """ring string earring earrings bedding clothing stocking stockings legging leggings lighting seasoning dressing
    flooring wing king pudding railing ceiling fishing gaming camping cycling running"""
)
# characters that end product nouns, of which the dictionary takes some for verbs or numbers: 炒锅, 大米
_PRODUCT_ENDINGS = frozenset(
    "锅米机器鞋裤裙衣衫帽包袋杯壶瓶盒箱柜桌椅床灯笔书刀布巾垫枕被毯膏霜液乳粉膜茶酒奶饭面肉糖饼果菜鱼车表链环镜盆碗盘筷勺叉扇伞球拍架线壳套卡板管锁肌肤"
)
_NOUNS_AND_UNKNOWN = ("n", "vn", "an", "l", "i", "j", "x", "q", "k", "e")


def find_removable(pieces: TokenizedTexts, free: Bools) -> Bools:
    """bool (pieces,): the free words that a text can lose."""
    found, bounds = bytearray(free.tobytes()), pieces.start_list
    kinds, tokens, is_free = pieces.kind_codes.tobytes(), pieces.tokens, free.tobytes()
    for begin, end in pairwise(bounds):
        found[begin:end] = _mark_removable(tuple(tokens[begin:end]), kinds[begin:end], is_free[begin:end])
    return np.frombuffer(found, np.bool_).copy()


@lru_cache(200_000)
def _mark_removable(tokens: tuple[str, ...], kinds: bytes, is_free: bytes) -> bytes:
    """1 for each token that a text can lose; cached, since the same titles are read in every epoch."""
    found = bytearray(is_free)
    for position in _find_needed(tokens, kinds, is_free):
        found[position] = 0
    return bytes(found)


def _find_needed(tokens: tuple[str, ...], kinds: bytes, is_free: bytes) -> list[int]:
    """Positions of the words of a text that must stay."""
    needed: list[int] = []
    phrase: list[int] = []
    is_bound = False  # a sign or a function word before the phrase would be left behind
    before = ""  # role of the word before
    for position, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        if kind == _BLANK and token.isspace():
            if phrase and find_scripts(tokens[phrase[-1]]) & _UNSPACED:  # there, a blank separates keywords
                needed += _find_heads(tokens, phrase, is_bound)
                phrase, is_bound = [], False
            continue
        role = find_role(token) if kind != _BLANK else ""
        if role in (FUNCTION, LINK):
            needed += [*_find_heads(tokens, phrase, True), *phrase[-1:], position]
            phrase, is_bound = [], True
        elif not is_free[position]:
            is_sign = kind in _SIGNS
            needed += _find_heads(tokens, phrase, is_bound or is_sign)
            phrase, is_bound, role = [], is_sign, ""
        else:
            phrase.append(position)
            if role in (SIZE, PRODUCT) or before == LINK or (before == FUNCTION and tokens[position - 2] in _ARTICLES):
                needed.append(position)
        before = role
    return needed + _find_heads(tokens, phrase, is_bound)


_BLANK, _SIGNS = ord("s"), b"g-"
_UNSPACED = frozenset(("Han", "Kana"))
_ARTICLES = frozenset(("a", "an", "A", "An", "AN"))


def _find_heads(tokens: tuple[str, ...], phrase: list[int], is_bound: bool) -> list[int]:
    """The head of a phrase, and the noun before it, which may form a compound with it, as in "hair dryer".

    So may a noun and a participle: "noise cancelling".
    Chinese words are not separated: all nouns may be parts of a compound, and so may contrasts before a noun, as in
    敏感肤质. The last word of a bound phrase stays.
    """
    nouns = [position for position in phrase if find_role(tokens[position]) in (PRODUCT, OTHER)]
    if not nouns:
        return phrase[-1:] if is_bound else []
    if find_scripts(tokens[nouns[-1]]) & _UNSPACED:
        return [*nouns, *(place - 1 for place in nouns if place - 1 in phrase and _is_contrast(tokens[place - 1]))]
    heads = [nouns[-1]]
    for before, word in pairwise(phrase):
        is_part = before in nouns or _is_contrast(tokens[before].lower())
        if (word == nouns[-1] and is_part) or (before in nouns and _PARTICIPLE.fullmatch(tokens[word].lower())):
            heads += [before, word]
    return heads


def _is_contrast(token: str) -> bool:
    return Lexicon.load_default().attributes.get(token) == "contrast"


@cache
def find_role(token: str) -> str:
    """The role of a word in a phrase: function, link, size, product, modifier or other.

    >>> [find_role(word) for word in ("for", "and", "Large", "towel", "gentle", "Leggings", "漂亮")]
    ['function', 'link', 'size', 'product', 'modifier', 'other', 'modifier']
    """
    word, lexicon = token.lower(), Lexicon.load_default()
    if word in _LINKS:
        return LINK
    if word in _FUNCTION_WORDS:
        return FUNCTION
    if word in _SIZES:
        return SIZE
    kind = lexicon.attributes.get(word)
    if kind == "product":
        return PRODUCT
    if kind is not None or word in lexicon.modifiers or word in _AUDIENCE_OR_TIME or is_claim(word):
        return MODIFIER
    if has_han(word):
        is_noun = word[-1] in _PRODUCT_ENDINGS or find_part_of_speech(word).startswith(_NOUNS_AND_UNKNOWN)
        return OTHER if is_noun else MODIFIER
    return MODIFIER if _MODIFIER_ENDING.fullmatch(word) and word not in _NOUN_ENDING_IN_ING else OTHER
