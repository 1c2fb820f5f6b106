"""Which words stand in the same surroundings in the catalogue itself?"""

from __future__ import annotations

from dataclasses import dataclass

from leaven.datasets.catalog import Catalog
from leaven.tokenization import Pieces
from leaven.transforms.text import distributional_similarity
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import Reader
from leaven.transforms.text.token_sampling import Bools, WordEdit, check, put_in_place
from leaven.transforms.validation import check_count, check_share


@dataclass(frozen=True)
class NeighbourWords:
    """Replace words by others that share their surroundings in the catalogue: its own near-synonyms, in any language.

    share_range      share of the words with neighbours that are replaced, drawn per text (× strength), rounded by lot
    p                chance that a text is changed
    least_texts      texts that a word must stand in
    least_similarity cosine of the surroundings, from 0 to 1
    protect          words and phrases that stay

    Shared surroundings alone are a trap: "large" and "small", "shampoo" and "conditioner" are the closest of all. So
    colours, materials, sizes and product nouns of the lexicon neither go nor come, and two words must name each other.
    Without a catalogue nothing can be learned, and texts stay as they are (counted).
    """

    share_range: tuple[float, float] = (0.2, 0.5)
    p: float = 1.0
    least_texts: int = 5
    least_similarity: float = 0.2
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("neighbours", self.share_range, self.p)
        check_count("neighbours.least_texts", self.least_texts, 2)
        check_share("neighbours.least_similarity", self.least_similarity)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Learns the surroundings of the catalogue's words."""
        lexicon = Lexicon.ours()
        known = distributional_similarity.neighbours(catalog, lexicon, self.least_texts, self.least_similarity)
        reader = Reader.of(catalog, self.protect, lambda piece: known.get(piece.lower(), ()), lexicon.whole)
        return WordEdit(reader, self.share_range, self.p, _is_open, put_in_place, "no word has a neighbour")


def _is_open(pieces: Pieces, free: Bools) -> Bools:
    return free & pieces.open
