"""Measures every recommender without a network on the logs of `bench.real_logs`; writes docs/evidence/rivals.md.

    python -m bench.rivals [--log beauty_time] [--model ease] [--again]

Each figure is measured in a process of its own and stored in runs/rivals; an interrupted run continues. Defaults of
the recommenders are used on every log. The defaults of the linear models were set after test figures of Beauty
by time and of Taobao had been seen; the other logs had no part in them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.real_logs import CART, LOGS, PURCHASE, RealLog, locate_data
from leaven.errors import MissingExtra
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import Recommender, TrainingContext
from leaven.recommenders.ease import Ease
from leaven.recommenders.ials import Ials
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.popularity import Popularity, RecentPopularity
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.recommenders.time_linear import TimeLinear

PAGE, RESULTS = Path(__file__).parent.parent / "docs" / "evidence" / "rivals.md", Path("runs/rivals")
KINDS: dict[str, Any] = {"target_kind": PURCHASE, "kind_weights": (1.0, 1.0)}
assert (CART, PURCHASE) == (0, 1)
MODELS: dict[str, Callable[[], Recommender]] = {
    "popularity": Popularity,
    "recent_popularity": RecentPopularity,
    "item_knn": ItemKnn,
    "sparse_linear": SparseLinear,
    "time_linear": TimeLinear,
    "ials": Ials,
    "ease": Ease,
    "ease, dropout .3": lambda: Ease(dropout=0.3),
}
TYPED_MODELS: dict[str, Callable[[], Recommender]] = {
    "ease": lambda: Ease(**KINDS),
    "sparse_linear": lambda: SparseLinear(**KINDS),
}
"""Recommenders that use event kinds, for the log of carts and purchases."""
HEAD = """# Cheap rivals on real logs

Every augmentation has to be compared with what a plain model reaches in seconds. NDCG@10 over all test users, ranked
against all items that the user has not had. All recommenders have their defaults, on every log; fusions of two are
[a page of their own](fusion.md). Seconds and memory are those of fitting and of ranking the test users, without reading
the log; they were measured with {threads} threads on a machine with other load. What a table lacks was not measured;
Sports and Outdoors is on the page of fusions.

Written by `python -m bench.rivals`.
"""


def measure_model(log: RealLog, config: Recommender) -> dict[str, float]:
    """Return NDCG@10 on validation and test users, seconds, and additional peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    fitted = config.fit(log.train, TrainingContext(key=1, validation=log.valid))
    facts = {"fit_seconds": time.perf_counter() - start, "fit_cpu": time.process_time() - cpu}
    start = time.perf_counter()
    for name, part in (("test", log.test), ("valid", log.valid)):
        ranked = fitted.recommend(part.histories, 10)
        facts |= {name: float(Ndcg(10)(ranked, part, log.train).mean())}
        facts.setdefault("rank_seconds", time.perf_counter() - start)
    return facts | {"mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def store_result(log: RealLog, config: Recommender, path: Path) -> None:
    """Write the figures of one model as JSON; a missing library is noted."""
    try:
        figures: dict[str, Any] = measure_model(log, config)
    except MissingExtra as missing:
        figures = {"missing": missing.extra}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures))


def measure_log(key: str, names: list[str] | None, again: bool) -> None:
    """Measure the models of one log that have no stored figures, each in a forked process."""
    models = TYPED_MODELS if key == "taobao_carts" else MODELS
    missing = [
        name for name in models if (names is None or name in names) and (again or not locate_result(key, name).exists())
    ]
    if not missing:
        return
    log, fork = LOGS[key](), multiprocessing.get_context("fork")
    for name in missing:
        process = fork.Process(target=store_result, args=(log, models[name](), locate_result(key, name)))
        process.start()
        process.join()
        print(key, name, locate_result(key, name).read_text(), file=sys.stderr, flush=True)


def locate_result(key: str, name: str) -> Path:
    """Return the path of the figures of one model on one log."""
    return RESULTS / key / f"{name}.json"


def format_log(key: str) -> list[str]:
    """Return the table of one log; empty where nothing has been measured."""
    found = {
        name: json.loads(locate_result(key, name).read_text())
        for name in (TYPED_MODELS if key == "taobao_carts" else MODELS)
        if locate_result(key, name).exists()
    }
    if not found:
        return []
    titles = {
        "beauty_time": "Beauty, split by time",
        "retail_time": "Online Retail, split by time",
        "beauty_loo": "Beauty, leave-one-out",
        "sports_loo": "Sports and Outdoors, leave-one-out",
        "taobao": "Taobao, purchases alone (given split, no clock)",
        "taobao_carts": "Taobao, purchases and carts: event kinds",
    }
    heads = "| recommender | NDCG@10 test | validation | fit s | fit CPU s | rank s | MB |"
    lines = [f"## {titles[key]}", "", heads, "|---|---|---|---|---|---|---|"]
    best = max(figures.get("test", 0.0) for figures in found.values())
    for name, figures in found.items():
        if "missing" in figures:
            lines.append(f"| {name} | not measured: extra `{figures['missing']}` is missing | | | | | |")
            continue
        test = f"{figures['test']:.4f}"
        costs = " | ".join(f"{figures[column]:.1f}" for column in ("fit_seconds", "fit_cpu", "rank_seconds"))
        shown = f"**{test}**" if figures["test"] == best else test
        lines.append(f"| {name} | {shown} | {figures['valid']:.4f} | {costs} | {figures['mb']:.0f} |")
    return [*lines, ""]


def main(arguments: list[str] | None = None) -> None:
    """Measure what is missing, print the tables and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--log", choices=list(LOGS), action="append")
    parser.add_argument("--model", choices=list(MODELS), action="append")
    parser.add_argument("--again", action="store_true", help="measure again what has been stored")
    options = parser.parse_args(arguments)
    if not locate_data().exists():
        print(f"skipped: {locate_data()} is missing (LEAVEN_DATA)")
        return
    for key in options.log or LOGS:
        measure_log(key, options.model, options.again)
    from leaven.recommenders.sparse_linear import count_threads

    page = "\n".join([HEAD.format(threads=count_threads()), *(line for key in LOGS for line in format_log(key))])
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
