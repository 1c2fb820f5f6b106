"""How many titles a second does nlpaug change? Run by the Python of its own environment (`bench.peers`).

    python bench/nlpaug_arm.py TITLES SYNONYMS

TITLES holds one title a line; SYNONYMS lines of a PPDB file, for nlpaug brings no words of its own. Its tagger of parts
of speech needs data that it would download: every word is called an adjective instead, which costs it nothing.
Prints one line of JSON: operator -> titles a second of CPU time, and the share that changed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

TURNS = 3


def operators(synonyms: str) -> dict[str, Any]:
    """Its operators with the shares of ours: 10 to 30 % of the words, one word at least."""
    import nlpaug.augmenter.char as characters
    import nlpaug.augmenter.word as words

    synonym = words.SynonymAug(aug_src="ppdb", model_path=synonyms, aug_p=0.5)
    synonym.model.pos_tag = lambda tokens: [(token, "JJ") for token in tokens]
    return {
        "delete": words.RandomWordAug(action="delete", aug_p=0.2),
        "swap": words.RandomWordAug(action="swap", aug_p=0.2),
        "misspell": characters.KeyboardAug(aug_word_p=0.2, aug_char_max=1),
        "synonyms": synonym,
    }


def main(titles: str, synonyms: str) -> None:
    texts = Path(titles).read_text(encoding="utf-8").splitlines()
    told = {}
    for name, operator in operators(synonyms).items():
        best, changed = float("inf"), 0
        for _ in range(TURNS):
            begun = time.process_time()
            made = operator.augment(texts, n=1)
            best = min(best, time.process_time() - begun)
            changed = sum(a != b for a, b in zip(made, texts, strict=True))
        told[name] = {"speed": len(texts) / best, "changed": changed / len(texts)}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
