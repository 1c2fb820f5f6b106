"""Tests of Inception features against the published implementation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from leaven.errors import DataError
from leaven.nn.inception import Inception, load_inception

LAYERS = json.loads((Path(__file__).parent / "inception_layers.json").read_text())
"""layer -> shape of its weights, as in the network that FID is defined by."""
PICTURES = list(np.random.default_rng(3).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8))
EXPECTED = [
    [0.77036947, 0.29258814, 0.22278264, 0.49800405, 1.0111775, 0.81958926, 0.7030259, 1.0057935],
    [0.80097276, 0.32040808, 0.19832876, 0.47356856, 0.9888171, 0.8412624, 0.69941527, 1.0219595],
]
SUMS = [451.70245, 453.8405]
OURS = (2016, 1910, 1905, 2008, 1990, 549, 1, 3)


def shapes(thinner: int = 1, classes: int = 1008) -> dict[str, tuple[int, ...]]:
    """Tensors of the network, with a share of its channels."""
    found = {}
    for name, (out, inner, *kernel) in LAYERS.items():
        found[f"{name}.conv.weight"] = (out // thinner, inner if inner == 3 else inner // thinner, *kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.bn.{part}"] = (out // thinner,)
    return found | {"fc.weight": (classes, 2048 // thinner), "fc.bias": (classes,)}


def weights(**wish: int) -> dict[str, torch.Tensor]:
    """Weights that follow from the names alone."""
    chance, found = np.random.default_rng(20261125), {}
    for name, shape in sorted(shapes(**wish).items()):
        drawn = chance.standard_normal(shape).astype(np.float32)
        if name.endswith("conv.weight"):
            drawn *= (2 / np.prod(shape[1:])) ** 0.5
        elif name.endswith("running_var"):
            drawn = 1 + 0.1 * drawn**2
        else:
            drawn = 0.1 * drawn + name.endswith("bn.weight")
        found[name] = torch.from_numpy(drawn.astype(np.float32))
    return found


def test_features_equal_those_of_pytorch_fid() -> None:
    """With the same weights in pytorch-fid 0.3.0 on torchvision 0.29.1's blocks, in another environment."""
    found = Inception(weights()).extract_features(PICTURES)
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found[:, list(OURS)], EXPECTED, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), SUMS, rtol=1e-5)


def test_the_distance_name_depends_on_the_loaded_weights(tmp_path: Path) -> None:
    torch.save(weights(thinner=16), tmp_path / "thin.pth")
    thin = load_inception(tmp_path / "thin.pth")
    assert "not FID" in thin.distance_name
    assert thin.extract_features(PICTURES).shape == (2, 128)
    torch.save(weights(), tmp_path / "whole.pth")
    assert load_inception(tmp_path / "whole.pth").distance_name == "FID"


class Means(torch.nn.Module):
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.float().mean(dim=(2, 3))


class Detector(torch.nn.Module):
    def forward(self, pictures: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        found = pictures.float().mean(dim=(2, 3))
        return found if return_features else found[:, :1]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*torch.jit.*:FutureWarning")
@pytest.mark.parametrize(("module", "called"), [(Means(), "the network of net.pt"), (Detector(), "FID")])
def test_a_torchscript_module_accepts_images_of_any_size(module, called, tmp_path: Path) -> None:
    torch.jit.script(module).save(str(tmp_path / "net.pt"))
    net = load_inception(tmp_path / "net.pt")
    assert net.distance_name.endswith(called)
    mixed = [PICTURES[0], PICTURES[1][:20]]
    np.testing.assert_allclose(net.extract_features(mixed), [one.mean(axis=(0, 1)) for one in mixed], rtol=1e-5)


def test_files_without_a_network_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a file of weights"):
        load_inception(tmp_path / "none.pth")
    (tmp_path / "words.pth").write_text("no weights")
    with pytest.raises(DataError, match="state dict"):
        load_inception(tmp_path / "words.pth")
    held = weights(thinner=16)
    del held["Mixed_6b.branch7x7_2.conv.weight"]
    torch.save(held, tmp_path / "part.pth")
    with pytest.raises(DataError, match=r"no layer Mixed_6b\.branch7x7_2"):
        load_inception(tmp_path / "part.pth")
