"""SQL that cleans the cells of a file: missing words, ids, numbers. One list and one reader for all of leaven."""

from __future__ import annotations

from collections.abc import Sequence

from leaven.sql import quote_literal

MISSING_WORDS = (
    "", "na", "n/a", "#n/a", "nan", "<na>", "nat", "null", "(null)", "none", "nil", "\\n", "(not set)", "not set",
    "undefined", "missing", "-", "--", "?",
)  # fmt: skip
"""Cells that mean "no value", in lower case."""
MISSING_IDS = ("-1", "-1.0")
"""Further cells that mean "no value" in columns of ids."""
SPACES = r"[\s\x00-\x1f\x{a0}\x{1680}\x{2000}-\x{200d}\x{2028}\x{2029}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}]+"
"""Regular expression of blanks, with the ones that Unicode has and `trim` does not know."""
SCIENTIFIC_ID = r"^-?[0-9](\.[0-9]+)?[eE]\+[0-9]+$"
"""An id that a spreadsheet has rounded, such as 1.23457E+11."""
_SIGNS = r"^(USD|EUR|GBP|CNY|RMB|JPY)|(USD|EUR|GBP|CNY|RMB|JPY)$|[$€£¥￥₹\s]"
_THOUSANDS, _DECIMAL_COMMA = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$", r"^[+-]?\d+,\d{1,2}$"
_LONGEST_WORD = max(map(len, MISSING_WORDS))


def build_missing_list(words: Sequence[str] | None, *more: str) -> str:
    """The list of an SQL `IN`: the given words instead of `MISSING_WORDS` where there are any; always ""."""
    known = ("", *((*MISSING_WORDS, *more) if words is None else (word.lower() for word in words)))
    return f"({', '.join(map(quote_literal, dict.fromkeys(known)))})"


def trim_cell(cell: str) -> str:
    """A text without blanks at its ends, in Unicode's composed form; plain texts, the usual case, are not touched."""
    trimmed = f"nfc_normalize(regexp_replace(regexp_replace({cell}, '^{SPACES}', ''), '{SPACES}$', ''))"
    odd = f"strlen({cell}) <> length({cell}) OR contains({cell}, chr(9)) OR contains({cell}, chr(10))"
    odd += f" OR contains({cell}, chr(13))"
    return f"CASE WHEN {odd} THEN {trimmed} WHEN contains({cell}, ' ') THEN trim({cell}) ELSE {cell} END"


def find_odd_ids(cell: str, words: Sequence[str] | None = None) -> tuple[str, str]:
    """Two conditions of ids that need cleaning: a missing word in its usual cases, and blanks or other Unicode forms.

    Each is one cheap comparison: columns without any such id, the usual case, are read as they are.
    """
    known = (*MISSING_WORDS, *MISSING_IDS) if words is None else tuple(words)
    forms = {form for word in known for form in (word, word.lower(), word.upper(), word.capitalize(), word.title())}
    forms |= {"", "NaN", "NaT"} if words is None else {""}
    listed = ", ".join(map(quote_literal, sorted(forms)))
    blanks = " OR ".join(f"contains({cell}, {blank})" for blank in ("' '", "chr(9)", "chr(10)", "chr(13)"))
    return f"{cell} IN ({listed})", f"strlen({cell}) <> length({cell}) OR {blanks}"  # trimming takes five times as long


def parse_text(cell: str, words: Sequence[str] | None = None) -> str:
    """A text, NULL where it means that there is none."""
    text = trim_cell(cell)
    return f"CASE WHEN lower({text}) IN {build_missing_list(words)} THEN NULL ELSE {text} END"


def parse_id(cell: str, words: Sequence[str] | None = None) -> str:
    """An id as text, NULL where it is missing. Long cells are not compared with the words: that takes time."""
    text = trim_cell(cell)
    longest = _LONGEST_WORD if words is None else max(map(len, words), default=0)
    missing = f"strlen({cell}) <= {longest + 4} AND lower({text}) IN {build_missing_list(words, *MISSING_IDS)}"
    return f"CASE WHEN {missing} THEN NULL ELSE {text} END"


def parse_number(cell: str, words: Sequence[str] | None = None) -> str:
    """DOUBLE of a text such as "$1,250.50", "3,50 €" or "1e-3"; NULL where it is none.

    >>> import duckdb
    >>> duckdb.sql(f"SELECT {parse_number('t')} FROM (VALUES ('$1,250.50'), ('3,50 €'), ('n/a')) AS v(t)").fetchall()
    [(1250.5,), (3.5,), (None,)]
    """
    bare = f"regexp_replace(trim({cell}), '{_SIGNS}', '', 'g')"
    # Plain numbers, the usual case, need no regular expression; a word without digits is no number.
    number = f"""CASE WHEN isfinite(TRY_CAST({cell} AS DOUBLE)) THEN TRY_CAST({cell} AS DOUBLE) ELSE TRY_CAST(CASE
        WHEN regexp_matches({bare}, '{_THOUSANDS}') THEN replace({bare}, ',', '')
        WHEN regexp_matches({bare}, '{_DECIMAL_COMMA}') THEN replace({bare}, ',', '.')
        WHEN regexp_matches({bare}, '[0-9]') THEN {bare} END AS DOUBLE) END"""
    return number if words is None else f"CASE WHEN {is_missing(cell, words)} THEN NULL ELSE {number} END"


def is_missing(cell: str, words: Sequence[str] | None = None) -> str:
    """The condition of cells that mean that there is no value; for numbers, whose blanks are plain."""
    return f"lower(trim({cell})) IN {build_missing_list(words)}"
