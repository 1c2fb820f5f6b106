"""Changed item texts are compared with the images of the items."""

from dataclasses import replace

import numpy as np
import pytest
from bench.defects import HistoryLaw, ImageLaw

from leaven.augmentation import Plan, Step
from leaven.augmentation.expansion import LazyRows
from leaven.config import Variant
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut
from leaven.datasets.images import encode_image
from leaven.experiment.prepared_data import PreparedData
from leaven.experiment.synthetic_quality import QualityContext, evaluate_variants
from leaven.experiment.trial import ExpandedVariant
from leaven.facts import DataFacts, VariantFacts
from leaven.quality import QualityConfig
from leaven.quality.image_text_consistency import ItemImages
from leaven.quality.quality_facts import Figure
from leaven.registry import create_config
from leaven.run_folder import RunFolder
from leaven.splits.log_splits import Split

pytest.importorskip("torch")
ITEMS = ImageLaw().rows(300, 5)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Catalog:
    folder = tmp_path_factory.mktemp("pictures")
    for place, pixels in enumerate(ITEMS.pixels):
        (folder / f"{place}.png").write_bytes(encode_image(pixels, ".png"))
    images = [f"{place}.png" for place in range(len(ITEMS))]
    images[3] = "gone.png"
    kinds = sorted(set(ITEMS.labels))
    codes = np.array([0, *(kinds.index(one) + 1 for one in ITEMS.labels)], np.int32)
    ids = [f"i{place:03}" for place in range(len(ITEMS))]
    return Catalog(ids, {"title": list(ITEMS.captions)}, codes, kinds, image_paths=images, image_folder=folder)


def test_texts_of_other_items_do_not_match_and_unchanged_texts_are_skipped(catalog) -> None:
    items = ItemImages.fit(catalog, 1)
    assert isinstance(items, ItemImages)
    assert 3 not in items.items
    assert len(items.items) == pytest.approx(150, abs=1)
    title = catalog.texts["title"]
    turned = replace(catalog, texts={"title": [*title[7:], *title[:7]]})
    told = items.evaluate(turned, 20)
    assert isinstance(told, Figure)
    assert (told.verdict, told.group) == ("worse", "consistency")
    assert told.value < told.reference - 0.1
    longer = replace(catalog, texts={"title": [f"{one} new" for one in title]})
    kept = items.evaluate(longer, 20)
    assert isinstance(kept, Figure)
    assert kept.verdict == "as_real"
    assert "needs 40" in str(items.evaluate(catalog, 20))


def test_missing_or_few_images_give_a_reason(catalog) -> None:
    assert "texts and images" in str(ItemImages.fit(replace(catalog, image_paths=None), 1))
    few = replace(catalog, image_paths=[*catalog.image_paths[:20], *[""] * 280])
    assert "there are 19" in str(ItemImages.fit(few, 1))


def test_a_run_evaluates_variants_that_change_texts_only(catalog, tmp_path) -> None:
    rows = replace(HistoryLaw().rows(60, 1), catalog=catalog)
    nobody = HeldOut(
        rows.take(np.zeros(0, np.int64)), *(np.zeros(0, t) for t in (np.int32, np.int64)), np.zeros(1, int)
    )
    unseen = HistoryLaw().rows(40, 2)
    data = PreparedData(Split(rows, None, nobody, nobody, {}, unseen), catalog, unseen, DataFacts(), "mark", {})
    misspell = create_config("text_transforms", "misspell", {"share_range": (0.9, 0.9)})
    plan = Plan([Step(misspell, mode="in_place", p=1.0)])
    config = QualityConfig(gates=("min_image_text_match=0.99",))
    recommender = create_config("recommenders", "transformer")
    context = QualityContext(RunFolder(tmp_path), data, config, recommender, 7, None)
    variant = ExpandedVariant(Variant("words", plan), LazyRows(rows, plan), "mark", VariantFacts("words"))
    found = evaluate_variants(context, [variant], lambda *_: None).measured["words"]
    (figure,) = found.figures
    assert figure.kind == "image_text_match"
    assert figure.value < figure.reference
    assert not found.gates[0].passed
