"""Measures titles per second of nlpaug; runs in the Python environment that `bench.peers` builds.

    python bench/nlpaug_peer.py TITLES SYNONYMS [WORDNET]

TITLES holds one title per line, SYNONYMS the lines of a PPDB file (nlpaug has no synonyms), WORDNET the WordNet files.
The part-of-speech tagger of nlpaug downloads data; here every word is tagged as an adjective (noun for WordNet), at no
cost. Prints one line of JSON: operator -> titles per second of CPU time and the share of changed titles.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TURNS = 3


def build_operators(synonyms: str) -> dict[str, Any]:
    """Return operators of nlpaug with the shares used by leaven: 10 to 30 % of the words, at least one."""
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


def build_wordnet_operator(files: str, folder: Path) -> dict[str, Any]:
    """Return the synonym operator with WordNet files, copied to the folder names that NLTK requires."""
    import nlpaug.augmenter.word as words
    import nltk

    inside = folder / "corpora" / "wordnet"
    inside.mkdir(parents=True)
    for file in Path(files).iterdir():
        if file.is_file():
            (inside / file.name).write_bytes(file.read_bytes())
    (inside / "lexnames").write_text("".join(f"{nth:02d}\tfile{nth}\t1\n" for nth in range(45)))  # required but unused
    nltk.data.path = [str(folder)]
    synonym = words.SynonymAug(aug_src="wordnet", aug_p=0.5)
    synonym.model.pos_tag = lambda tokens: [(token, "NN") for token in tokens]
    return {"synonyms, WordNet too": synonym}


def main(titles: str, synonyms: str, wordnet: str = "") -> None:
    """Measure all operators on the titles of a file."""
    texts = Path(titles).read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        operators = build_operators(synonyms) | (build_wordnet_operator(wordnet, Path(folder)) if wordnet else {})
        print_speeds(operators, texts)


def print_speeds(operators: dict[str, Any], texts: list[str]) -> None:
    """Print speed and share of changed titles of each operator as JSON."""
    results = {}
    for name, operator in operators.items():
        best, changed = float("inf"), 0
        for _ in range(TURNS):
            start = time.process_time()
            changed_texts = operator.augment(texts, n=1)
            best = min(best, time.process_time() - start)
            changed = sum(a != b for a, b in zip(changed_texts, texts, strict=True))
        results[name] = {"speed": len(texts) / best, "changed": changed / len(texts)}
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
