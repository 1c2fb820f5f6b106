"""Mutated logs are read like an independent reader reads them, or refused with one error."""

from __future__ import annotations

from pathlib import Path

from bench.reading_fuzz import FuzzedFile, check_file, check_files, write_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

READ = {"read", "refused", "read otherwise"}


def test_files_with_changed_bytes_never_crash_and_lose_nothing() -> None:
    found = check_files(150, seed=11)
    assert set(found) <= READ
    assert found["read"] > 30


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.integers(0, 2**63), place=st.floats(0, 0.999), piece=st.binary(max_size=4), cut=st.integers(0, 4))
def test_files_with_replaced_pieces_never_crash_and_lose_nothing(
    tmp_path: Path, key: int, place: float, piece: bytes, cut: int
) -> None:
    file = write_file(key)
    start = int(place * len(file.content))
    content = file.content[:start] + piece + file.content[start + cut :]
    assert check_file(FuzzedFile(content, file.separator, file.unit), tmp_path / "log.csv") in READ
