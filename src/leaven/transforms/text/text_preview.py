"""Shows texts before and after a transform, with the changed words marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.protocols import TextTransform
from leaven.tokenization import tokenize_text
from leaven.transforms.text.text_views import count_unchanged_texts, transform_texts

MarkedParts = tuple[tuple[str, bool], ...]
"""Parts of a text in order, and whether each is inserted (or, in the text before, removed)."""


@dataclass(frozen=True)
class TextPreview:
    """One text before and after; `reason` is why the text is unchanged, "" where it changed."""

    before: str
    after: str
    reason: str = ""

    def mark_parts(self) -> tuple[MarkedParts, MarkedParts]:
        """Both texts in parts, with removed parts marked in the first and inserted parts in the second."""
        return mark_changes(self.before, self.after)

    def __str__(self) -> str:
        if self.reason:
            return f"{self.before}\n({self.reason})"
        return "\n→ ".join("".join(f"*{part}*" if new else part for part, new in parts) for parts in self.mark_parts())


def mark_changes(before: str, after: str) -> tuple[MarkedParts, MarkedParts]:
    """The removed parts of one text and the inserted parts of the other, word by word.

    >>> mark_changes("soft cream", "gentle cream")[1]
    (('gentle', True), (' cream', False))
    """
    old, new = tokenize_text(before), tokenize_text(after)
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for parts, piece in ((left, "".join(old[a:b])), (right, "".join(new[c:d]))):
            parts += [(piece, False)] if tag == "equal" else _mark_without_blanks(piece)
    return tuple(left), tuple(right)


def _mark_without_blanks(piece: str) -> list[tuple[str, bool]]:
    """A changed part, with the blanks at both ends unmarked: marked blanks are hard to read."""
    inner = piece.strip()
    if not inner:
        return [(piece, False)] if piece else []
    begin = piece.index(inner)
    parts = [(piece[:begin], False), (inner, True), (piece[begin + len(inner) :], False)]
    return [(part, new) for part, new in parts if part]


def preview_texts(
    texts: Sequence[str],
    config: TextTransform,
    catalog: Catalog,
    seed: int,
    strength: float = 1.0,
    names: Sequence[str] | None = None,
) -> list[TextPreview]:
    """Previews of some texts. names: identities that seed the draws; by default the texts themselves."""
    fitted = config.fit(catalog)
    key = rng.derive_key(seed, "text", registry.find_kind("text_transforms", config))
    keys = rng.derive_row_keys(key, rng.derive_user_ids(list(names if names is not None else texts)))
    new_texts = transform_texts(fitted, texts, keys, strength)
    reasons = [next(iter(count_unchanged_texts(fitted, [a], [b])), "") for a, b in zip(texts, new_texts, strict=True)]
    return [TextPreview(a, b, reason) for a, b, reason in zip(texts, new_texts, reasons, strict=True)]
