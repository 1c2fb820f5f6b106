"""Files of fitted objects: whole or absent, and the same bytes again."""

from pathlib import Path

import numpy as np
import pytest

from leaven.errors import DataError
from leaven.storage import load_arrays, replace_file, replace_text, save_arrays

ARRAYS = {"weight": np.array([0.5, 1.5]), "starts": np.array([0, 2, 5], np.int64), "empty": np.zeros((0, 3))}


def test_arrays_and_settings_come_back_as_they_were(tmp_path: Path) -> None:
    save_arrays(tmp_path / "new" / "folder", "model", ARRAYS, {"k": 3, "levels": {"b": 1, "a": 2}})
    arrays, settings = load_arrays(tmp_path / "new" / "folder", "model")
    assert settings == {"k": 3, "levels": {"b": 1, "a": 2}}
    assert list(settings["levels"]) == ["b", "a"]  # the order of columns has a meaning
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_equal_objects_give_equal_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        save_arrays(tmp_path / folder, "model", ARRAYS, {"k": 3})
    for name in ("model.npz", "model.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def write_half(path: Path) -> None:
    with replace_file(path) as part:
        part.write_text("half")
        raise RuntimeError("disk")


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    replace_text(path, "old")
    with pytest.raises(RuntimeError, match="disk"):
        write_half(path)
    assert path.read_text() == "old"
    replace_text(path, "新")
    assert path.read_text(encoding="utf-8") == "新"


@pytest.mark.parametrize("damage", ["missing", "truncated", "another format"])
def test_damaged_files_are_an_error_that_names_the_folder(tmp_path: Path, damage: str) -> None:
    save_arrays(tmp_path, "model", ARRAYS, {})
    if damage == "missing":
        (tmp_path / "model.npz").unlink()
    elif damage == "truncated":
        (tmp_path / "model.npz").write_bytes((tmp_path / "model.npz").read_bytes()[:40])
    else:
        (tmp_path / "model.json").write_text("weights")
    with pytest.raises(DataError, match="a fitted model"):
        load_arrays(tmp_path, "model")
