"""Does augmentation help a model that a Hugging Face Trainer trains? A small GPT-2 over items, with a plan and without.

    pip install 'leaven[torch,text]'
    python examples/hugging_face.py [--users 600] [--epochs 8] [--seeds 1]

The model is made here from a configuration, nothing is downloaded. The Trainer tells its data set which epoch begins,
and so the plan changes rows in place, afresh in every epoch; both arms take the same number of optimiser steps.
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

PLAN = leaven.Plan([leaven.Step(leaven.OneOf((leaven.Crop(), leaven.Drop())), "replace", "each_epoch", p=0.25)])
LENGTH = 50


def model(n_ids: int) -> GPT2LMHeadModel:
    """A GPT-2 whose words are items; position ids and causal attention as in the original."""
    shape = {"n_positions": LENGTH, "n_embd": 64, "n_layer": 2, "n_head": 2}
    ends = {"bos_token_id": PADDING, "eos_token_id": PADDING, "pad_token_id": PADDING}
    return GPT2LMHeadModel(GPT2Config(vocab_size=n_ids, **shape, **ends))


def as_inputs(samples: list[HistorySample]) -> dict[str, Tensor]:
    """leaven's batch under the names that a Hugging Face model takes; weights and mass are for the loss."""
    batch = collate(samples)
    attention = (batch.items != PADDING).long()
    learned = {"labels": batch.targets, "weights": batch.weights, "mass": batch.total_weight}
    return {"input_ids": batch.items, "attention_mask": attention, **learned}


class ItemTrainer(Trainer):
    """A Trainer whose loss knows leaven's weights; targets stand under their inputs, so nothing is shifted."""

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        known = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        outputs = model(**known)
        losses = nn.functional.cross_entropy(outputs.logits.transpose(1, 2), inputs["labels"], reduction="none")
        loss = (inputs["weights"] * losses).sum() / inputs["mass"]
        return (loss, outputs) if return_outputs else loss


def train(data: HistoriesDataset, epochs: int, seed: int) -> GPT2LMHeadModel:
    """The Trainer as it is: it shuffles, batches, schedules and steps."""
    torch.manual_seed(seed)  # first weights; the Trainer sets PyTorch's chance for all that comes after
    with tempfile.TemporaryDirectory() as folder:
        wish = TrainingArguments(
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
        trainer = ItemTrainer(model(data.n_ids), wish, data_collator=as_inputs, train_dataset=data)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return trainer.model.eval()


@torch.no_grad()
def ndcg(net: GPT2LMHeadModel, users: HeldOut, catalog_size: int) -> float:
    """Mean NDCG@10 over the whole catalogue; items that a user had are not listed again."""
    lists, scored = [], []
    for batch in iterate_input_batches(users.histories, max_length=LENGTH):
        logits = net(input_ids=batch.items, attention_mask=(batch.items != PADDING).long()).logits
        scores = logits[torch.arange(len(batch.items)), batch.lengths - 1]
        scores[:, 0] = scores[:, catalog_size + 1 :] = -torch.inf  # padding and mask
        top = scores.scatter(1, batch.items, -torch.inf).topk(10)
        lists.append(top.indices)
        scored.append(top.values)
    ranked = RankedItems(torch.cat(lists).int().numpy(), torch.cat(scored).numpy())
    return float(leaven.Ndcg(k=10)(ranked, users, users.histories).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("users", 600), ("epochs", 8), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    logging.set_verbosity_error()
    world = leaven.Simulator(users=asked.users, items=300, seed=7).build_world()
    parts = leaven.split(world.histories, "leave_one_out")
    print(f"best reachable   NDCG@10 {world.best_ndcg(parts.test, 10, True).mean():.4f}")
    for name, plan in (("without", leaven.Plan()), ("with a plan", PLAN)):
        found = []
        for seed in range(1, asked.seeds + 1):
            data = HistoriesDataset(parts.train, plan, seed=seed, max_length=LENGTH, epochs=asked.epochs)
            found.append(ndcg(train(data, asked.epochs, seed), parts.test, world.histories.n_items))
            print(f"  {name}, seed {seed}: the Trainer went to epoch {data.epoch + 1} of {asked.epochs}")
        each = ", ".join(f"{value:.4f}" for value in found)
        print(f"{name:<15}  NDCG@10 {statistics.mean(found):.4f}   ({each})")


if __name__ == "__main__":
    main()
