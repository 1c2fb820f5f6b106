"""Trains a small GPT-2 over items by a Hugging Face Trainer with and without an augmentation plan.

    pip install 'leaven[torch,text]'
    python examples/hugging_face.py [--users 600] [--epochs 8] [--seeds 1]

The model is created from a configuration without a download. The Trainer passes the epoch to its data set, so the plan
changes rows in place with new draws in every epoch; both variants take the same number of optimizer steps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from typing import Any

import torch
from torch import Tensor, nn

try:
    from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments
    from transformers.utils import logging
except ImportError:
    raise SystemExit("transformers is missing: pip install 'leaven[llm]'") from None

import leaven
from leaven.datasets.histories import HeldOut
from leaven.protocols import RankedItems
from leaven.pytorch import PADDING, HistoriesDataset, HistorySample, collate, iterate_input_batches

PLAN = leaven.Plan([leaven.Step(leaven.OneOf((leaven.Crop(), leaven.Drop())), "in_place", "each_epoch", p=0.25)])
LENGTH = 50


def build_model(n_ids: int) -> GPT2LMHeadModel:
    """Return a GPT-2 with items as tokens; position ids and causal attention as in the original."""
    shape = {"n_positions": LENGTH, "n_embd": 64, "n_layer": 2, "n_head": 2}
    ends = {"bos_token_id": PADDING, "eos_token_id": PADDING, "pad_token_id": PADDING}
    return GPT2LMHeadModel(GPT2Config(vocab_size=n_ids, **shape, **ends))


def collate_inputs(samples: list[HistorySample]) -> dict[str, Tensor]:
    """Return a batch with the argument names of a Hugging Face model; weights and total_weight are for the loss."""
    batch = collate(samples)
    attention = (batch.items != PADDING).long()
    targets = {"labels": batch.targets, "weights": batch.weights, "total_weight": batch.total_weight}
    return {"input_ids": batch.items, "attention_mask": attention, **targets}


class ItemTrainer(Trainer):
    """Trainer with a weighted loss; targets are aligned with their inputs, so labels are not shifted."""

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        arguments = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        outputs = model(**arguments)
        losses = nn.functional.cross_entropy(outputs.logits.transpose(1, 2), inputs["labels"], reduction="none")
        loss = (inputs["weights"] * losses).sum() / inputs["total_weight"]
        return (loss, outputs) if return_outputs else loss


def train_net(data: HistoriesDataset, epochs: int, seed: int) -> GPT2LMHeadModel:
    """Train with the unchanged Trainer, which shuffles, batches, schedules and steps."""
    torch.manual_seed(seed)  # noqa: TID251  initial weights; the Trainer seeds PyTorch afterwards
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=64,
            learning_rate=5e-3,
            seed=seed,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        trainer = ItemTrainer(build_model(data.n_ids), arguments, data_collator=collate_inputs, train_dataset=data)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return trainer.model.eval()


@torch.no_grad()
def compute_ndcg(net: GPT2LMHeadModel, users: HeldOut, catalog_size: int) -> float:
    """Return the mean NDCG@10 over the whole catalog without items in the history of the user."""
    items, top_scores = [], []
    for batch in iterate_input_batches(users.histories, max_length=LENGTH):
        logits = net(input_ids=batch.items, attention_mask=(batch.items != PADDING).long()).logits
        scores = logits[torch.arange(len(batch.items)), batch.lengths - 1]
        scores[:, 0] = scores[:, catalog_size + 1 :] = -torch.inf  # padding and mask
        top = scores.scatter(1, batch.items, -torch.inf).topk(10)
        items.append(top.indices)
        top_scores.append(top.values)
    ranked = RankedItems(torch.cat(items).int().numpy(), torch.cat(top_scores).numpy())
    return float(leaven.Ndcg(k=10)(ranked, users, users.histories).mean())


def main() -> None:
    """Print NDCG@10 of both variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("users", 600), ("epochs", 8), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    logging.set_verbosity_error()
    world = leaven.Simulator(users=options.users, items=300, seed=7).build_world()
    parts = leaven.split(world.histories, "leave_one_out")
    print(f"best reachable   NDCG@10 {world.best_ndcg(parts.test, 10, True).mean():.4f}")
    for name, plan in (("without", leaven.Plan()), ("with a plan", PLAN)):
        values = []
        for seed in range(1, options.seeds + 1):
            data = HistoriesDataset(parts.train, plan, seed=seed, max_length=LENGTH, epochs=options.epochs)
            values.append(compute_ndcg(train_net(data, options.epochs, seed), parts.test, world.histories.n_items))
            print(f"  {name}, seed {seed}: the Trainer went to epoch {data.epoch + 1} of {options.epochs}")
        each = ", ".join(f"{value:.4f}" for value in values)
        print(f"{name:<15}  NDCG@10 {statistics.mean(values):.4f}   ({each})")


if __name__ == "__main__":
    main()
