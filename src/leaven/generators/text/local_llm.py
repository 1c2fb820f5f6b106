"""Text generator that runs a language model from a local folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, MissingExtra, SpecError
from leaven.generators.text.batch_rewriting import (
    CallBudget,
    ModelAnswer,
    ResponseCache,
    TextRewriter,
    validate_rewriting,
)
from leaven.generators.text.output_checks import FORBIDDEN, OutputChecks
from leaven.protocols import OperatorTraits

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class LocalLanguageModel:
    """Rewrites item texts with a language model in a local folder, saved with `save_pretrained`.

    folder          folder of model and tokenizer; nothing is downloaded
    max_new_tokens  maximum tokens of an answer
    temperature     sampling temperature; the first variant of a text is decoded greedily
    take, p, variants, cache, most_calls, most_tokens, on_failure, protect, forbidden, length_range, likeness_range
                  see `Endpoint`
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("local model", has_cache=True)
    folder: str = ""
    max_new_tokens: int = 200
    temperature: float = 0.7
    output: str = "paraphrase"
    p: float = 1.0
    variants: int = 1
    cache: str = ""
    max_calls: int | None = None
    max_tokens: int | None = None
    on_failure: str = "stop"
    protect: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = FORBIDDEN
    length_range: tuple[float, float] = (0.4, 2.5)
    similarity_range: tuple[float, float] = (0.2, 1.0)

    def __post_init__(self) -> None:
        validate_rewriting("local_model", self)
        if self.max_new_tokens < 1 or not self.temperature > 0:
            raise SpecError(
                "local_model.max_new_tokens", "max_new_tokens and temperature above 0", str(self.max_new_tokens), ""
            )

    def fit(self, catalog: Catalog) -> TextRewriter:
        """Loads the model, and fits the checks on brands, words and categories.

        Raises DataError for a folder without a model; MissingExtra without transformers.
        """
        model = _load_model(self)
        checks = OutputChecks.from_catalog(
            catalog, self.protect, self.forbidden, self.length_range, self.similarity_range
        )
        budget = CallBudget(self.max_calls, self.max_tokens)
        stop = self.on_failure == "stop"
        return TextRewriter(
            model, checks, ResponseCache(self.cache), budget, self.output, self.p, self.variants, stop, n_jobs=1
        )


def _load_model(config: LocalLanguageModel) -> LocalTextModel:
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
    return LocalTextModel(config, tokens, model.eval())


@dataclass(frozen=True, eq=False)
class LocalTextModel:
    """The language model in this process."""

    config: LocalLanguageModel
    tokens: PreTrainedTokenizerBase
    model: PreTrainedModel

    @property
    def name(self) -> str:
        """Folder, length and temperature."""
        return f"{Path(self.config.folder).resolve().name} {self.config.max_new_tokens} {self.config.temperature}"

    def generate_answer(self, messages: Sequence[Mapping[str, str]], variant: int) -> ModelAnswer:
        """Returns an answer; variants after the first are sampled, each with its own key."""
        import torch

        prompt = self._build_prompt(messages)
        max_length = int(getattr(self.model.config, "max_position_embeddings", 0) or 1 << 20)
        max_input = max(max_length - self.config.max_new_tokens, 1)
        inputs = self.tokens(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"][:, -max_input:]
        new = min(self.config.max_new_tokens, max(max_length - inputs.shape[1], 1))
        sampling = {"do_sample": True, "temperature": self.config.temperature} if variant else {"do_sample": False}
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.default_generator.manual_seed(rng.derive_key(variant, prompt) >> 1)
            pad_id = self.tokens.pad_token_id
            output = self.model.generate(
                inputs,
                attention_mask=torch.ones_like(inputs),
                max_new_tokens=new,
                pad_token_id=int(pad_id if pad_id is not None else self.tokens.eos_token_id or 0),
                **sampling,
            )
        text = self.tokens.decode(output[0, inputs.shape[1] :], skip_special_tokens=True)
        return ModelAnswer(text, int(output.shape[1]))

    def _build_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Returns the prompt by the model's chat template, if it has one."""
        if getattr(self.tokens, "chat_template", None):
            prompt: str = self.tokens.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
            return prompt
        return "\n\n".join(message["content"] for message in messages) + "\n\n"
