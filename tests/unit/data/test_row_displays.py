"""What a shell and a notebook show of a log, a split, rows, a plan and results."""

from pathlib import Path

import pyarrow as pa
import pytest

import leaven
from leaven.datasets.samples import Samples
from leaven.display import Display
from leaven.quality.quality_facts import EvaluationSetup, Figure, QualityFacts, RowCounts
from leaven.run_folder import RunFolder
from unit.report.sample_facts import full

TIMES = [1318896000 + 3600 * second for second in range(40)]
LOG = pa.table(
    {
        "user_id": [f"<b>u{event % 4}" for event in range(40)],
        "item_id": [f"i{event // 4}" for event in range(40)],
        "timestamp": TIMES,
    }
)


@pytest.fixture
def log() -> leaven.Events:
    return leaven.read(LOG)


def test_a_log_shows_its_counts_period_and_first_events(log: leaven.Events) -> None:
    text = repr(log)
    assert text.startswith("Log: 40 events")
    assert "users      4" in text
    assert "2011-10-18 to 2011-10-19" in text
    assert "█" in text
    assert "<b>u0" in text
    html = log._repr_html_()
    assert "<b>u0" not in html
    assert "&lt;b&gt;u0" in html


def test_a_log_with_a_closed_connection_is_shown_without_an_error(log: leaven.Events) -> None:
    log.connection.close()
    assert "not readable" in repr(log)


def test_histories_show_own_ids_and_the_rows_of_each_step(log: leaven.Events) -> None:
    train = leaven.split(log, "leave_one_out").train
    text = repr(leaven.expand(train, leaven.Step("crop", copies=2)))
    assert text.startswith("Histories: 12 rows")
    assert "4 real, 8 crop" in text
    assert "<b>u0" in text
    assert "i4 | i5 | i6 | i7" in text


def test_empty_rows_are_shown() -> None:
    rows = leaven.Histories.from_lists([], n_items=3)
    assert repr(rows).startswith("Histories: 0 rows, 0 events")


def test_samples_show_cells_and_the_share_of_positive_labels() -> None:
    rows = Samples.from_lists({"price": [2.0, None], "kind": ["mug", "bag"]}, label=[1, 0])
    lines = repr(rows).splitlines()
    assert lines[0] == "Samples: 2 rows"
    assert [line.split() for line in lines[-3:]] == [["kind", "price", "label"], ["mug", "2", "1"], ["bag", "–", "0"]]
    assert "50.0 %" in repr(rows)


def test_a_split_shows_its_parts(log: leaven.Events) -> None:
    lines = [line.split() for line in repr(leaven.split(log, "leave_one_out")).splitlines()]
    assert ["train", "4", "32", "2011-10-18", "to", "2011-10-19"] in lines
    assert ["test", "4", "36", "4", "2011-10-19"] in lines


def test_a_plan_shows_its_steps() -> None:
    text = repr(leaven.Plan([leaven.Step("crop", copies=2), "markov"]))
    assert text.startswith("Plan: 2 steps")
    assert "uniform (factor 2.0)" in text
    assert [line.split()[0] for line in text.splitlines()[-2:]] == ["crop", "markov"]


def test_plans_that_differ_in_one_field_have_different_keys_of_stored_scores() -> None:
    one, two = (leaven.Plan([leaven.Step("crop", fail_if_unchanged_over=share)]) for share in (1.0, 0.9))
    assert repr(vars(one)) != repr(vars(two))


def test_a_run_shows_its_verdict_and_an_unfinished_one_says_so(tmp_path: Path) -> None:
    import json

    assert "not finished" in repr(RunFolder(tmp_path))
    facts = full()
    (tmp_path / "facts.json").write_text(json.dumps(facts.to_json()))
    text = repr(RunFolder(tmp_path))
    assert facts.verdict.headline in text
    assert all(one.variant in text for one in facts.comparison.effects)


def test_a_quality_result_shows_new_rows_next_to_real_ones() -> None:
    figure = Figure("coverage", "diversity", "", "", 0.5, (0.4, 0.6), 9, 0.9, (0.8, 1.0), 0.0, 0.01, "worse")
    text = repr(QualityFacts("sequence", EvaluationSetup(7, 2, RowCounts(10, 5, 9)), (figure,)))
    assert "10 real, 5 held out, 9 new" in text
    assert text.splitlines()[-1].split() == ["diversity", "coverage", "0.5", "0.9", "worse"]


def test_long_tables_count_the_rows_that_are_left_out() -> None:
    shown = Display("t", {}, ["name"], [[str(row)] for row in range(30)])
    assert shown.to_text().splitlines()[-1] == "  … 18 more"
    assert "18 more" in shown.to_html()
