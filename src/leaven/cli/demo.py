"""The command that searches the plan that helps on a simulated shop, whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output
from leaven.cli.auto import format_search
from leaven.cli.info import Json
from leaven.translation import get_translator

_STORY = (
    "A simulated shop: {users:,} users, {items:,} items, {lines:,} lines of a year.",
    "Known truth: purchases and carts follow the users' tastes; {stray_views:,} views are accidental; items keep being "
    "released, and popularity fades.",
    "Wrong in the log: {bot_lines:,} lines of bots, {duplicates:,} duplicates, {missing_user:,} lines without a user.",
    "",
)


def run_demo(
    out: Annotated[Path, typer.Option(help="Folder of the log, the spec and the search.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the simulation and of the search.")] = 7,
    json: Json = False,
) -> None:
    """Which plan helps? A whole search on a simulated shop, in a minute or two."""
    from importlib.resources import files

    from leaven.progress import show_progress

    log, spec_file = out / "shop", out / "demo.toml"
    with show_progress() as on_progress:
        from leaven.config import load_spec
        from leaven.plan_search.run_search import run_search
        from leaven.plan_search.search_spec import configure_search
        from leaven.run_folder import read_json, write_text

        if not (log / "truth.json").exists():
            on_progress(0, 0, "simulating a shop")
            write_shop(log, seed)
        facts = read_json(log / "truth.json", "remove the folder, and run the demo again")["facts"]
        write_text(spec_file, (files("leaven") / "demo.toml").read_text(encoding="utf-8"))
        spec = load_spec(spec_file, [f"seed={seed}"])
        result = run_search(spec, configure_search(spec, {}), out / "search", True, on_progress)
    if json:
        output.print_json({"folder": out / "search", "facts": facts, **result.to_json()})
        return
    output.print_results(*(line.format(**facts) for line in _STORY), *format_search(result, get_translator(spec.lang)))
    output.print_hint(f"the page: {out / 'search' / 'auto.html'}; the spec that repeats it: {out / 'search/best.toml'}")
    output.print_hint(f"the same for your own log: leaven auto interactions.csv items.csv; this one: {spec_file}")


def write_shop(folder: Path, seed: int) -> None:
    """A shop in which information is there to be used, and wrong data in known amounts."""
    from dataclasses import replace

    from leaven.simulator import Corruption, Simulator

    shop = Simulator(users=5000, seed=seed, initial_share=0.3, fade_days=180, kind_shares=(0.0, 0.5, 0.5))
    shop.build_world().write_files(folder, replace(Corruption.typical(), stray_views=1.0), images=False)
