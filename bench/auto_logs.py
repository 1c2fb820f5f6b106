"""Runs `leaven auto` on three public logs, from their files, and writes the table: one answer per log.

    python -m bench.auto_logs --minutes 30                # docs/evidence/auto.md
    python -m bench.auto_logs --minutes 10 --only retail  # prints one row

Nothing but the files and the budget is given; the taobao log comes with its splits and no clock, so it has a spec.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.real_logs import locate_data

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "auto.md"
HEAD = """# leaven auto on three logs

`leaven auto FILES` is given the files and a budget of minutes on two CPU cores. It trains the cheap recommenders,
races the recipes that fit the log on validation users, and looks at the test users once, for the plan that it has
chosen. The rival is the cheap recommender that is best on validation users, without the plan.

Written by `python -m bench.auto_logs --minutes {minutes:g}`.

| log | cheap recommender | chosen plan | NDCG@10 on test | lift, 95 % interval | test users | minutes |
|---|---|---|---|---|---|---|
"""
TAOBAO = """
name = "taobao"
[data]
interactions = "train.csv"
columns = { user = "user", item = "item", kind = "behavior" }
[split]
kind = "given"
valid = "valid.csv"
test = "test.csv"
target_kind = "buy"
"""


def list_retail_files(folder: Path) -> list[str]:
    """Invoices as they are published."""
    return [str(locate_data() / "online_retail.csv.gz")]


def list_beauty_files(folder: Path) -> list[str]:
    """Purchases and titles."""
    return [str(locate_data() / "beauty" / name) for name in ("interactions.csv", "items.csv")]


def write_taobao_spec(folder: Path) -> list[str]:
    """Carts and purchases in one file, purchases to predict in two, and the spec."""
    source = locate_data() / "taobao"

    def read(name: str, kind: str) -> list[str]:
        return [f"{line},{kind}" for line in (source / f"{name}.csv").read_text(encoding="utf-8").split()[1:]]

    parts = {
        "train": read("carts", "cart") + read("purchases_train", "buy"),
        "valid": read("purchases_valid", "buy"),
        "test": read("purchases_test", "buy"),
    }
    for name, lines in parts.items():
        (folder / f"{name}.csv").write_text("\n".join(["user,item,behavior", *lines, ""]), encoding="utf-8")
    (folder / "taobao.toml").write_text(TAOBAO, encoding="utf-8")
    return [str(folder / "taobao.toml")]


LOGS: Mapping[str, Callable[[Path], list[str]]] = {
    "retail": list_retail_files,
    "beauty": list_beauty_files,
    "taobao": write_taobao_spec,
}


def main() -> None:
    """Search on each log; print the rows, and write the page where all logs were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--only", choices=sorted(LOGS))
    options = parser.parse_args()
    rows = []
    for name in [options.only] if options.only else LOGS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(format_row(name, search(LOGS[name](Path(folder)), options.minutes, Path(folder) / "search")))
        print(rows[-1], flush=True)
    if not options.only:
        PAGE.write_text(HEAD.format(minutes=options.minutes) + "\n".join(rows) + "\n", encoding="utf-8")


def search(files: list[str], minutes: float, out: Path) -> dict[str, Any]:
    """Run the command line; return its JSON."""
    command = [sys.executable, "-m", "leaven", "auto", *files, "--minutes", f"{minutes:g}", "--out", str(out), "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def format_row(name: str, found: Mapping[str, Any]) -> str:
    """One row of the table."""
    baseline, minutes = found["baseline"], f"{found['seconds'] / 60:.1f}"
    confirmed = found["confirmation"]
    if confirmed is None:
        nothing = f"none; lifts below {100 * found['smallest_lift']:.1f} % cannot be seen"
        return f"| {name} | {baseline} | {nothing} | | | {found['profile']['test_users']:,} | {minutes} |"
    lift = confirmed["lift"]
    figures = f"{lift['baseline_mean']:.4f} → {lift['mean']:.4f}"
    interval = f"{100 * lift['lift']:+.1f} % ({100 * lift['low']:+.1f} to {100 * lift['high']:+.1f})"
    return f"| {name} | {baseline} | {found['chosen']} | {figures} | {interval} | {lift['users']:,} | {minutes} |"


if __name__ == "__main__":
    main()
