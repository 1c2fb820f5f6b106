"""Tests of thread limits and their restoration."""

from collections.abc import Iterator

import pytest
import torch

from leaven.nn import device


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_small_step_uses_one_thread_and_validation_uses_all() -> None:
    with device.limit_threads(1000):
        assert torch.get_num_threads() == 1
        with device.restore_threads():
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("numbers", [None, 1 << 24])
def test_large_and_unknown_steps_use_all_threads(numbers: int | None) -> None:
    with device.limit_threads(numbers):
        assert torch.get_num_threads() == 2


def test_threads_are_restored_after_an_error() -> None:
    with pytest.raises(ValueError), device.limit_threads(1):
        raise ValueError
    assert torch.get_num_threads() == 2
    with device.restore_threads():
        assert torch.get_num_threads() == 2
