"""How many titles a second does nlpaug change? Run by the Python of its own environment (`bench.peers`).

    python bench/nlpaug_peer.py TITLES SYNONYMS [WORDNET]

TITLES holds one title a line; SYNONYMS lines of a PPDB file, for nlpaug brings no words of its own; WORDNET the folder
of WordNet's files. Its tagger of parts of speech needs data that it would download: every word is called an adjective
(for WordNet a noun) instead, which costs it nothing.
Prints one line of JSON: operator -> titles a second of CPU time, and the share that changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
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


def of_wordnet(files: str, folder: Path) -> dict[str, Any]:
    """Its synonyms from these files, which NLTK reads in a folder of its own names only."""
    import nlpaug.augmenter.word as words
    import nltk

    inside = folder / "corpora" / "wordnet"
    inside.mkdir(parents=True)
    for file in Path(files).iterdir():
        if file.is_file():
            (inside / file.name).write_bytes(file.read_bytes())
    (inside / "lexnames").write_text("".join(f"{nth:02d}\tfile{nth}\t1\n" for nth in range(45)))  # not looked at
    nltk.data.path = [str(folder)]
    synonym = words.SynonymAug(aug_src="wordnet", aug_p=0.5)
    synonym.model.pos_tag = lambda tokens: [(token, "NN") for token in tokens]
    return {"synonyms, WordNet too": synonym}


def main(titles: str, synonyms: str, wordnet: str = "") -> None:
    texts = Path(titles).read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        known = operators(synonyms) | (of_wordnet(wordnet, Path(folder)) if wordnet else {})
        measure(known, texts)


def measure(known: dict[str, Any], texts: list[str]) -> None:
    """Print what each operator did."""
    told = {}
    for name, operator in known.items():
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
