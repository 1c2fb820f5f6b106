"""Measure everything that docs/results.md says, and write it: `make results`.

Each part is a command that prints Markdown. What it printed is kept in docs/results/, so that parts can be measured one
by one, on a quiet machine: `python -m bench.results beauty`. Without a name, parts that are not there yet are measured.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT, PAGE = ROOT / "docs" / "results", ROOT / "docs" / "results.md"
HEAD = """# Results

Every table is what its command printed, on two CPU cores without a GPU; `make results` measures all of them again.
Public files are found through the environment variable LEAVEN_DATA. Seconds and memory are those of one machine; ratios
to peers were measured side by side in one run.
"""


@dataclass(frozen=True)
class Part:
    """One section. command: arguments of Python; words: what a reader should know before the table."""

    title: str
    command: Sequence[str]
    words: str = ""


PARTS = {
    "beauty": Part(
        "Quality on Beauty, no augmentation",
        ["-m", "bench.quality", "--only", "beauty"],
        "Published, same file and protocol: binary loss .0605 HR@10 / .0318 NDCG@10, sampled softmax .0921 / .0531, "
        "full cross-entropy with prefixes .1008 / .0611.",
    ),
    "sports": Part(
        "Quality on Sports, no augmentation",
        ["-m", "bench.quality", "--only", "sports"],
        "Published, same file and protocol: binary loss .0350 HR@10 / .0192 NDCG@10, sampled softmax .0569 / .0314.",
    ),
    "tried": Part("Settings of the transformer that were tried on Beauty", ["-m", "bench.tried"]),
    "training": Part("Cost of training and of ranking all users", ["-m", "bench.training"]),
    "reading": Part(
        "Reading, cleaning and ordering 20 million events", ["-m", "bench.reading", "--events", "20000000"]
    ),
    "operators": Part("Operators beside a loop in Python", ["-m", "bench.operators"]),
    "speeds": Part("Every operator: rows a second", ["-m", "bench.speeds"]),
    "pictures": Part("Pictures beside albumentations", ["-m", "bench.images"]),
    "grocery": Part("Photographs of a grocery, with and without augmentation", ["-m", "bench.grocery"]),
    "generators": Part("Generated rows: how fast", ["-m", "bench.generators"]),
    "generated": Part(
        "Generated rows: how likely unseen users are to each generator, and how alike its rows are to theirs",
        ["-m", "bench.generated", "--steps", "1000", "--rank-steps", "1500"],
        "On Beauty. A published set of generated rows covers 51 % of the items and gives 30 % of its events to 100 of "
        "them.",
    ),
    "expansion": Part("Expanding a log five-fold, at size", ["-m", "bench.expansion"]),
    "features": Part(
        "Labelled rows of 20 million events, 5,000 sparse columns, rows in files", ["-m", "bench.features"]
    ),
    "tables": Part("Made tables", ["-m", "bench.tables"]),
    "cold": Part(
        "Items that nobody had bought: Beauty, split by time",
        ["-m", "bench.cold"],
        "Small nets and few steps, the same for every arm. A transformer of ids cannot know these items; one that "
        "reads titles and attributes ranks them among themselves, and keeps as many places for them as validation "
        "users took of them (`newcomers`; 5 % here, 19 % in the later test). Views of words change nothing that shows.",
    ),
    "titles": Part(
        "Titles written by small nets that read nothing else",
        ["-m", "bench.titles"],
        "Beauty. Views go through the checks that answers of large models go through, and may hold no word that the "
        "catalogue does not know.",
    ),
    "wordpeers": Part("Operators on words beside nlpaug's", ["-m", "bench.text_peers"]),
    "privacy": Part(
        "What made rows tell of users, and what a bound on that costs",
        ["-m", "bench.privacy"],
        "On Beauty, kept to minutes: few users, small nets, the 1,000 most frequent items, one seed. Attacked are nets "
        "that learn by heart where nothing holds them back.",
    ),
    "small-data": Part(
        "Few rows: which augmentation of the table helps the MLP",
        ["-m", "bench.small_data"],
        "The simulated shop. Verdicts are corrected over the arms of a share; a lift of 0.5 % matters.",
    ),
    "small-data-retail": Part(
        "Few rows of a gift shop's invoices: which augmentation of the table helps the MLP",
        ["-m", "bench.small_data", "--retail"],
        "As above, on UCI Online Retail.",
    ),
    "retail": Part("Main job: a gift shop's invoices", ["-m", "bench.examples", "retail"]),
    "clicks": Part("Click prediction on a gift shop's invoices", ["-m", "bench.examples", "clicks"]),
    "ladder": Part(
        "Click models, each above the one before?",
        ["-m", "bench.ladder"],
        "The retail log, split by time; four negatives for each positive. Intervals are over users.",
    ),
    "search": Part(
        "Which plan to try first",
        ["-m", "bench.search"],
        "Candidates of examples/search.toml: best NDCG@10 on validation while training, one seed.",
    ),
    "expansion-arms": Part("Which expansion helps on Beauty", ["-m", "bench.examples", "beauty-expansion"]),
    "rounds": Part("A recommender's own rows over rounds", ["-m", "bench.rounds"]),
    "operators-evidence": Part(
        "Single operators on Beauty, on a strong and on a weak loss", ["-m", "bench.evidence", "--seeds", "3"]
    ),
    "beauty-arms": Part("Main job: Beauty", ["-m", "bench.examples", "beauty"]),
}


def main(arguments: list[str] | None = None) -> None:
    """Measure the parts that were named, or those that are missing; write the page of all that are there."""
    asked = sys.argv[1:] if arguments is None else arguments
    KEPT.mkdir(parents=True, exist_ok=True)
    for name, part in PARTS.items():
        if name in asked or not (asked or (KEPT / f"{name}.md").exists()):
            print(f"measuring {name}: python {' '.join(part.command)}", file=sys.stderr, flush=True)
            done = subprocess.run(
                [sys.executable, *part.command], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
            )
            (KEPT / f"{name}.md").write_text(done.stdout, encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """All parts that were measured, in the order of this file."""
    sections = [HEAD]
    for name, part in PARTS.items():
        if (KEPT / f"{name}.md").exists():
            table = (KEPT / f"{name}.md").read_text(encoding="utf-8").strip()
            words = f"{part.words}\n\n" if part.words else ""
            sections.append(f"## {part.title}\n\n`python {' '.join(part.command)}`\n\n{words}{table}\n")
    sections.append("How the item neighbours were tuned: [results/itemknn.md](results/itemknn.md).\n")
    return "\n".join(sections)


if __name__ == "__main__":
    main()
