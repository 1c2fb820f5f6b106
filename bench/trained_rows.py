"""Do trained kinds learn the same weights and make the same rows as before a change of the code?

    python -m bench.trained_rows --out before.json
    python -m bench.trained_rows --compare before.json after.json

Trains every kind that has weights for a few steps on tiny data, on the processor with one thread, and writes digests of
what it saved (arrays alone, whatever their names), of its scores and of its rows. The arithmetic of nets and matrix
products differs between processors and libraries: compare two files of one machine and one environment. Kinds that are
exact on every machine are pinned in tests/golden.
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
if __name__ == "__main__":  # before NumPy and torch are loaded; other benchmarks keep their threads
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
    "batch_events": 256,
    "layers": 1,
    "noise": 8,
    "latent": 8,
    "negatives": 32,
    "moves": 3,
    "samples": 2,
    "looks": 2,
    "fewest_rows": 1,
    "device": "cpu",
}
"""Small sizes, for whichever fields a kind has."""
WIDTHS = {"generators": 16, "recommenders": 16, "tabular_generators": 32, "image_generators": 8, "ctr_models": 16}
TRANSFORMER = {"width": 16, "layers": 1, "negatives": 32, "batch_events": 256, "device": "cpu"}


def small(family: str, kind: str) -> Any:
    """A kind in small sizes, as far as it has them."""
    sizes = SIZES | {"width": WIDTHS[family], "hidden": (16, 8)}
    known = {one.name for one in fields(registry.load_kind(family, kind)) if one.init}
    given = {name: value for name, value in sizes.items() if name in known}
    if kind == "multimodal":
        given["transformer"] = transformer()
    if kind == "blend":
        given["first"] = transformer()
    if kind == "self":
        given["recommender"] = transformer()
    return registry.create_config(family, kind, given)


def transformer() -> Any:
    known = {one.name for one in fields(registry.load_kind("recommenders", "transformer"))}
    return registry.create_config("recommenders", "transformer", {k: v for k, v in TRANSFORMER.items() if k in known})


def weights(fitted: Any) -> dict[str, str]:
    """The digest of all arrays that a fitted object saves, in an order that does not follow from their names; nothing
    where it saves texts alone."""
    with tempfile.TemporaryDirectory() as scratch:
        fitted.save(Path(scratch) / "saved")
        found = [digest(array) for path in sorted(Path(scratch).rglob("*")) for array in _arrays(path)]
    return {"weights": digest(sorted(found))} if found else {}


def _arrays(path: Path) -> Iterator[Any]:
    """The arrays of a file; none of a folder or a text."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as held:
            yield from (held[name] for name in held.files)
    elif path.suffix == ".npy":
        yield np.load(path, allow_pickle=False)
    elif path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        yield from load_file(path).values()
    elif path.suffix in (".pt", ".pth"):
        import torch

        yield from _tensors(torch.load(path, map_location="cpu", weights_only=True))


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
    elif hasattr(value, "numpy"):
        yield value.detach().cpu().numpy()


def generators(kind: str) -> dict[str, str]:
    """New rows and continued ones, through a plan as well."""
    wish, rows = small("generators", kind), draws.histories()
    fitted = wish.fit(rows, key=KEY)
    found = weights(fitted) | {"rows": of_histories(fitted.sample(draws.names(40)))}
    if any(one.name == "where" for one in fields(wish)):
        after = replace(wish, where="after").fit(rows, key=KEY)
        found["continued"] = of_histories(after.sample(draws.names(40), rows.slice(0, 40)))
    if hasattr(fitted, "log_likelihood"):
        found["scores"] = digest(fitted.log_likelihood(rows.slice(0, 40)))
    step = leaven.Step(wish, filters=())
    return found | {"plan": of_histories(leaven.expand(rows, leaven.Plan([step]), seed=KEY))}


def table_generators(kind: str) -> dict[str, str]:
    wish, rows = small("tabular_generators", kind), draws.table()
    fitted = wish.fit(rows, key=KEY)
    found = weights(fitted) | {"rows": of_samples(fitted.sample(draws.names(60)))}
    return found | {"plan": of_samples(leaven.expand(rows, leaven.Plan([wish]), seed=KEY))}


def image_generators(kind: str) -> dict[str, str]:
    pictures = Images.from_pixels(np.ascontiguousarray(draws.pixels()[:, ::4, ::4]))
    category = np.arange(len(pictures), dtype=np.int32) % 2 + 1
    fitted = small("image_generators", kind).fit(pictures, key=KEY, category=category)
    asked = np.array([1, 2] * 6, np.int32)
    return weights(fitted) | {"pictures": digest(fitted.sample(draws.names(12), asked).pixels)}


def recommenders(kind: str) -> dict[str, str]:
    rows, wish = draws.histories(), small("recommenders", kind)
    steps = None if wish.steps(rows) is None else SIZES["steps"]
    fitted = wish.fit(rows, TrainingContext(key=KEY, steps=steps))
    ranked = fitted.recommend(rows.slice(0, 60), 10)
    return weights(fitted) | {"lists": digest(ranked.items), "scores": digest(ranked.scores)}


def click_models(kind: str) -> dict[str, str]:
    rows = draws.table()
    if kind == "popularity":
        column = {"item_events_30d": rows.number("count")}
        rows = type(rows).real(column, rows.label, rows.row_ids)
    fitted = small("ctr_models", kind).fit(rows, TrainingContext(key=KEY))
    return weights(fitted) | {"scores": digest(fitted.predict(rows))}


def encoders(kind: str) -> dict[str, str]:
    """Vectors of items, through the transform that asks for them."""
    return _changed(
        registry.create_config("transforms", "cold_items", _cold() | {"by": registry.create_config("encoders", kind)})
    )


def transforms(kind: str) -> dict[str, str]:
    return _changed(registry.create_config("transforms", kind, _cold()))


def _cold() -> dict[str, Any]:
    """A quarter of the items are cold."""
    rows = draws.histories()
    return {"cold_events": int(np.quantile(np.bincount(rows.items, minlength=rows.n_items + 1)[1:], 0.25))}


def _changed(wish: Any) -> dict[str, str]:
    rows = draws.histories()
    new = wish.fit(rows)(rows, draws.row_keys(rows), draws.full(len(rows)))
    planned = leaven.expand(rows, leaven.Plan([wish]), seed=KEY)
    return {"rows": of_histories(new), "plan": of_histories(planned)}


CASES: dict[str, tuple[Callable[[str], dict[str, str]], tuple[str, ...]]] = {
    "generators": (generators, tuple(sorted(draws.LEFT_OUT["generators"]))),
    "tabular_generators": (table_generators, tuple(sorted(draws.LEFT_OUT["tabular_generators"]))),
    "image_generators": (image_generators, tuple(registry.FAMILIES["image_generators"])),
    "recommenders": (recommenders, tuple(registry.FAMILIES["recommenders"])),
    "ctr_models": (click_models, tuple(registry.FAMILIES["ctr_models"])),
    "encoders": (encoders, ("tfidf", "attributes")),
    "transforms": (transforms, tuple(sorted(draws.LEFT_OUT["transforms"]))),
    "filters": (draws.filters, tuple(sorted(draws.LEFT_OUT["filters"]))),
}
"""Family -> how its kinds are digested, and which of them."""


def measured() -> dict[str, dict[str, str]]:
    """ "family/kind" -> what -> digest."""
    import torch

    threads, found = torch.get_num_threads(), {}
    torch.set_num_threads(1)
    for family, (digests, kinds) in CASES.items():
        for kind in kinds:
            begun = time.perf_counter()
            found[f"{family}/{kind}"] = digests(kind)
            print(f"{family}/{kind}: {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
    torch.set_num_threads(threads)
    return found


def differences(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> list[str]:
    """Lines that say what differs; none where all is the same."""
    lines = []
    for name in sorted({*before, *after}):
        one, two = before.get(name), after.get(name)
        if one is None or two is None:
            lines.append(f"{name}: only in the {'second' if one is None else 'first'} file")
        elif one != two:
            what = sorted(key for key in {*one, *two} if one.get(key) != two.get(key))
            lines.append(f"{name}: {', '.join(what)} differ")
    return lines


def main(arguments: list[str]) -> None:
    """Write digests, or compare two files of them; exit code 1 where they differ."""
    parser = argparse.ArgumentParser(prog="bench.trained_rows", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the digests go, as JSON")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    given = parser.parse_args(arguments)
    if given.compare:
        before, after = (json.loads(path.read_text(encoding="utf-8")) for path in given.compare)
        lines = differences(before, after)
        print("\n".join(lines) or f"all {len(before)} kinds are the same")
        raise SystemExit(bool(lines))
    text = json.dumps(measured(), indent=1, sort_keys=True) + "\n"
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
