"""MkDocs hook: reference pages from the registry, headings of result pages, and a site without external resources."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
WORKER_URL = "https://unpkg.com/iframe-worker/shim"
"""Script that the theme loads for the search of pages opened as files; replaced by the local copy."""
TITLES = {
    "transforms": "Transforms of histories",
    "generators": "Generators of histories",
    "strategies": "Strategies",
    "schedules": "Schedules",
    "controllers": "Controllers",
    "filters": "Filters",
    "recommenders": "Recommenders",
    "metrics": "Ranking metrics",
    "synthetic_metrics": "Metrics of synthetic rows",
    "encoders": "Encoders",
    "engines": "Engines",
    "splits": "Splits",
    "sample_splits": "Splits of labeled rows",
    "text_transforms": "Text transforms",
    "text_generators": "Text generators",
    "image_transforms": "Image transforms",
    "image_generators": "Image generators",
    "tabular_transforms": "Transforms of labeled rows",
    "tabular_generators": "Generators of labeled rows",
    "tabular_strategies": "Strategies of labeled rows",
    "tabular_filters": "Filters of labeled rows",
    "ctr_models": "CTR models",
    "ctr_metrics": "CTR metrics",
}
"""Family -> title of its page; other families are titled by their name."""
OPTIONS = "    options:\n      heading_level: 3\n      show_root_toc_entry: false\n      members: []\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write reference/FAMILY.md for every family, and the index.

    The pages are files, not virtual ones, since the translation plugin needs a path.
    """
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]  # not at import: MkDocs restores the path after loading a hook
    from leaven.registry import FAMILIES

    folder = Path(config.docs_dir) / "reference"
    pages = {family: build_page(family, kinds) for family, kinds in FAMILIES.items()}
    for name, text in {**pages, "index": build_index(FAMILIES)}.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return config


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the title, the command and the notes of `bench.results` above a page of results."""
    from bench.results import PARTS

    path = Path(page.file.src_uri)
    if path.parent.name != "results" or path.stem not in PARTS:
        return markdown
    part = PARTS[path.stem]
    head = f"# {part.title}\n\n`python {' '.join(part.command)}`\n\n{part.notes}\n\n"
    return head + markdown.replace("](results/", "](")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Inline the script of the offline search."""
    return inline_worker(output)


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """The same in pages without a source, such as 404.html."""
    return inline_worker(output_content)


def inline_worker(page: str) -> str:
    """Return the HTML with a local copy of the worker script."""
    script = (Path(__file__).parent / "iframe_worker.js").read_text(encoding="utf-8")
    return page.replace(f'<script src="{WORKER_URL}"></script>', f"<script>{script}</script>")


def build_page(family: str, kinds: dict[str, str]) -> str:
    """Return the page of a family: every kind with its class."""
    title = TITLES.get(family, family.replace("_", " ").capitalize())
    blocks = [f"# {title}\n\nKinds of the registry family `{family}`; `leaven list {family}` prints them.\n"]
    blocks += [f"## `{kind}`\n\n::: {path.replace(':', '.')}\n{OPTIONS}" for kind, path in kinds.items()]
    return "\n".join(blocks)


def build_index(families: dict[str, dict[str, str]]) -> str:
    """Return the table of all families."""
    lines = ["# Reference", "", "Generated from the source. [Python functions](api.md) lists the public functions.", ""]
    lines += ["| family | kinds |", "|---|---|"]
    for family, kinds in families.items():
        names = ", ".join(f"`{kind}`" for kind in kinds)
        lines.append(f"| [{TITLES.get(family, family)}]({family}.md) | {names} |")
    return "\n".join(lines) + "\n"
