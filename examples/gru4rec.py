"""Trains a plain PyTorch GRU4Rec with and without an augmentation plan and compares NDCG@10.

    python examples/gru4rec.py [--users 1000] [--epochs 10] [--seeds 2] [--workers 0]

GRU4Rec (Hidasi et al., ICLR 2016) with the full softmax over a small catalog, on a simulated shop. Both variants take
the same number of optimizer steps: the plan changes rows in place, with new draws in every epoch. It crops or drops
events of one history in four; validation and test histories are unchanged.
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

PLAN = leaven.Plan([leaven.Step(leaven.OneOf((leaven.Crop(), leaven.Drop())), "in_place", "each_epoch", p=0.25)])


class Gru4Rec(nn.Module):
    """GRU over item embeddings; scores every item after each event with the same embeddings."""

    def __init__(self, n_ids: int, width: int = 64) -> None:
        super().__init__()
        self.items = nn.Embedding(n_ids, width, padding_idx=0)
        nn.init.normal_(self.items.weight, std=0.1)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.drop = nn.Dropout(0.2)

    def forward(self, items: Tensor) -> Tensor:
        """Return scores (rows, positions, ids) for items (rows, positions)."""
        states, _ = self.gru(self.drop(self.items(items)))
        return self.drop(states) @ self.items.weight.T


def train_net(data: HistoriesDataset, epochs: int, workers: int) -> Gru4Rec:
    """Train in a plain loop with the batches of leaven."""
    net = Gru4Rec(data.n_ids)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    loader = HistoriesLoader(HistoriesStream(data, rows=64), workers)
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        for batch in loader:
            scores = net(batch.items).transpose(1, 2)  # (rows, ids, positions)
            losses = nn.functional.cross_entropy(scores, batch.targets, reduction="none")
            loss = (batch.weights * losses).sum() / batch.total_weight
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


@torch.no_grad()
def compute_ndcg(net: Gru4Rec, users: HeldOut, catalog_size: int) -> float:
    """Return the mean NDCG@10 over the whole catalog without items in the history of the user."""
    items, top_scores = [], []
    for batch in iterate_input_batches(users.histories):
        scores = net(batch.items)[torch.arange(len(batch.items)), batch.lengths - 1]
        scores[:, 0] = scores[:, catalog_size + 1 :] = -torch.inf  # padding and mask
        top = scores.scatter(1, batch.items, -torch.inf).topk(10)
        items.append(top.indices)
        top_scores.append(top.values)
    ranked = RankedItems(torch.cat(items).int().numpy(), torch.cat(top_scores).numpy())
    return float(leaven.Ndcg(k=10)(ranked, users, users.histories).mean())


def main() -> None:
    """Print NDCG@10 of both variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("users", 1000), ("epochs", 10), ("seeds", 2), ("workers", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    world = leaven.Simulator(users=options.users, items=300, seed=7).build_world()
    parts = leaven.split(world.histories, "leave_one_out")
    print(f"best reachable   NDCG@10 {world.best_ndcg(parts.test, 10, True).mean():.4f}")
    for name, plan in (("without", leaven.Plan()), ("with a plan", PLAN)):
        values = []
        for seed in range(1, options.seeds + 1):
            torch.manual_seed(seed)  # noqa: TID251  initial weights and dropout of PyTorch
            data = HistoriesDataset(parts.train, plan, seed=seed, epochs=options.epochs)
            values.append(
                compute_ndcg(train_net(data, options.epochs, options.workers), parts.test, world.histories.n_items)
            )
        each = ", ".join(f"{value:.4f}" for value in values)
        print(f"{name:<15}  NDCG@10 {statistics.mean(values):.4f}   ({each})")


if __name__ == "__main__":
    main()
