"""Griffe extension: turns the aligned field lists and doctests of docstrings into Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

FIELD = re.compile(r"^(?P<names>\w+(?:, \w+)*) {2,}(?P<text>\S.*)$")
"""A line "name  description"; continuation lines are indented."""


class DocstringMarkdown(griffe.Extension):
    """Rewrites docstrings before they are rendered."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Convert the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = convert_docstring(obj.docstring.value)


def convert_docstring(text: str) -> str:
    """Return Markdown: field lists as bullets, doctests as code blocks, other paragraphs unchanged."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(convert_paragraph(paragraph) for paragraph in paragraphs)


def convert_paragraph(text: str) -> str:
    """Return one paragraph as Markdown."""
    if text.lstrip().startswith(">>>"):
        return f"```pycon\n{text}\n```"
    lines = text.split("\n")
    if not any(FIELD.match(line) for line in lines):
        return text
    bullets: list[str] = []
    for line in lines:
        field = FIELD.match(line)
        if field:
            names = ", ".join(f"`{name}`" for name in field["names"].split(", "))
            bullets.append(f"- {names}: {field['text']}")
        elif bullets:
            bullets[-1] += " " + line.strip()
        else:
            bullets.append(line + "\n")
    return "\n".join(bullets)
