"""Ready labelled tables, and what is odd about them."""

from pathlib import Path

import numpy as np
import pytest

from leaven.ctr_features import find_issues, read_samples
from leaven.datasets.samples import Samples, concat_samples
from leaven.errors import DataError


def written(folder: Path, text: str) -> Path:
    path = folder / "ads.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_currency_signs_thousands_separators_and_missing_cells_are_parsed(tmp_path: Path) -> None:
    text = 'who,price,colour,clicked\nann,"$1,250.50",red,1\nbob,£3,,0\ncat,"2,50 €",blue,0\ndan,n/a,red,1\n'
    rows = read_samples(written(tmp_path, text), label="clicked", user="who")
    assert rows.numeric == ("price",)
    np.testing.assert_array_equal(rows.numeric_column("price"), [1250.5, 3.0, 2.5, np.nan])
    assert rows.categorical_column("colour").tolist() == ["red", None, "blue", "red"]
    assert rows.facts["missing"] == {"price": 1, "colour": 1}
    assert len(np.unique(rows.user_ids)) == 4


def test_a_column_of_numbers_and_texts_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "size,clicked\n1,1\n2,0\nlarge,1\n4,0\n"
    with pytest.raises(DataError, match=r"(?s)'size', line 4.*'large'.*categorical"):
        read_samples(written(tmp_path, text), label="clicked")
    rows = read_samples(written(tmp_path, text), label="clicked", categorical=["size"])
    assert rows.categorical_column("size").tolist() == ["1", "2", "large", "4"]


def test_numeric_ids_stay_texts_where_they_are_declared_categorical(tmp_path: Path) -> None:
    rows = read_samples(written(tmp_path, "code,y\n007,1\n7,0\n"), label="y", categorical=["code"])
    assert rows.categorical_column("code").tolist() == ["007", "7"]


def test_a_label_of_one_class_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two classes"):
        read_samples(written(tmp_path, "x,y\n1,1\n2,1\n"), label="y")
    with pytest.raises(DataError, match=r"line 3.*0 or 1"):
        read_samples(written(tmp_path, "x,y\n1,1\n2,\n3,0\n"), label="y")
    with pytest.raises(DataError, match="clicked"):
        read_samples(written(tmp_path, "x,clicked\n1,1\n"), label="clickd")


def test_yes_and_no_are_a_label(tmp_path: Path) -> None:
    assert read_samples(written(tmp_path, "x,y\n1,yes\n2,No\n"), label="y").label.tolist() == [1, 0]


def world(rows: int = 400) -> Samples:
    draw = np.random.default_rng(0)
    label = draw.integers(0, 2, rows)
    columns = {
        "honest": (label + 2 * draw.normal(size=rows)).tolist(),
        "paid": (label + 0.001 * draw.random(rows)).tolist(),
        "gap": [None if y else 1.0 for y in label],
        "same": [3.0] * rows,
        "nothing": [None] * rows,
        "verdict": ["taken" if y else "left" for y in label],
        "colour": draw.choice(["red", "blue", "green"], rows).tolist(),
        "name": [f"n{place}" for place in range(rows)],
    }
    return Samples.from_lists(columns, label=label.tolist())


def test_leaking_columns_are_found_and_others_are_not() -> None:
    found = {(odd.kind, odd.column) for odd in find_issues(world())}
    assert found == {
        ("leak", "paid"),
        ("leak", "gap"),
        ("leak", "verdict"),
        ("constant", "same"),
        ("all missing", "nothing"),
    }


def test_labels_of_one_class_are_an_issue() -> None:
    rows = world().take(world().label > 0.5)
    assert "one class" in {odd.kind for odd in find_issues(rows)}


def test_parts_with_different_levels_are_joined_by_name() -> None:
    one = Samples.from_lists({"kind": ["b", "a"]}, label=[1, 0])
    two = Samples.from_lists({"kind": ["c", "b"]}, label=[0, 1])
    both = concat_samples([one, two])
    assert both.categorical_column("kind").tolist() == ["b", "a", "c", "b"]
    with pytest.raises(DataError, match="same columns"):
        concat_samples([one, Samples.from_lists({"sort": ["c"]}, label=[0])])


def test_dates_that_do_not_parse_are_an_error_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_text("clicked,when\n1,2024-01-05\n0,2024-13-77\n1,2024-02-01\n0,2024-02-02\n")
    with pytest.raises(DataError, match="2024-13-77"):
        read_samples(path, label="clicked", time="when")
