"""Tests of cold items, missing modalities and item views."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.encoders import Attributes, TfIdf
from leaven.errors import DataError, SpecError
from leaven.nn.fusion import FusedItemTable, ItemViewLoss
from leaven.protocols import TrainingContext
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.multimodal import Multimodal
from leaven.recommenders.transformer import Transformer

LOOKS, EACH = ["rose", "steel", "linen", "glass"], 8
N_ITEMS = len(LOOKS) * EACH
COLD = [4, 12, 20, 28]
"""The fourth item of each look is never bought."""
CORE = Transformer(
    width=16, layers=1, heads=1, dropout=0.1, negatives=24, device="cpu", n_validations=2, learning_rate=1e-2
)
WISH = Multimodal(encoders=(TfIdf(character_ngrams=(0, 0), width=16),), transformer=CORE)


def titles() -> list[str]:
    return [f"{look} thing{nth}" for look in LOOKS for nth in range(EACH)]


def catalog(**more) -> Catalog:
    return Catalog([str(n) for n in range(N_ITEMS)], {"title": titles()}, **more)


def shoppers(users: int = 300, key: int = 1) -> Histories:
    """Who buys things of one look, never the cold ones."""
    chance = np.random.default_rng(key)
    bought = [[n for n in range(look * EACH + 1, (look + 1) * EACH + 1) if n not in COLD] for look in range(len(LOOKS))]
    rows = [chance.permutation(bought[chance.integers(len(LOOKS))])[:5].tolist() for _ in range(users)]
    return replace(Histories.from_lists(rows, N_ITEMS), catalog=catalog())


def fit(wish: Multimodal = WISH, rows: Histories | None = None, steps: int = 150, **training):
    return wish.fit(rows if rows is not None else shoppers(), TrainingContext(key=1, steps=steps, **training))


def own_cold_in_list(fitted, k: int = 4) -> float:
    """Share of users in whose list stands the never-bought item of their look."""
    users = shoppers(100, key=9)
    listed = fitted.recommend(users, k).items
    look = (users.items[users.starts[:-1]] - 1) // EACH
    return float((listed == np.array(COLD)[look][:, None]).any(1).mean())


def test_cold_items_are_recommended_to_users_with_matching_taste() -> None:
    fitted = fit()
    assert own_cold_in_list(fitted) > 0.5  # three of seven bought ones are left, so that the list has room
    assert own_cold_in_list(CORE.fit(shoppers(), TrainingContext(key=1, steps=150))) < 0.2
    assert fitted.facts["items_never_taken"] == 4
    assert fitted.facts["items_known_by"] == {"text": 1.0}


def next_ones(cold: bool) -> HeldOut:
    """Shoppers who take the cold item of their look next, or one that others bought."""
    users = shoppers(100, key=9)
    look = (users.items[users.starts[:-1]] - 1) // EACH
    bought = [
        (set(range(EACH * mine + 1, EACH * mine + 8)) - {*COLD, *users.row_items(n)}).pop()
        for n, mine in enumerate(look)
    ]
    items = np.array(COLD)[look] if cold else np.array(bought)
    return HeldOut(users, items.astype(np.int32), np.full(100, 9), np.arange(101))


def test_the_cold_item_share_follows_validation_targets() -> None:
    some, none = next_ones(cold=True), next_ones(cold=False)
    half = HeldOut(
        some.histories,
        np.where(np.arange(100) % 2, some.target_items, none.target_items),
        some.target_times,
        some.target_starts,
    )
    fitted = fit(steps=20, validation=half)
    assert fitted.facts["newcomers"] == 0.5
    assert np.isin(fitted.recommend(half.histories, 4).items, COLD).mean() == pytest.approx(0.5, abs=0.05)
    assert fit(steps=20, validation=none).facts["newcomers"] == 0
    assert fit(steps=20).facts["newcomers"] == 0


def test_a_configured_cold_item_share_is_used_and_saved(tmp_path) -> None:
    fitted = fit(replace(WISH, cold_item_share=1.0), steps=20, validation=next_ones(False))
    users = shoppers(30, key=9)
    assert sorted(fitted.recommend(users, 4).items[0].tolist()) == COLD
    fitted.save(tmp_path)
    assert np.array_equal(Multimodal.load(tmp_path).recommend(users, 9).items, fitted.recommend(users, 9).items)
    with pytest.raises(SpecError, match="cold_item_share"):
        replace(WISH, cold_item_share=-1.0)


def test_a_modality_missing_from_the_catalog_is_skipped_and_reported() -> None:
    fitted = fit(replace(WISH, encoders=(*WISH.encoders, Attributes())), steps=5)
    assert fitted.facts["modalities_left_out"] == ["attributes"]
    with pytest.raises(DataError, match="text or attributes"):
        fit(Multimodal(), replace(shoppers(), catalog=Catalog([str(n) for n in range(N_ITEMS)])))


def test_an_item_may_lack_a_modality() -> None:
    texts = titles()
    texts[3] = texts[10] = ""
    category = np.array([0, *np.repeat([1, 2, 3, 4], EACH)], np.int32)
    category[1:4] = 0
    items = Catalog([str(n) for n in range(N_ITEMS)], {"title": texts}, category, LOOKS)
    wish = replace(WISH, encoders=(*WISH.encoders, Attributes()))
    fitted = fit(wish, replace(shoppers(), catalog=items))
    assert fitted.facts["items_known_by"] == {"text": 30 / 32, "attributes": round(29 / 32, 4)}
    assert own_cold_in_list(fitted) > 0.3
    assert np.isfinite(fitted.recommend(shoppers(20), N_ITEMS).scores[:, :20]).all()


def test_rows_without_a_catalog_raise_an_error() -> None:
    for items in (None, Catalog(["a"], {"title": ["soap"]})):
        with pytest.raises(DataError, match="a catalog of the items"):
            fit(rows=replace(shoppers(), catalog=items))


def test_training_reads_views_and_ranking_reads_original_texts() -> None:
    asked = []

    def views(epoch: int, progress: float) -> Catalog:
        asked.append(epoch)
        return replace(catalog(), texts={"title": [title.split()[0] for title in titles()]})

    fitted = fit(catalog_for_epoch=views)
    assert asked == list(range(len(asked)))
    table = fitted.item_table
    plain = WISH.encoders[0].fit(catalog())(catalog())
    np.testing.assert_array_equal(table.features_0[1:-1].numpy(), plain)
    assert own_cold_in_list(fitted) > 0.5


def test_the_consistency_loss_draws_two_views_per_epoch() -> None:
    asked = []

    def views(epoch: int, progress: float) -> Catalog:
        asked.append(epoch)
        return catalog()

    fit(replace(WISH, consistency_weight=0.5), steps=10, catalog_for_epoch=views)
    assert asked[:2] == [0, 2**32]


def table_of(dropout: float = 0.0) -> FusedItemTable:
    read = torch.eye(4)[:, :3]
    table = FusedItemTable(2, [read], torch.tensor([True, True, False, False]), dropout)
    with torch.no_grad():
        table.id_embeddings.weight.copy_(torch.arange(14.0).view(7, 2))
        table.projections[0].weight.copy_(torch.tensor([[100.0, 0, 0], [0, 100.0, 0]]))
        table.reset_padding()
    return table.eval()


def test_vectors_add_id_and_features_and_unknown_ids_share_an_embedding() -> None:
    vectors = table_of()(torch.arange(6))
    unknown = [12.0, 13.0]
    assert vectors.tolist() == [[0, 0], [102, 3], [4, 105], unknown, unknown, [10, 11]]
    assert torch.equal(table_of().get_all_vectors(), vectors[1:5])


def test_ids_are_dropped_only_in_training() -> None:
    table = table_of(dropout=0.5).train()
    ids = torch.ones(400, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(1)
        dropped = (table(ids)[:, 0] == 112).float().mean()
    assert 0.4 < dropped < 0.6
    assert (table(torch.zeros(50, dtype=torch.int64)) == 0).all()
    assert (table.eval()(ids)[:, 0] == 102).all()


def test_equal_views_have_a_lower_loss_than_different_ones() -> None:
    table = table_of()
    with torch.no_grad():
        table.projections[0].weight.copy_(torch.tensor([[1.0, 0, -1], [0, 1.0, -1]]))
    read, ids = torch.eye(4)[:, :3], torch.tensor([1, 2, 3])
    equal = ItemViewLoss(table, lambda epoch, progress: [read], 1.0, 0.1)
    different = ItemViewLoss(table, lambda epoch, progress: [read if epoch == 0 else read.roll(1, 0)], 1.0, 0.1)
    for auxiliary in (equal, different):
        auxiliary.start_epoch(0, 0.0)
    assert equal.loss(ids).item() < 0.1 < different.loss(ids).item()
    assert float(ItemViewLoss(table, None, 0.0, 0.1).loss(ids)) == 0


@pytest.mark.parametrize(
    "fields",
    [{"encoders": ()}, {"transformer": ItemKnn()}, {"id_dropout": 1.5}, {"consistency_weight": -1.0}],
)
def test_fields_out_of_range_raise_an_error(fields) -> None:
    with pytest.raises(SpecError, match="multimodal"):
        replace(WISH, **fields)
