"""Translation of messages: English is the key, a catalog of each other language holds its text.

Facts hold English sentences. They are translated where they are shown, so that any run can be shown in any language.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files

from leaven.errors import SpecError, suggest_name

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "zh": "中文"}
"""Code of a language -> its own name."""
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")
_NUMBER = r"[+−<≥]? ?[\d.,]+(?: %)?|–|not defined"
_SHAPES = {
    **dict.fromkeys(
        ("n", "users", "lines", "dropped", "all", "share", "low", "high", "lift", "mean", "base", "p"), _NUMBER
    ),
    "metric": r"[^.:;,]{2,30}",
    "by": r"[^.:;]{1,40}",
    "variant": "“.+?”",
    "variants": "“.+",
    "range": r"[\d.,-]+",
}
"""Name of a place for a value -> what fits there; anything for other names."""
_SENTENCE_END, _PART_END = re.compile(r"(?<=[.!?]) (?=[A-Z“])"), re.compile("; ")


def check_language(name: str, where: str = "lang") -> str:
    """Return the code of a language. Raises SpecError for one without a catalog."""
    if name not in LANGUAGES:
        raise SpecError(where, "a language of the messages", repr(name), suggest_name(name, LANGUAGES))
    return name


@dataclass(frozen=True)
class Translator:
    """Messages in one language. A message without a translation stays English.

    >>> translate = get_translator("zh")
    >>> translate("Verdict"), translate("{n} users", n="120"), translate("120 users")
    ('结论', '120 位用户', '120 位用户')
    """

    language: str
    messages: Mapping[str, str] = field(repr=False, default_factory=dict)

    def __call__(self, text: object, **values: object) -> str:
        """The text of a message with its values; a finished text is matched with the messages that have places for
        values, part by part where it has several sentences.
        """
        message = str(text)
        if values:
            shown = {name: self(value) if isinstance(value, str) else value for name, value in values.items()}
            return self.messages.get(message, message).format(**shown)
        return message if self.language == ENGLISH or not message else _translate(self.language, message)


@cache
def get_translator(language: str) -> Translator:
    """The translator of a language. Raises SpecError for an unknown one."""
    if check_language(language) == ENGLISH:
        return Translator(ENGLISH)
    source = (files("leaven") / f"messages_{language}.toml").read_text(encoding="utf-8")
    return Translator(language, {key: text for table in tomllib.loads(source).values() for key, text in table.items()})


@cache
def _compile_patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """(pattern of the finished English text, text of the language) of messages with places for values."""
    found = []
    for message, text in get_translator(language).messages.items():
        if "{" in message:
            pattern = _PLACEHOLDER.sub(
                lambda place: f"(?P<{place[1]}>{_SHAPES.get(place[1], '.+?')})", re.escape(message)
            )
            found.append((re.compile(pattern, re.DOTALL), text))
    return sorted(found, key=lambda pair: -len(pair[0].pattern))


@lru_cache(maxsize=4096)
def _translate(language: str, message: str) -> str:
    """The message in a language: as a whole, by its places for values, or sentence by sentence."""
    messages = get_translator(language).messages
    if message in messages:
        return messages[message]
    for separator, joint in ((_SENTENCE_END, ""), (_PART_END, "；")):
        if len(parts := separator.split(message)) > 1:
            shown = [_translate(language, part) for part in parts]
            if all(one != part for one, part in zip(shown, parts, strict=True)):
                return joint.join(shown)
    for pattern, text in _compile_patterns(language):
        if found := pattern.fullmatch(message):
            return text.format(**{name: _translate(language, value) for name, value in found.groupdict().items()})
    return message
