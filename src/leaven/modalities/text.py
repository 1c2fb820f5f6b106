"""The modality of texts: rows of a quality evaluation, and views of the items' text columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import DataError, suggest_name
from leaven.facts import TextExample, UnreadableFiles
from leaven.metrics.synthetic import FeaturizedRows, membership_inference, memorization
from leaven.metrics.synthetic.featurizers import TextEncoder
from leaven.modalities.featurization import (
    MAX_ENCODER_ROWS,
    FeatureInfo,
    Featurizer,
    Points,
    choose_rows,
    compare_points,
    compare_runs,
)
from leaven.modalities.histograms import Distribution, bin_counts
from leaven.modalities.modality import (
    ROLES,
    ROWS_WITHOUT_COPIES,
    ComparedSides,
    EvaluationContext,
    Family,
    Ints,
    ItemStep,
    ItemValues,
    Modality,
    OperatorFamilies,
    QualityInputs,
    RowComparison,
    RowQuality,
    ViewSource,
)
from leaven.modalities.sequence import hash_histories
from leaven.modalities.tabular import read_table
from leaven.protocols import RngKeys, TextGenerator, TextTransform, get_traits
from leaven.run_folder import write_text
from leaven.tokenization import ChineseSegmenter, tokenize_text
from leaven.transforms.text.text_views import count_unchanged_texts, mark_changes, transform_texts

_MAX_WORDS = 24  # maximum words shown of a text
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


def _owns_source(source: Any) -> bool:
    """Return whether a source is a list of strings."""
    return isinstance(source, TextRows) or (isinstance(source, list) and all(isinstance(one, str) for one in source))


def _resembles_texts(source: Any) -> bool:
    """False: a file with texts looks like a table."""
    return False


def _read_text_rows(given: Sequence[Any], context: EvaluationContext) -> QualityInputs[TextRows]:
    """Return the inputs of three sets of texts."""
    if all(isinstance(one, TextRows) for one in given):
        real, held, new = given
    else:
        lines = [read_texts(one, role, context.column) for one, role in zip(given, ROLES, strict=True)]
        real, held, new = build_text_rows(lines)
    return QualityInputs("text", real, held, new)


@dataclass(frozen=True, eq=False)
class TextFeaturizer:
    """Texts: latent semantic axes, a Markov chain of tokens for noise and attack."""

    info: FeatureInfo
    encoder: TextEncoder
    real: Histories
    fold: Histories
    training: Points

    @classmethod
    def fit(cls, real: TextRows, fold: TextRows, key: int, context: EvaluationContext) -> Featurizer:
        """Return the featurizer of training texts and a fold."""
        encoder = TextEncoder.fit(
            real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder"))).tokens, key
        )
        training = encoder.embed(real.tokens)
        axes = [f"topic {axis + 1}" for axis in range(training.shape[1])]
        info = FeatureInfo([*encoder.compute_features(fold.tokens)[1], *CHARACTER_FEATURES, *axes])
        return cls(info, encoder, real.tokens, fold.tokens, training)

    def featurize(self, rows: TextRows) -> FeaturizedRows:
        """Return the sample of these texts."""
        points, surprisal = (
            self.encoder.embed(rows.tokens),
            membership_inference.compute_surprisals(self.fold, rows.tokens),
        )
        facts = compare_points(points, self.training) | compare_runs(rows.tokens, self.real)
        facts |= {"reference": -surprisal}
        noise = np.nan_to_num(surprisal) / np.maximum(rows.tokens.lengths - 1, 1)
        features = np.column_stack([self.encoder.compute_features(rows.tokens)[0], rows.character_shares, points])
        return FeaturizedRows(points, features, noise[:, None], facts, rows.tokens)


def _describe_texts(sides: ComparedSides[TextRows]) -> list[Distribution | None]:
    return [bin_counts("Words of a text", "words", [one.tokens.lengths for one in sides.rows])]


def _format_text(rows: TextRows, row: int) -> list[str]:
    return rows.texts[row].split()[:_MAX_WORDS]


def _write_texts(rows: TextRows, inputs: QualityInputs[TextRows], folder: Path) -> Path:
    """Write one text per line."""
    target = folder / f"{ROWS_WITHOUT_COPIES}.txt"
    write_text(target, "".join(f"{' '.join(text.splitlines())}\n" for text in rows.texts))
    return target


@dataclass(frozen=True, eq=False)
class TextViews:
    """Text columns of the catalog.

    folder  default cache of fitted models and their answers, shared by all trainings of a variant; None: no cache
    """

    catalog: Catalog
    folder: Path | None = None

    def find_columns(self, step: ItemStep) -> tuple[str, ...]:
        """The step's columns, by default all text columns but the brand."""
        words = self.catalog.texts
        for column in step.columns:
            if column not in words:
                where = f"step {step.display_name!r}, columns"
                raise DataError(where, "a text column", repr(column), suggest_name(column, words))
        columns = step.columns or tuple(name for name, texts in words.items() if name != "brand" and any(texts))
        if not columns:
            raise DataError(
                f"step {step.display_name!r}", "items with text", "none", "name text columns in item_columns"
            )
        return columns

    def fit(self, step: ItemStep, key: int) -> Any:
        """Fit on the whole catalog; text operators use no random draws in `fit`."""
        use: Any = step.use
        if self.folder is not None and get_traits(use).has_cache and not use.cache:
            use = replace(use, cache=str(self.folder / f"learned-{step.display_name.replace(' ', '-')}"))
        return use.fit(self.catalog)

    def get_values(self, column: str) -> ItemValues:
        """One text per item, "" where there is none."""
        return list(self.catalog.texts[column])

    def find_items(self, column: str) -> Ints:
        """All items: an empty text is one of the reasons of `unchanged`."""
        return np.arange(len(self.catalog))

    def apply(self, fitted: Any, values: ItemValues, items: Ints, keys: RngKeys, strength: float) -> ItemValues:
        """Changed texts, computed in blocks."""
        return list(transform_texts(fitted, values, keys, strength))

    def count_unchanged(self, fitted: Any, before: ItemValues, after: ItemValues, items: Ints) -> Mapping[str, int]:
        """Counts by the operator's reasons, else by the draw."""
        return count_unchanged_texts(fitted, before, after)

    def show_pair(self, item: str, before: Any, after: Any, step: ItemStep) -> TextExample:
        """Both texts in parts, each with whether it is removed or new."""
        old, new = mark_changes(before, after)
        return TextExample(item, tuple(old), tuple(new))

    def replace_values(self, catalog: Catalog, columns: Mapping[str, ItemValues]) -> Catalog:
        """The catalog with these text columns."""
        return replace(catalog, texts={**catalog.texts, **columns})

    def summarize_pair(self, item: str, before: Any, after: Any) -> RowComparison:
        """Both texts."""
        return RowComparison([before], [after], [0])

    def to_columns(self, before: ItemValues, after: ItemValues) -> dict[str, Any]:
        """Both texts."""
        return {"before": before, "after": after}

    def count_unreadable(self) -> Mapping[str, UnreadableFiles]:
        """None: texts are read with the catalog."""
        return {}


def _build_views(catalog: Catalog, image_size: int, folder: Path | None) -> TextViews:
    return TextViews(catalog, folder)


TEXT: Modality[TextRows] = Modality(
    name="text",
    containers=(TextRows,),
    families=OperatorFamilies(Family("text_transforms", TextTransform), Family("text_generators", TextGenerator)),
    task="ranking",
    quality=RowQuality(
        owns=_owns_source,
        resembles=_resembles_texts,
        read=_read_text_rows,
        hash_rows=lambda rows: hash_histories(rows.tokens),
        fit_featurizer=TextFeaturizer.fit,
        describe=_describe_texts,
        format_row=_format_text,
        find_copies=lambda new, real: memorization.find_copied_rows(new.tokens, real.tokens),
        write_rows=_write_texts,
        context_fields=("column",),
        residual_unit="word",
    ),
    views=ViewSource("text", _build_views),
)
