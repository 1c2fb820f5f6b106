"""Small steps are done by one thread, and what is set is put back."""

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


def test_a_small_step_has_one_thread_and_its_looks_have_all() -> None:
    with device.narrowed(1000):
        assert torch.get_num_threads() == 1
        with device.widened():
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("numbers", [None, 1 << 24])
def test_large_ones_and_unknown_ones_have_all(numbers: int | None) -> None:
    with device.narrowed(numbers):
        assert torch.get_num_threads() == 2


def test_threads_come_back_after_an_error() -> None:
    with pytest.raises(ValueError), device.narrowed(1):
        raise ValueError
    assert torch.get_num_threads() == 2
    with device.widened():
        assert torch.get_num_threads() == 2
