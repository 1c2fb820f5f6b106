"""A small language model learns titles, continues them, and keeps their facts."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.augmentation import Plan, Step, build_catalog_views
from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, SpecError
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.sequence.gan import Gan
from leaven.generators.sequence.markov import Markov
from leaven.generators.sequence.vae import Vae
from leaven.generators.text.catalog_language_model import CatalogLanguageModel, CharacterCodec, train_language_model

pytest.importorskip("torch")
LOOKS, THINGS, ENDS = ("soft", "mild", "rich"), ("hand cream", "body balm"), ("for dry skin", "with shea")
BATH = [f"{look} {thing} {end} {n} ml" for look in LOOKS for thing in THINGS for end in ENDS for n in (50, 75)]
KITCHEN = [f"steel {thing} with {end}" for thing in ("bread knife", "fork", "pan") for end in ("lid", "case", "stand")]
TEXTS = BATH + KITCHEN
CODES = [1] * len(BATH) + [2] * len(KITCHEN)
ITEMS = Catalog(
    [str(n) for n in range(len(TEXTS))], {"title": TEXTS}, np.array([0, *CODES], np.int32), ["bath", "kitchen"]
)
NET = Autoregressive(width=32, layers=1, steps=250, dropout=0.0, batch_events=256, device="cpu")
SMALL = CatalogLanguageModel(model=NET, max_new_tokens=8)


@pytest.fixture(scope="module")
def fitted():
    return SMALL.fit(ITEMS)


def keys(count: int, seed: int = 1):
    return rng.derive_row_keys(seed, rng.mix_bits(np.arange(1, count + 1, dtype=np.uint64)))


def ones(count: int):
    return np.ones(count, np.float32)


def test_encoding_and_decoding_a_text_round_trips() -> None:
    spelling = CharacterCodec.from_texts(
        ["soft hand cream 50 ml", "soft hand balm 50 ml", "柔软护手霜", "柔软护手霜"], 3, 2
    )
    assert set(spelling.tokens[:3]) <= {"soft", " hand", " 50", " ml", "柔软", "护手霜"}
    for text in ("soft hand 50 ml", "柔软护手霜", "oft hand 50 50 ml"):
        assert spelling.decode_ids(spelling.encode_text(text)) == text
    assert (
        spelling.decode_ids([*spelling.encode_text("soft"), spelling.end_id, *spelling.encode_text("hand")]) == "soft"
    )
    assert spelling.decode_ids(spelling.encode_text("soft ☂ hand")) == "soft  hand"  # unknown characters are dropped


def test_titles_of_the_requested_category_are_generated(fitted) -> None:
    for code, words in ((1, {"soft", "mild", "rich"}), (2, {"steel"})):
        made = fitted.model.generate_texts([[code + 1]] * 30, keys(30))
        assert np.mean([text.split()[0] in words for text in made if text]) > 0.9


def test_real_texts_have_less_surprisal_than_shuffled_words(fitted) -> None:
    turned = [" ".join(reversed(text.split())) for text in TEXTS]
    assert fitted.model.compute_surprisal(TEXTS, CODES) + 1 < fitted.model.compute_surprisal(turned, CODES)


def test_views_keep_numbers_and_add_no_facts(fitted) -> None:
    made = fitted(TEXTS, keys(len(TEXTS)), ones(len(TEXTS)))
    changed = [(a, b) for a, b in zip(TEXTS, made, strict=True) if a != b]
    assert len(changed) > 3
    for before, after in changed:
        assert fitted.checks.extract_facts(before) == fitted.checks.extract_facts(after)
        assert after.split()[0] == before.split()[0]
    held = fitted.reasons(TEXTS)
    for row, (before, after) in enumerate(zip(TEXTS, made, strict=True)):
        assert before != after or any(why[row] for why in held.values())
    assert sum(fitted.rejected.values()) > 0


def test_short_texts_are_unchanged_with_a_reason(fitted) -> None:
    few = ["soap bar", "", "玫瑰护手霜"]
    assert fitted(few[:2], keys(2), ones(2)) == few[:2]
    held = fitted.reasons(few)
    assert held["fewer than 3 words"].tolist()[:2] == [True, True]
    assert held["no words"].tolist() == [False, True, False]


def test_the_trained_model_is_cached(tmp_path, monkeypatch) -> None:
    config = replace(SMALL, model=replace(SMALL.model, steps=3), cache=str(tmp_path))
    first = train_language_model(config, TEXTS, CODES).generate_texts([[2]] * 5, keys(5))
    monkeypatch.setattr(Autoregressive, "fit", None)  # no second training
    assert train_language_model(config, TEXTS, CODES).generate_texts([[2]] * 5, keys(5)) == first
    with pytest.raises(TypeError):
        train_language_model(config, TEXTS[1:], CODES[1:])


OTHERS = [Vae(steps=3, width=16, latent=4), Gan(steps=3, adversarial_steps=2, width=16), Markov()]


@pytest.mark.parametrize("by", OTHERS, ids=["vae", "gan", "markov"])
def test_other_generators_work_too(by) -> None:
    learned = train_language_model(CatalogLanguageModel(model=by, max_new_tokens=4), TEXTS, CODES)
    assert len(learned.generate_texts([[2], [3]], keys(2))) == 2
    assert np.isfinite(learned.compute_surprisal(TEXTS, CODES))


def test_in_a_plan_it_is_a_text_step_whose_model_is_saved_next_to_the_views(tmp_path) -> None:
    step = Step(replace(SMALL, model=replace(SMALL.model, steps=3)), columns=("title",))
    views = build_catalog_views(ITEMS, Plan([step]), seed=1, folder=tmp_path)
    (fact,) = views.describe_steps()
    assert fact.synthetic == len(TEXTS)
    assert list(tmp_path.rglob("codec.json"))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CatalogLanguageModel(model=None),
        lambda: CatalogLanguageModel(keep_range=(0.8, 0.4)),
        lambda: CatalogLanguageModel(max_attempts=0),
        lambda: CatalogLanguageModel(p=2.0),
    ],
)
def test_invalid_configs_are_rejected(wrong) -> None:
    with pytest.raises(SpecError):
        wrong()


def test_a_catalog_without_texts_or_without_the_column_is_rejected() -> None:
    with pytest.raises(DataError, match="texts"):
        SMALL.fit(Catalog(["a"], {"title": [""]}))
    with pytest.raises(DataError, match="titel"):
        replace(SMALL, text_column="titel").fit(ITEMS)
