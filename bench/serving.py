"""Measures the server of trained recommenders on loopback, next to the scorer alone and an exact matrix product.

    python -m bench.serving --items 20000

Random histories of 20 events; item-kNN, and a transformer after 20 optimizer steps, whose speed does not depend on its
quality. The server is a process of its own. Clients send one request after the other on connections that stay open;
"200/s" sends at fixed times and measures from the planned time, so that waiting counts. Lists have 10 items.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.experiment.split_storage import save_catalog
from leaven.protocols import Recommender, TrainingContext
from leaven.recommenders import ItemKnn, Transformer
from leaven.registry import find_kind
from leaven.run_folder import write_json, write_text
from leaven.serving import Query, Scorer

TOKEN, WIDTH, LENGTH, K = "bench", 64, 20, 10
RATE = 200
"""Requests per second of the paced clients."""


@dataclass(frozen=True)
class Latencies:
    """seconds: of each request; total: of all."""

    seconds: list[float]
    total: float

    def format(self) -> str:
        """Requests per second and two quantiles in milliseconds, as cells of a table."""
        p50, p99 = np.percentile(np.array(self.seconds) * 1000, [50, 99])
        return f"{len(self.seconds) / self.total:,.0f} | {p50:.2f} | {p99:.2f}"


def write_run(folder: Path, recommender: Recommender, n_users: int, n_items: int) -> Path:
    """Write a run folder with a recommender that is fitted on random histories with a long tail."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "serving"))
    items = (1 + n_items * draw.random(n_users * LENGTH) ** 2).astype(np.int32)
    times = np.tile(np.arange(LENGTH), n_users)
    starts = np.arange(n_users + 1) * LENGTH
    users = [f"u{number}" for number in range(n_users)]
    histories = Histories.from_arrays(items, times, starts, rng.derive_user_ids(users), n_items)
    kind = find_kind("recommenders", recommender)
    write_json(folder / "lock.json", {})
    write_text(folder / "spec.toml", f'[data]\ninteractions = "log.csv"\n[recommender]\nkind = "{kind}"\n')
    (folder / "data").mkdir()
    save_catalog(Catalog([f"i{number:07d}" for number in range(n_items)]), folder / "data" / "catalog.parquet")
    histories.to_parquet(folder / "data" / "train.parquet", ids="internal")
    steps = 20 if recommender.steps(histories) else None
    recommender.fit(histories, TrainingContext(key=1, steps=steps)).save(
        folder / "variants" / "baseline" / "seed-1" / "model"
    )
    return folder


def build_bodies(n_items: int, count: int) -> list[bytes]:
    """Bodies of requests with histories of random items."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "requests"))
    rows = (n_items * draw.random((count, LENGTH)) ** 2).astype(int)
    return [json.dumps({"items": [f"i{item:07d}" for item in row], "k": K}).encode() for row in rows.tolist()]


async def send_requests(port: int, bodies: list[bytes], connections: int, rate: float = 0.0) -> Latencies:
    """Send each body once, over this many connections; rate: requests per second, 0: as fast as answers arrive."""
    left, seconds, begin = list(enumerate(bodies)), list[float](), time.perf_counter()
    left.reverse()

    async def send_some() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left:
            number, body = left.pop()
            start = begin + number / rate if rate else time.perf_counter()
            await asyncio.sleep(max(start - time.perf_counter(), 0))
            head = f"POST /recommend HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if " 200 " not in answer.split("\r\n")[0]:
                raise SystemExit(f"the server answered {answer}")
            await reader.readexactly(int(answer.split("content-length: ")[1].split("\r\n")[0]))
            seconds.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(send_some() for _ in range(connections)))
    return Latencies(seconds, time.perf_counter() - begin)


def measure_server(run: Path, bodies: list[bytes]) -> dict[str, Latencies]:
    """Latencies by kind of load."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "leaven", "serve", str(run), "--port", str(port), "--rate", "0"]
    with subprocess.Popen(command, env=os.environ | {"LEAVEN_TOKEN": TOKEN}, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            asyncio.run(send_requests(port, bodies[:100], 4))
            return {
                "server, 1 connection": asyncio.run(send_requests(port, bodies, 1)),
                "server, 8 connections": asyncio.run(send_requests(port, bodies, 8)),
                f"server, {RATE}/s": asyncio.run(send_requests(port, bodies, 16, RATE)),
            }
        finally:
            server.terminate()


def measure_calls(call: Callable[[int], object], count: int) -> Latencies:
    """Latencies of calls in this process, after ten that are not measured."""
    seconds = []
    for number in range(count + 10):
        start = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - start)
    return Latencies(seconds[10:], sum(seconds[10:]))


def measure_product(n_items: int, count: int) -> Latencies:
    """The least that an exact search can cost: one vector times all item vectors, and the ten best."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "product"))
    vectors = torch.from_numpy(draw.random((WIDTH, n_items), np.float32))
    queries = torch.from_numpy(draw.random((64, WIDTH), np.float32))

    def search(number: int) -> object:
        return (queries[number % 64] @ vectors).topk(K)

    return measure_calls(search, count)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    bodies = build_bodies(options.items, options.requests)
    print(f"{options.items:,} items, {options.users:,} users, {options.requests:,} requests, {os.cpu_count()} CPUs\n")
    print("| what | model | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
    product = measure_product(options.items, options.requests)
    print(f"| exact matrix product, width {WIDTH} | – | {product.format()} |", flush=True)
    for recommender in (ItemKnn(), Transformer(width=WIDTH)):
        with tempfile.TemporaryDirectory() as folder:
            kind = find_kind("recommenders", recommender)
            run = write_run(Path(folder) / "run", recommender, options.users, options.items)
            scorer = Scorer.load(run)
            queries = [Query(json.loads(body)["items"], k=K) for body in bodies]
            alone = measure_calls(lambda n, scorer=scorer, queries=queries: scorer.answer([queries[n % 10]]), 200)
            print(f"| scorer alone | {kind} | {alone.format()} |", flush=True)
            for load, latencies in measure_server(run, bodies).items():
                print(f"| {load} | {kind} | {latencies.format()} |", flush=True)


if __name__ == "__main__":
    main()
