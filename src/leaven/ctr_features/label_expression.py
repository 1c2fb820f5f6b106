"""Labels by a condition on one column: "rating >= 4", "kind == buy"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from leaven.errors import SpecError
from leaven.ingest.cell_parsing import parse_number, parse_text
from leaven.sql import quote_literal

_EXPRESSION = re.compile(r"^\s*(?P<column>[^<>=!]*?)\s*(?P<operator>[<>=!]+)\s*(?P<value>[^<>=!]*?)\s*$")
_OPERATORS = (">=", "<=", "==", ">", "<")
_ORDERS = (">=", "<=", ">", "<")
_QUOTES = "'\""


@dataclass(frozen=True)
class LabelExpression:
    """A condition that is met by positives. value: a number after >=, <=, > and <; a number or a text after ==.

    >>> LabelExpression.parse("rating >= 4")
    LabelExpression(column='rating', operator='>=', value='4')
    >>> LabelExpression.parse("kind == 'add to cart'").value
    'add to cart'
    """

    column: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str, where: str = "label") -> LabelExpression:
        """The expression of a text. Raises SpecError with what to write instead."""
        found = _EXPRESSION.match(text)
        expected = "COLUMN >= NUMBER (or >, <=, <), or COLUMN == VALUE"
        if found is None:
            raise SpecError(where, expected, repr(text), "write for example 'rating >= 4' or 'kind == buy'")
        column, operator, value = (_strip_quotes(found[name]) for name in ("column", "operator", "value"))
        if operator not in _OPERATORS:
            near = {"=": "==", "=>": ">=", "=<": "<=", "===": "=="}.get(operator)
            fix = f"write {column} {near} {value}" if near else "operators: >=, <=, ==, >, <"
            raise SpecError(where, "a known operator", f"{operator!r} in {text!r}", fix)
        if not column or not value:
            side = "right" if column else "left"
            raise SpecError(
                where, expected, f"{text!r} with nothing on the {side}", f"write for example 'rating {operator} 4'"
            )
        if operator in _ORDERS and _to_number(value) is None:
            fix = f"write {column} == {value} for a text, or give a number"
            raise SpecError(where, f"a number after {operator}", repr(value), fix)
        return cls(column, operator, value)

    @staticmethod
    def is_expression(text: str) -> bool:
        """Whether a text compares something, and is not the plain name of a column."""
        return any(mark in text for mark in "<>=")

    @property
    def number(self) -> float | None:
        """The value as a number; None for a text."""
        return _to_number(self.value)

    @property
    def compares_text(self) -> bool:
        """Whether cells are compared as texts; a number is compared with numbers."""
        return self.number is None

    def build_condition(self, cell: str, is_text: bool, missing: Sequence[str] | None = None) -> str:
        """SQL of the condition for a column, NULL where the cell has no value. is_text: type of the column."""
        if self.compares_text:
            return (
                f"{parse_text(cell if is_text else f'CAST({cell} AS VARCHAR)', missing)} = {quote_literal(self.value)}"
            )
        number = parse_number(cell, missing) if is_text else f"CAST({cell} AS DOUBLE)"
        return f"{number} {'=' if self.operator == '==' else self.operator} {self.number!r}"

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.value}"


def _strip_quotes(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES else text


def _to_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
