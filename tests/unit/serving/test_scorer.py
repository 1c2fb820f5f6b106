"""The scorer and exported models give the lists of the trained recommender."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from leaven.errors import DataError, SpecError
from leaven.recommenders import Ease, ItemKnn, Multimodal, Popularity, RankFusion, TimeLinear, Transformer
from leaven.serving import Query, Scorer, export_model
from leaven.serving.model_export import ModelManifest
from leaven.serving.standalone_scorer import Scorer as ExportedScorer
from unit.serving.runs import N_ITEMS, USERS, build_catalog, build_histories, write_run

TINY = Transformer(width=16, layers=1, max_length=6, batch_events=128)
CONFIGS = {
    "item_knn": ItemKnn(),
    "popularity": Popularity(),
    "transformer": TINY,
    "multimodal": Multimodal(transformer=TINY, cold_item_share=0.3),
    "ease": Ease(),
    "time_linear": TimeLinear(),
    "rank_fusion": RankFusion(TINY, ItemKnn()),
}
STEPS = {"transformer": 30, "multimodal": 30, "rank_fusion": 30}
NETWORKS = ("transformer", "multimodal", "rank_fusion")


@cache
def run_of(kind: str) -> Path:
    return write_run(Path(mkdtemp()) / kind, CONFIGS[kind], STEPS.get(kind))


@cache
def scorer_of(kind: str) -> Scorer:
    return Scorer.load(run_of(kind))


@cache
def export_of(kind: str) -> tuple[Path, ModelManifest]:
    folder = Path(mkdtemp()) / "exported"
    return folder, export_model(scorer_of(kind).model, folder, license_name="CC-BY-4.0")


def own_ids(items: np.ndarray) -> list[str]:
    return [build_catalog().ids[item - 1] for item in items]


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_scorer_gives_the_lists_and_scores_of_the_trained_recommender(kind: str) -> None:
    rows, scorer = build_histories(), scorer_of(kind)
    expected = scorer.model.recommender.recommend(rows, 5)
    answers = scorer.answer([Query(user=user, k=5) for user in USERS])
    for row, answer in enumerate(answers):
        assert list(answer.items) == own_ids(expected.items[row])
        np.testing.assert_allclose(answer.scores, expected.scores[row], atol=1e-5)
        assert list(answer.history) == own_ids(rows.row_items(row))


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_exported_model_gives_the_same_list_without_leaven(kind: str) -> None:
    folder, manifest = export_of(kind)
    assert manifest.exact.same_items == 1.0
    assert manifest.exact.max_difference <= 1e-4
    exported, history = ExportedScorer(folder), ["i03", "i08", "unknown"]
    found, expected = exported.recommend(history, 7), scorer_of(kind).recommend(history, 7)
    assert [item for item, _ in found] == list(expected.items)
    np.testing.assert_allclose([score for _, score in found], expected.scores, atol=1e-4)
    assert "license: CC-BY-4.0" in (folder / "model_card.md").read_text()
    assert (manifest.int8 is not None) == (kind in NETWORKS)
    if manifest.int8 is not None:
        assert manifest.int8.same_items > 0.5
        assert manifest.int8.max_difference < 0.2
    if kind == "rank_fusion":  # its ranks of equally popular items differ
        return
    popular = [score for _, score in exported.recommend([], 3)]  # items of equal counts may change places
    np.testing.assert_allclose(popular, scorer_of(kind).recommend([], 3).scores, atol=1e-4)


def test_the_scorer_in_the_export_needs_neither_leaven_nor_torch() -> None:
    folder, _ = export_of("transformer")
    program = (
        "import sys; sys.modules['leaven'] = sys.modules['torch'] = None; sys.path.insert(0, sys.argv[1])\n"
        "import scorer; print(scorer.Scorer(sys.argv[1]).recommend(['i03'], 3)[0][0])"
    )
    run = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == scorer_of("transformer").recommend(["i03"], 3).items[0]


def test_an_export_of_another_format_is_refused(tmp_path: Path) -> None:
    export_model(scorer_of("item_knn").model, tmp_path / "out")
    file = tmp_path / "out" / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        ExportedScorer(tmp_path / "out")


def test_a_folder_with_other_files_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="other files"):
        export_model(scorer_of("item_knn").model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_excluded_items_and_items_outside_a_filter_are_not_in_the_list() -> None:
    scorer = scorer_of("item_knn")
    whole = scorer.recommend(["i03"], N_ITEMS)
    assert len(whole.items) == N_ITEMS - 1
    assert scorer.recommend(["i03"], 4, exclude=whole.items[:2]).items == whole.items[2:6]
    lamps = scorer.answer([Query(["i03"], k=N_ITEMS, where={"category": ["lamp"]})])[0]
    assert lamps.items == tuple(item for item in whole.items if int(item[1:]) % 3 == 1)
    first = scorer.answer([Query(["i03"], k=2, where={"category": ["lamp"]})])[0]
    assert first.items == lamps.items[:2]
    with pytest.raises(SpecError, match="categry"):
        scorer.answer([Query(["i03"], where={"categry": ["lamp"]})])


def test_unknown_items_are_reported_and_replaced_by_the_item_of_the_most_similar_text() -> None:
    answer = scorer_of("item_knn").answer([Query(["new", "newer"], texts={"new": "blue lamp 1"})])[0]
    assert answer.unknown_items == ("newer",)
    assert answer.replaced == {"new": "i01"}
    assert answer.items == scorer_of("item_knn").recommend(["i01"]).items


def test_a_user_without_events_gets_popular_items() -> None:
    answer = scorer_of("item_knn").answer([Query(user="nobody-knows", k=3)])[0]
    counts = np.bincount(build_histories().items, minlength=N_ITEMS + 1)[1:]
    assert not answer.is_user_known
    assert list(answer.items) == own_ids(np.argsort(-counts, kind="stable")[:3] + 1)


def test_the_explanation_names_the_event_without_which_the_item_loses_most() -> None:
    scorer = scorer_of("item_knn")
    query = Query(["i02", "i09", "i04"], k=3)
    answer = scorer.answer([query])[0]
    reasons = scorer.explain(query, answer.items)
    assert set(reasons) == set(answer.items)
    best = answer.items[0]
    losses = {event: answer.scores[0] - _score_without(scorer, query.items, event, best) for event in query.items}
    assert reasons[best][0].event == max(losses, key=losses.__getitem__)
    assert reasons[best][0].score_loss == pytest.approx(max(losses.values()), abs=1e-5)


def _score_without(scorer: Scorer, items: list[str], event: str, target: str) -> float:
    answer = scorer.recommend([item for item in items if item != event], N_ITEMS)
    return dict(zip(answer.items, answer.scores, strict=True))[target]


@pytest.mark.parametrize("damage", ["unknown field", "no weights"])
def test_a_model_of_another_version_is_an_error_with_a_fix(damage: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ItemKnn())
    model = folder / "variants" / "baseline" / "seed-1" / "model"
    if damage == "no weights":
        (model / "itemknn.npz").unlink()
    else:
        settings = json.loads((model / "itemknn.json").read_text())
        (model / "itemknn.json").write_text(json.dumps(settings | {"newer_field": 1}))
    with pytest.raises(DataError, match=r"again|newer_field"):
        Scorer.load(folder)


def test_a_variant_without_a_model_is_an_error_that_names_known_ones(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Popularity(), variant="baseline")
    with pytest.raises(DataError, match="baseline"):
        Scorer.load(folder, variant="basline")
    with pytest.raises(DataError, match=r"lock\.json"):
        Scorer.load(tmp_path)


def test_the_longest_known_history_of_a_user_counts(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Popularity())
    rows = build_histories()
    shorter = replace(
        rows.slice(0, 2).replace_events(np.array([0, 2, 4]), rows.items[:4], rows.times[:4], np.arange(4))
    )
    shorter.to_parquet(folder / "data" / "test.parquet", ids="internal")
    history = Scorer.load(folder).model.find_history(USERS[1])
    assert history is not None
    assert history.items.tolist() == rows.row_items(1).tolist()
