"""How does a text look before and after, and which of its words are new?"""

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
"""Parts of a text in their order, and whether each is new (or, before, gone)."""


@dataclass(frozen=True)
class TextPreview:
    """One text before and after; `why` says why nothing changed, "" where something did."""

    before: str
    after: str
    why: str = ""

    def parts(self) -> tuple[Parts, Parts]:
        """Both texts in parts: before with what goes marked, after with what comes marked."""
        return marked(self.before, self.after)

    def __str__(self) -> str:
        if self.why:
            return f"{self.before}\n({self.why})"
        return "\n→ ".join("".join(f"*{part}*" if new else part for part, new in parts) for parts in self.parts())


def marked(before: str, after: str) -> tuple[Parts, Parts]:
    """What is gone from one text and new in the other, word by word.

    >>> marked("soft cream", "gentle cream")[1]
    (('gentle', True), (' cream', False))
    """
    old, new = cut(before), cut(after)
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for parts, piece in ((left, "".join(old[a:b])), (right, "".join(new[c:d]))):
            parts += [(piece, False)] if tag == "equal" else _without_blanks(piece)
    return tuple(left), tuple(right)


def _without_blanks(piece: str) -> list[tuple[str, bool]]:
    """A changed part, its blanks at both ends apart: a mark around blanks is hard to read."""
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
    """Previews of some texts. names: the identities that chance follows from; by default the texts themselves."""
    fitted = wish.fit(catalog)
    place = rng.key(seed, "text", registry.kind_of("text_transforms", wish))
    keys = rng.row_keys(place, rng.user_keys(list(names if names is not None else texts)))
    made = changed(fitted, texts, keys, strength)
    whys = [next(iter(unchanged(fitted, [a], [b])), "") for a, b in zip(texts, made, strict=True)]
    return [TextPreview(a, b, why) for a, b, why in zip(texts, made, whys, strict=True)]
