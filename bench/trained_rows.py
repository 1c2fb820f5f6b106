"""Compares weights and rows of trained kinds before and after a code change.

    python -m bench.trained_rows --out before.json
    python -m bench.trained_rows --compare before.json after.json

Trains every kind with weights for a few steps on tiny data, on the CPU with one thread, and writes digests of the saved
arrays (names excluded), of the scores and of the rows. The arithmetic of nets and matrix products differs between CPUs
and libraries: compare two files of one machine and one environment. Kinds that are exact on every machine are pinned in
tests/golden.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
if __name__ == "__main__":  # set before NumPy and torch are loaded; imports from other benchmarks keep their threads
    os.environ |= dict.fromkeys(THREADS, "1")

import numpy as np  # noqa: E402
from tests.golden import draws  # noqa: E402
from tests.golden.digest import digest, of_histories, of_samples  # noqa: E402

import leaven  # noqa: E402
from leaven import registry  # noqa: E402
from leaven.datasets.images import Images  # noqa: E402
from leaven.protocols import TrainingContext  # noqa: E402

KEY = 7
SIZES: dict[str, Any] = {
    "steps": 12,
    "adversarial_steps": 4,
    "epochs": 2,
    "rounds": 10,
    "batch": 32,
    "batch_size": 32,
    "batch_events": 256,
    "layers": 1,
    "noise": 8,
    "latent": 8,
    "negatives": 32,
    "sampling_steps": 3,
    "n_samples": 2,
    "looks": 2,
    "min_rows": 1,
    "device": "cpu",
}
"""Small sizes; a kind uses those of its fields."""
WIDTHS = {"generators": 16, "recommenders": 16, "tabular_generators": 32, "image_generators": 8, "ctr_models": 16}
TRANSFORMER = {"width": 16, "layers": 1, "negatives": 32, "batch_events": 256, "device": "cpu"}


def create_small(family: str, kind: str) -> Any:
    """Return the config of a kind with small sizes for the fields that it has."""
    sizes = SIZES | {"width": WIDTHS[family], "hidden": (16, 8)}
    known = {one.name for one in fields(registry.load_kind(family, kind)) if one.init}
    values = {name: value for name, value in sizes.items() if name in known}
    if kind == "multimodal":
        values["transformer"] = create_transformer()
    if kind == "rank_fusion":
        values["first"] = create_transformer()
    if kind == "recommender_rollouts":
        values["recommender"] = create_transformer()
    return registry.create_config(family, kind, values)


def create_transformer() -> Any:
    """Return a small transformer config."""
    known = {one.name for one in fields(registry.load_kind("recommenders", "transformer"))}
    return registry.create_config("recommenders", "transformer", {k: v for k, v in TRANSFORMER.items() if k in known})


def digest_weights(fitted: Any) -> dict[str, str]:
    """Return the digest of all arrays that a fitted object saves, independent of their names; empty without arrays."""
    with tempfile.TemporaryDirectory() as scratch:
        fitted.save(Path(scratch) / "saved")
        digests = [digest(array) for path in sorted(Path(scratch).rglob("*")) for array in iterate_arrays(path)]
    return {"weights": digest(sorted(digests))} if digests else {}


def iterate_arrays(path: Path) -> Iterator[Any]:
    """Yield the arrays of a file; none for a folder or a text file."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            yield from (archive[name] for name in archive.files)
    elif path.suffix == ".npy":
        yield np.load(path, allow_pickle=False)
    elif path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        yield from load_file(path).values()
    elif path.suffix in (".pt", ".pth"):
        import torch

        yield from iterate_tensors(torch.load(path, map_location="cpu", weights_only=True))


def iterate_tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors of nested dictionaries and lists as arrays."""
    if isinstance(value, dict):
        for one in value.values():
            yield from iterate_tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from iterate_tensors(one)
    elif hasattr(value, "numpy"):
        yield value.detach().cpu().numpy()


def digest_generator(kind: str) -> dict[str, str]:
    """Return digests of new rows, of continued rows and of a plan."""
    config, rows = create_small("generators", kind), draws.histories()
    fitted = config.fit(rows, key=KEY)
    digests = digest_weights(fitted) | {"rows": of_histories(fitted.sample(draws.names(40)))}
    if any(one.name == "where" for one in fields(config)):
        after = replace(config, where="after").fit(rows, key=KEY)
        digests["continued"] = of_histories(after.sample(draws.names(40), rows.slice(0, 40)))
    if hasattr(fitted, "log_likelihood"):
        digests["scores"] = digest(fitted.log_likelihood(rows.slice(0, 40)))
    step = leaven.Step(config, filters=())
    return digests | {"plan": of_histories(leaven.expand(rows, leaven.Plan([step]), seed=KEY))}


def digest_table_generator(kind: str) -> dict[str, str]:
    """Return digests of new rows and of a plan."""
    config, rows = create_small("tabular_generators", kind), draws.table()
    fitted = config.fit(rows, key=KEY)
    digests = digest_weights(fitted) | {"rows": of_samples(fitted.sample(draws.names(60)))}
    return digests | {"plan": of_samples(leaven.expand(rows, leaven.Plan([config]), seed=KEY))}


def digest_image_generator(kind: str) -> dict[str, str]:
    """Return digests of new images."""
    images = Images.from_pixels(np.ascontiguousarray(draws.pixels()[:, ::4, ::4]))
    category = np.arange(len(images), dtype=np.int32) % 2 + 1
    fitted = create_small("image_generators", kind).fit(images, key=KEY, category=category)
    categories = np.array([1, 2] * 6, np.int32)
    return digest_weights(fitted) | {"pictures": digest(fitted.sample(draws.names(12), categories).pixels)}


def digest_recommender(kind: str) -> dict[str, str]:
    """Return digests of recommended items and scores."""
    rows, config = draws.histories(), create_small("recommenders", kind)
    steps = None if config.steps(rows) is None else SIZES["steps"]
    fitted = config.fit(rows, TrainingContext(key=KEY, steps=steps))
    ranked = fitted.recommend(rows.slice(0, 60), 10)
    return digest_weights(fitted) | {"lists": digest(ranked.items), "scores": digest(ranked.scores)}


def digest_click_model(kind: str) -> dict[str, str]:
    """Return digests of predictions."""
    rows = draws.table()
    if kind == "popularity":
        column = {"item_events_30d": rows.numeric_column("count")}
        rows = type(rows).from_columns(column, rows.label, rows.row_ids)
    fitted = create_small("ctr_models", kind).fit(rows, TrainingContext(key=KEY))
    return digest_weights(fitted) | {"scores": digest(fitted.predict(rows))}


def digest_encoder(kind: str) -> dict[str, str]:
    """Return digests of the transform that uses the item vectors."""
    return digest_transform(
        registry.create_config(
            "transforms", "cold_items", count_cold_events() | {"encoder": registry.create_config("encoders", kind)}
        )
    )


def digest_transform_kind(kind: str) -> dict[str, str]:
    """Return digests of a transform by its kind."""
    return digest_transform(registry.create_config("transforms", kind, count_cold_events()))


def count_cold_events() -> dict[str, Any]:
    """Return fields that make a quarter of the items cold."""
    rows = draws.histories()
    return {"max_cold_events": int(np.quantile(np.bincount(rows.items, minlength=rows.n_items + 1)[1:], 0.25))}


def digest_transform(config: Any) -> dict[str, str]:
    """Return digests of changed rows and of a plan."""
    rows = draws.histories()
    new = config.fit(rows)(rows, draws.row_keys(rows), draws.full(len(rows)))
    planned = leaven.expand(rows, leaven.Plan([config]), seed=KEY)
    return {"rows": of_histories(new), "plan": of_histories(planned)}


CASES: dict[str, tuple[Callable[[str], dict[str, str]], tuple[str, ...]]] = {
    "generators": (digest_generator, tuple(sorted(draws.LEFT_OUT["generators"]))),
    "tabular_generators": (digest_table_generator, tuple(sorted(draws.LEFT_OUT["tabular_generators"]))),
    "image_generators": (digest_image_generator, tuple(registry.FAMILIES["image_generators"])),
    "recommenders": (digest_recommender, tuple(registry.FAMILIES["recommenders"])),
    "ctr_models": (digest_click_model, tuple(registry.FAMILIES["ctr_models"])),
    "encoders": (digest_encoder, ("tfidf", "attributes")),
    "transforms": (digest_transform_kind, tuple(sorted(draws.LEFT_OUT["transforms"]))),
    "filters": (draws.filters, tuple(sorted(draws.LEFT_OUT["filters"]))),
}
"""Family -> digest function and kinds."""


def digest_all() -> dict[str, dict[str, str]]:
    """Return "family/kind" -> name -> digest."""
    import torch

    threads = torch.get_num_threads()
    digests: dict[str, dict[str, str]] = {}
    torch.set_num_threads(1)
    for family, (digest_kind, kinds) in CASES.items():
        for kind in kinds:
            start = time.perf_counter()
            digests[f"{family}/{kind}"] = digest_kind(kind)
            print(f"{family}/{kind}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    torch.set_num_threads(threads)
    return digests


def list_differences(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> list[str]:
    """Return one line per kind that differs."""
    lines = []
    for name in sorted({*before, *after}):
        one, two = before.get(name), after.get(name)
        if one is None or two is None:
            lines.append(f"{name}: only in the {'second' if one is None else 'first'} file")
        elif one != two:
            names = sorted(key for key in {*one, *two} if one.get(key) != two.get(key))
            lines.append(f"{name}: {', '.join(names)} differ")
    return lines


def main(arguments: list[str]) -> None:
    """Write digests, or compare two files of them; exit code 1 if they differ."""
    parser = argparse.ArgumentParser(prog="bench.trained_rows", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file for the digests")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    options = parser.parse_args(arguments)
    if options.compare:
        before, after = (json.loads(path.read_text(encoding="utf-8")) for path in options.compare)
        lines = list_differences(before, after)
        print("\n".join(lines) or f"all {len(before)} kinds are equal")
        raise SystemExit(bool(lines))
    text = json.dumps(digest_all(), indent=1, sort_keys=True) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
