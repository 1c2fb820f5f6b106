"""Sets of texts for a quality evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.quality.table_rows import read_table
from leaven.tokenization import ChineseSegmenter, tokenize_text

CHARACTER_FEATURES = ("characters", "capitals", "digits", "signs")


@dataclass(frozen=True, eq=False)
class TextRows:
    """lines: the texts. tokens: each as a history of token ids over one vocabulary, with positions as times.
    signs float64 (texts, 4): log of the length, shares of capitals, digits and other signs.
    """

    texts: Sequence[str]
    tokens: Histories
    character_shares: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: npt.NDArray[np.int64]) -> TextRows:
        """Return these texts, int64 indices, in that order."""
        return TextRows([self.texts[place] for place in index], self.tokens.take(index), self.character_shares[index])


def read_texts(source: Any, role: str, column: str = "") -> list[str]:
    """Return texts from a list, a file with one per line, or a column of a table; empty ones are left out.

    Raises DataError if there is none, or if the column of a table is ambiguous.
    """
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        candidates = [str(one) for one in source]
    elif isinstance(source, str | Path) and Path(source).suffix.lower() in (".txt", ".text", ""):
        candidates = _read_file(Path(source), role)
    else:
        candidates = _read_column(source, role, column)
    texts = [one.strip() for one in candidates if one.strip()]
    if not texts:
        raise DataError(f"{role} texts", "at least one text", "none", "check the file")
    return texts


def _read_file(path: Path, role: str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{role} texts {path}", "a file in UTF-8, one text per line", str(error), "check it") from error


def _read_column(source: Any, role: str, column: str) -> list[str]:
    columns: Mapping[str, Any] = read_table(source, role).columns
    words = [name for name, values in columns.items() if values.dtype.kind != "f"]
    if column and column not in columns:
        raise DataError(f"{role} texts", f"a column {column!r}", ", ".join(columns), "name one of these")
    if not column and len(words) != 1:
        got = f"{len(words)} text columns: {', '.join(words)}" if words else "numbers only"
        raise DataError(f"{role} texts", "one text column", got, "name the column of the texts: --column NAME")
    return [str(one) for one in columns[column or words[0]]]


def build_text_rows(given: Sequence[Sequence[str]]) -> list[TextRows]:
    """Return several sets of texts over one vocabulary; tokens are case-insensitive.

    Raises MissingExtra for Chinese without rjieba.
    """
    cutter, token_ids = ChineseSegmenter(), dict[str, int]()
    rows = []
    for lines in given:
        cuts = [[piece.lower() for piece in tokenize_text(line, cutter) if not piece.isspace()] for line in lines]
        rows.append([[token_ids.setdefault(word, len(token_ids) + 1) for word in words] for words in cuts])
    signs = [_measure_signs(lines) for lines in given]
    return [
        TextRows(list(lines), Histories.from_lists(ids, len(token_ids)), s)
        for lines, ids, s in zip(given, rows, signs, strict=True)
    ]


def _measure_signs(lines: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return log length and the shares of capitals, digits and other signs, float64 (texts, 4)."""
    counts = [
        (
            len(line),
            sum(letter.isupper() for letter in line),
            sum(letter.isdigit() for letter in line),
            sum(not (letter.isalnum() or letter.isspace()) for letter in line),
        )
        for line in lines
    ]
    table = np.array(counts, np.float64).reshape(-1, len(CHARACTER_FEATURES))
    return np.column_stack([np.log1p(table[:, 0]), table[:, 1:] / np.maximum(table[:, :1], 1)])
