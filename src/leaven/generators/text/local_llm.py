"""Text generator that runs a language model from a local folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, MissingExtra, SpecError
from leaven.generators.text.batch_rewriting import Budget, Writer, check_writing
from leaven.generators.text.output_checks import FORBIDDEN, Checks
from leaven.generators.text.response_cache import Answer, Answers


@dataclass(frozen=True)
class LocalModel:
    """Rewrites item texts with a language model in a local folder, saved with `save_pretrained`.

    folder        folder of model and tokenizer; nothing is downloaded
    most_new      maximum tokens of an answer
    temperature   sampling temperature; the first variant of a text is decoded greedily
    take, p, variants, cache, most_calls, most_tokens, on_failure, protect, forbidden, length_range, likeness_range
                  see `Endpoint`
    """

    folder: str = ""
    most_new: int = 200
    temperature: float = 0.7
    take: str = "paraphrase"
    p: float = 1.0
    variants: int = 1
    cache: str = ""
    most_calls: int | None = None
    most_tokens: int | None = None
    on_failure: str = "stop"
    protect: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = FORBIDDEN
    length_range: tuple[float, float] = (0.4, 2.5)
    likeness_range: tuple[float, float] = (0.2, 1.0)

    def __post_init__(self) -> None:
        check_writing("local_model", self)
        if self.most_new < 1 or not self.temperature > 0:
            raise SpecError(
                "local_model.max_new_tokens", "max_new_tokens and temperature above 0", str(self.most_new), ""
            )

    def fit(self, catalog: Catalog) -> Writer:
        """Loads the model, and fits the checks on brands, words and categories.

        Raises DataError for a folder without a model; MissingExtra without transformers.
        """
        model = _load_model(self)
        checks = Checks.of(catalog, self.protect, self.forbidden, self.length_range, self.likeness_range)
        budget = Budget(self.most_calls, self.most_tokens)
        stop = self.on_failure == "stop"
        return Writer(model, checks, Answers(self.cache), budget, self.take, self.p, self.variants, stop, at_once=1)


def _load_model(config: LocalModel) -> Resident:
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise MissingExtra("transformers", "llm") from None
    folder = Path(config.folder)
    if not config.folder or not (folder / "config.json").is_file():
        fix = "put a model there: model.save_pretrained(folder), tokenizer.save_pretrained(folder)"
        raise DataError(config.folder or "local_model.folder", "a folder with a model (config.json …)", "none", fix)
    try:
        tokens = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(str(folder), "a causal language model", str(error).splitlines()[0], "") from error
    return Resident(config, tokens, model.eval())


@dataclass(frozen=True, eq=False)
class Resident:
    """The language model in this process."""

    config: LocalModel
    tokens: Any
    model: Any

    @property
    def name(self) -> str:
        """Folder, length and temperature."""
        return f"{Path(self.config.folder).resolve().name} {self.config.most_new} {self.config.temperature}"

    def ask(self, messages: Sequence[Mapping[str, str]], variant: int) -> Answer:
        """Returns an answer; variants after the first are sampled, each with its own key."""
        import torch

        prompt = self._build_prompt(messages)
        max_length = int(getattr(self.model.config, "max_position_embeddings", 0) or 1 << 20)
        max_input = max(max_length - self.config.most_new, 1)
        inputs = self.tokens(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"][:, -max_input:]
        new = min(self.config.most_new, max(max_length - inputs.shape[1], 1))
        sampling = {"do_sample": True, "temperature": self.config.temperature} if variant else {"do_sample": False}
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.default_generator.manual_seed(rng.key(variant, prompt) >> 1)
            output = self.model.generate(
                inputs,
                attention_mask=torch.ones_like(inputs),
                max_new_tokens=new,
                pad_token_id=self._get_pad_id(),
                **sampling,
            )
        text = self.tokens.decode(output[0, inputs.shape[1] :], skip_special_tokens=True)
        return Answer(text, int(output.shape[1]))

    def _get_pad_id(self) -> int:
        pad_id = self.tokens.pad_token_id
        return int(pad_id if pad_id is not None else self.tokens.eos_token_id or 0)

    def _build_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Returns the prompt by the model's chat template, if it has one."""
        if getattr(self.tokens, "chat_template", None):
            prompt: str = self.tokens.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
            return prompt
        return "\n\n".join(message["content"] for message in messages) + "\n\n"
