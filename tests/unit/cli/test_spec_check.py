"""Wrong paths of specs and data are reported before anything heavy loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from leaven.cli.spec_check import check_spec_files
from leaven.errors import DataError, SpecError
from leaven.run_folder import find_changed_keys


def write_spec(folder: Path, log: str) -> Path:
    spec = folder / "spec.toml"
    spec.write_text(f'[data]\ninteractions = "{log}"\n')
    return spec


def test_a_missing_log_is_named_with_the_key_to_correct(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "shop.csv")
    with pytest.raises(DataError, match=r"data\.interactions"):
        check_spec_files(spec)
    check_spec_files(spec, ["data.interactions=other.csv"])  # left to the reader
    (tmp_path / "shop.csv").write_text("user,item\n")
    check_spec_files(spec)


@pytest.mark.parametrize("log", ["s3://bucket/log.parquet", "logs/*.csv", "sqlite:///shop.db"])
def test_addresses_and_globs_are_left_to_the_reader(tmp_path: Path, log: str) -> None:
    check_spec_files(write_spec(tmp_path, log))


def test_a_log_or_a_run_folder_in_place_of_a_spec_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("user,item\n")
    with pytest.raises(SpecError, match=r"leaven init .*shop\.csv"):
        check_spec_files(tmp_path / "shop.csv")
    write_spec(tmp_path, "shop.csv")
    with pytest.raises(SpecError, match=r"use .*spec\.toml"):
        check_spec_files(tmp_path)
    with pytest.raises(SpecError, match="nothing there"):
        check_spec_files(tmp_path / "other.toml")


def test_a_missing_log_is_reported_without_numpy(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "shop.csv")
    code = f"import sys; from leaven.cli.entry import run_command; run_command(['run', {str(spec)!r}])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('numpy' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]
    assert "shop.csv" in done.stderr


def test_changed_keys_are_named_by_their_paths() -> None:
    one = {"evaluate": {"seeds": 3, "metrics": ["a", "b"]}, "variant": [{"step": [{"p": 0.1}]}]}
    other = {"evaluate": {"seeds": 3, "metrics": ["a"]}, "variant": [{"step": [{"p": 0.2}]}]}
    assert find_changed_keys(one, other) == ["evaluate.metrics.1", "variant.0.step.0.p"]
    assert find_changed_keys(one, one) == []
