"""Shows texts before and after a transform, with the changed words marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.protocols import TextTransform
from leaven.tokenization import cut
from leaven.transforms.text.text_views import changed, unchanged

Parts = tuple[tuple[str, bool], ...]
"""Parts of a text in order, and whether each is inserted (or, in the text before, removed)."""


@dataclass(frozen=True)
class TextPreview:
    """One text before and after; `reason` is why the text is unchanged, "" where it changed."""

    before: str
    after: str
    why: str = ""

    def parts(self) -> tuple[Parts, Parts]:
        """Both texts in parts, with removed parts marked in the first and inserted parts in the second."""
        return marked(self.before, self.after)

    def __str__(self) -> str:
        if self.why:
            return f"{self.before}\n({self.why})"
        return "\n→ ".join("".join(f"*{part}*" if new else part for part, new in parts) for parts in self.parts())


def marked(before: str, after: str) -> tuple[Parts, Parts]:
    """The removed parts of one text and the inserted parts of the other, word by word.

    >>> marked("soft cream", "gentle cream")[1]
    (('gentle', True), (' cream', False))
    """
    old, new = cut(before), cut(after)
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


def previewed(
    texts: Sequence[str],
    wish: TextTransform,
    catalog: Catalog,
    seed: int,
    strength: float = 1.0,
    names: Sequence[str] | None = None,
) -> list[TextPreview]:
    """Previews of some texts. names: identities that seed the draws; by default the texts themselves."""
    fitted = wish.fit(catalog)
    key = rng.key(seed, "text", registry.kind_of("text_transforms", wish))
    keys = rng.row_keys(key, rng.user_keys(list(names if names is not None else texts)))
    new_texts = changed(fitted, texts, keys, strength)
    reasons = [next(iter(unchanged(fitted, [a], [b])), "") for a, b in zip(texts, new_texts, strict=True)]
    return [TextPreview(a, b, reason) for a, b, reason in zip(texts, new_texts, reasons, strict=True)]
