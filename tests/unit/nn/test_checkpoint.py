"""Checkpoints: tensors and metadata come back, and another training is refused."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from leaven.errors import DataError, FitError  # noqa: E402
from leaven.nn.checkpoint import load_tensors, restore_checkpoint, save_checkpoint, save_tensors  # noqa: E402


def build_training(seed: int = 1) -> tuple["torch.nn.Module", "torch.optim.Optimizer"]:
    """A network after two steps of Adam."""
    net = torch.nn.Linear(3, 2)
    with torch.no_grad():
        net.weight.normal_(generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(2):
        step(net, optimizer)
    return net, optimizer


def step(net: "torch.nn.Module", optimizer: "torch.optim.Optimizer") -> None:
    optimizer.zero_grad()
    net(torch.ones(1, 3)).square().sum().backward()
    optimizer.step()


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3), "b": torch.randn(2, 2).T}
    save_tensors(tmp_path / "new" / "weights.safetensors", tensors, {"steps": 3})
    found, metadata = load_tensors(tmp_path / "new" / "weights.safetensors")
    assert metadata == {"steps": 3}
    for name, tensor in tensors.items():
        torch.testing.assert_close(found[name], tensor)
    assert not list(tmp_path.rglob("*.part"))


def test_a_resumed_training_takes_the_same_next_step(tmp_path: Path) -> None:
    net, optimizer = build_training()
    save_checkpoint(tmp_path, net, optimizer, {"weight": torch.ones(2, 3)}, {"mark": "one", "step": 2})
    other, other_optimizer = build_training(seed=9)
    best, metadata = restore_checkpoint(tmp_path, other, other_optimizer, "one")
    assert metadata["step"] == 2
    torch.testing.assert_close(best["weight"], torch.ones(2, 3))
    step(net, optimizer)
    step(other, other_optimizer)
    assert torch.equal(net.weight, other.weight)


def test_without_a_checkpoint_the_training_starts_anew(tmp_path: Path) -> None:
    net, optimizer = build_training()
    assert restore_checkpoint(tmp_path, net, optimizer, "one") == ({}, {})


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    net, optimizer = build_training()
    save_checkpoint(tmp_path, net, optimizer, {}, {"mark": "one"})
    with pytest.raises(FitError, match="another folder"):
        restore_checkpoint(tmp_path, net, optimizer, "two")


def test_missing_and_foreign_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a file of weights"):
        load_tensors(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(DataError, match="another format"):
        load_tensors(tmp_path / "text.safetensors")


def test_a_checkpoint_that_lost_its_end_is_named_and_the_training_starts_again(tmp_path, caplog) -> None:
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    save_checkpoint(tmp_path, net, optimizer, {}, {"mark": "a"})
    path = tmp_path / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert restore_checkpoint(tmp_path, net, optimizer, "a") == ({}, {})
    assert "training.safetensors" in caplog.text
    assert not path.exists()
