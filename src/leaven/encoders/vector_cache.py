"""File cache of vectors, keyed by the hash of the model and its inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
_MODEL_SUFFIXES = (".json", ".safetensors", ".bin", ".txt", ".model", ".pt", ".pth", ".pt2")


def load_or_compute(folder: str, identity: bytes, compute: Callable[[], Vectors]) -> Vectors:
    """Loads the vectors with this identity from the folder, or computes and saves them; folder "": only computes."""
    if not folder:
        return compute()
    path = Path(folder) / f"{hashlib.blake2b(identity, digest_size=16).hexdigest()}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, compute(), allow_pickle=False)
        part.replace(path)
    vectors: Vectors = np.load(path, allow_pickle=False)
    return vectors


def hash_model(path: Path) -> str:
    """Returns the hash of a model's file, or of the model files in a folder."""
    digest = hashlib.blake2b(digest_size=16)
    for part in sorted(path.iterdir()) if path.is_dir() else [path]:
        if part.is_file() and (part == path or part.suffix in _MODEL_SUFFIXES):
            digest.update(part.name.encode() + b"\0")
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
