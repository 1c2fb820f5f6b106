"""Builds a tiny language model with deterministic weights."""

from pathlib import Path

import torch


def write(folder: Path, words: list[str], head: bool = False) -> Path:
    """A BERT of two layers over these words, or a GPT-2 that writes them, as `save_pretrained` lays it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    known = {word: place for place, word in enumerate(dict.fromkeys(["[PAD]", "[UNK]", "[END]", *words]))}
    tokens = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="[PAD]", unk_token="[UNK]", eos_token="[END]", padding_side="right"
    )
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(3)
        if head:
            shape = GPT2Config(vocab_size=len(known), n_positions=64, n_embd=16, n_layer=1, n_head=2)
            shape.eos_token_id = shape.pad_token_id = 2
            model = GPT2LMHeadModel(shape)
        else:
            sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
            model = BertModel(BertConfig(vocab_size=len(known), hidden_size=16, **sizes, max_position_embeddings=64))
    model.save_pretrained(folder)
    whole.save_pretrained(folder)
    return folder
