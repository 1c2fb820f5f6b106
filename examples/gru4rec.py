"""Does augmentation help a model that leaven does not know? A plain PyTorch GRU4Rec, with a plan and without.

    python examples/gru4rec.py [--users 1000] [--epochs 10] [--seeds 2] [--workers 0]

GRU4Rec (Hidasi et al., ICLR 2016) with the full softmax over a small catalogue, on a simulated shop. Both arms take
the same number of optimiser steps: the plan changes rows in place, afresh in every epoch. One history in four is
cropped or loses events; validation and test histories are never touched.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from torch import Tensor, nn

import leaven
from leaven.datasets.histories import HeldOut
from leaven.protocols import RankedItems
from leaven.pytorch import HistoriesDataset, HistoriesLoader, HistoriesStream, iterate_input_batches

PLAN = leaven.Plan([leaven.Step(leaven.OneOf((leaven.Crop(), leaven.Drop())), "replace", "each_epoch", p=0.25)])


class Gru4Rec(nn.Module):
    """Item vectors, a GRU, and a score of every item after each event, by the same vectors."""

    def __init__(self, n_ids: int, width: int = 64) -> None:
        super().__init__()
        self.items = nn.Embedding(n_ids, width, padding_idx=0)
        nn.init.normal_(self.items.weight, std=0.1)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.drop = nn.Dropout(0.2)

    def forward(self, items: Tensor) -> Tensor:
        """items (rows, places) -> scores (rows, places, ids)."""
        states, _ = self.gru(self.drop(self.items(items)))
        return self.drop(states) @ self.items.weight.T


def train(data: HistoriesDataset, epochs: int, workers: int) -> Gru4Rec:
    """A plain loop: leaven gives the batches and nothing else."""
    net = Gru4Rec(data.n_ids)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    loader = HistoriesLoader(HistoriesStream(data, rows=64), workers)
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        for batch in loader:
            scores = net(batch.items).transpose(1, 2)  # (rows, ids, places)
            losses = nn.functional.cross_entropy(scores, batch.targets, reduction="none")
            loss = (batch.weights * losses).sum() / batch.total_weight
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


@torch.no_grad()
def ndcg(net: Gru4Rec, users: HeldOut, catalog_size: int) -> float:
    """Mean NDCG@10 over the whole catalogue; items that a user had are not listed again."""
    lists, scored = [], []
    for batch in iterate_input_batches(users.histories):
        scores = net(batch.items)[torch.arange(len(batch.items)), batch.lengths - 1]
        scores[:, 0] = scores[:, catalog_size + 1 :] = -torch.inf  # padding and mask
        top = scores.scatter(1, batch.items, -torch.inf).topk(10)
        lists.append(top.indices)
        scored.append(top.values)
    ranked = RankedItems(torch.cat(lists).int().numpy(), torch.cat(scored).numpy())
    return float(leaven.Ndcg(k=10)(ranked, users, users.histories).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("users", 1000), ("epochs", 10), ("seeds", 2), ("workers", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    world = leaven.Simulator(users=asked.users, items=300, seed=7).build_world()
    parts = leaven.split(world.histories, "leave_one_out")
    print(f"best reachable   NDCG@10 {world.best_ndcg(parts.test, 10, True).mean():.4f}")
    for name, plan in (("without", leaven.Plan()), ("with a plan", PLAN)):
        found = []
        for seed in range(1, asked.seeds + 1):
            torch.manual_seed(seed)  # PyTorch's own chance: first weights and dropout
            data = HistoriesDataset(parts.train, plan, seed=seed, epochs=asked.epochs)
            found.append(ndcg(train(data, asked.epochs, asked.workers), parts.test, world.histories.n_items))
        each = ", ".join(f"{value:.4f}" for value in found)
        print(f"{name:<15}  NDCG@10 {statistics.mean(found):.4f}   ({each})")


if __name__ == "__main__":
    main()
