"""Charts and interval plots show the figures at their positions."""

import re

import pytest

from leaven.facts import EffectFacts
from leaven.report import charts, interval_plot
from leaven.report.number_format import format_named, format_number, format_p_value, format_record, list_scalars


@pytest.mark.parametrize(
    "table",
    [
        {"3": 10, "4": 5},
        {3: 10, 4: 5},
        [[3, 10], [4, 5]],
        [{"length": 3, "rows": 10}, {"length": 4, "rows": 5}],
        {"lengths": [3, 4], "rows": [10, 5]},
        {"edges": [3, 4, 5], "counts": [10, 5]},
    ],
)
def test_a_histogram_is_read_in_any_of_its_usual_shapes(table) -> None:
    assert charts.parse_points(table) == [(3.0, 10.0), (4.0, 5.0)]


@pytest.mark.parametrize("nothing", [None, [], {}, "text", 5, {"a": "b"}, {"median": 5, "longest": 50}])
def test_other_values_have_no_points(nothing) -> None:
    assert charts.parse_points(nothing) == []


def test_a_plain_list_is_numbered_from_one() -> None:
    assert (
        charts.parse_points([7, 3]) == charts.parse_points({"counts": [7, 3], "gini": 0.2}) == [(1.0, 7.0), (2.0, 3.0)]
    )


def test_bins_keep_every_event() -> None:
    found = [(float(x), float(x % 7)) for x in range(1, 5000)]
    grouped = charts.bin_counts(found)
    assert len(grouped) <= charts.MAX_BARS
    assert sum(y for _, y in grouped) == sum(y for _, y in found)


def test_long_series_are_averaged_not_sampled() -> None:
    found = [(float(x), float(x % 2)) for x in range(1000)]
    kept = charts.average_points(found)
    assert len(kept) == 200
    assert {y for _, y in kept} == {2 / 5, 3 / 5}


def test_a_learning_curve_keeps_its_last_point() -> None:
    found = [(float(x), 0.0) for x in range(1001)]
    assert charts.thin_points(found)[-1] == (1000.0, 0.0)
    assert len(charts.thin_points(found)) <= 202


def test_a_chart_has_the_colors_of_the_page_and_a_description() -> None:
    svg = str(charts.draw_bars([(1.0, 2.0), (2.0, 1.0)], "x", "y", 'told "so" & so'))
    assert 'aria-label="told &#34;so&#34; &amp; so"' in svg
    assert "var(--series-1)" in svg
    assert "http" not in svg
    assert svg.startswith("<svg role=")


def test_names_of_variants_are_escaped_in_charts() -> None:
    svg = str(charts.draw_curves([('</svg><script>"x"', "1", [(1.0, 1.0), (2.0, 2.0)])], "told"))
    assert "<script" not in svg
    assert svg.count("</svg>") == 1


def effect(lift: float, low: float, high: float, seeds: tuple[float, ...] = ()) -> EffectFacts:
    return EffectFacts("a", "b", "ndcg@10", lift=lift, low=low, high=high, lift_by_seed=seeds, verdict="helped")


def test_the_dot_is_inside_its_interval_and_right_of_zero() -> None:
    one = effect(0.05, 0.02, 0.08, (0.04, 0.06))
    scale = interval_plot.AxisScale.from_effects([one], 0.01)
    svg = str(interval_plot.draw_interval(one, scale))
    dot = float(re.search(r'class="dot" cx="([\d.]+)"', svg)[1])
    left, right = (float(x) for x in re.search(r'class="span" x1="([\d.]+)" x2="([\d.]+)"', svg).groups())
    assert scale.x_position(0.0) < left < dot < right <= interval_plot.WIDTH
    assert dot == pytest.approx((left + right) / 2, abs=0.2)
    assert svg.count('class="seed"') == 2
    assert "+5.0 %" in svg


def test_one_very_wide_interval_does_not_compress_the_others() -> None:
    narrow, wide = effect(0.02, 0.01, 0.03), effect(0.0, -5.0, 5.0)
    scale = interval_plot.AxisScale.from_effects([narrow] * 3 + [wide], 0.01)
    assert scale.right < 0.2
    assert str(interval_plot.draw_interval(wide, scale)).count('class="arrow"') == 2
    assert 'class="arrow"' not in str(interval_plot.draw_interval(narrow, scale))


def test_an_axis_has_round_lifts_and_zero() -> None:
    svg = str(interval_plot.draw_axis(interval_plot.AxisScale(-0.27, 0.12, 0.01)))
    texts = re.findall(r">([^<>]+)</text>", svg)
    assert texts == ["−20 %", "−10 %", "0", "+10 %"]


def test_a_scale_needs_no_effects() -> None:
    assert interval_plot.AxisScale.from_effects([], 0.0).right > 0
    assert (
        str(
            interval_plot.draw_interval(
                EffectFacts("a", "b", "ndcg@10"), interval_plot.AxisScale.from_effects([], 0.01)
            )
        )
        == ""
    )


def test_figures_are_formatted_for_a_reader() -> None:
    assert format_number(1234567) == "1,234,567"
    assert format_number(-6) == "−6"
    assert format_number(0.0) == "0"
    assert format_number(12345.6) == "12,346"
    assert format_number(float("nan")) == "–"
    assert format_number(True) == "yes"
    assert format_p_value(0.0002) == "< 0.001"
    assert format_p_value(None) == "–"
    assert format_named("density", 0.00073) == "0.073 %"
    assert format_named("gini", 0.7142) == "0.7142"
    assert format_record(["a", 1200]) == "a · 1,200"


def test_plain_values_become_tiles_and_tables_do_not() -> None:
    found = list_scalars(
        {"users": 5, "train": {"rows": 7}, "long": list(range(50)), "kinds": ["a", "b"], "skip": 1}, ["skip"]
    )
    assert found == [("Users", "5"), ("Train rows", "7"), ("Kinds", "a, b")]
