"""The page shows the facts and nothing else, and works in any browser without network or scripts."""

import json
import re
from functools import cache
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import vl_convert

from leaven.errors import DataError
from leaven.facts import ComparisonFacts, EffectFacts, RunFacts, read_run_facts
from leaven.quality.run_quality import RunQuality
from leaven.report.html import render_quality, render_report, write_report
from unit.report.sample_facts import EVIL, full, full_json


class Text(HTMLParser):
    """The visible text, outside styles and charts; and every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.hidden = 0

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self.hidden += tag in ("style", "svg", "head")

    def handle_endtag(self, tag) -> None:
        self.hidden -= tag in ("style", "svg", "head")

    def handle_data(self, data) -> None:
        if not self.hidden:
            self.seen.append(data)


def read(page: str) -> Text:
    text = Text()
    text.feed(page)
    return text


@pytest.fixture(autouse=True, scope="module")
def _cached_charts():
    """Most charts are the same, whichever part of the facts is missing."""
    draw = cache(vl_convert.vegalite_to_svg)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", lambda spec: draw(json.dumps(spec)))
        yield


@pytest.fixture(scope="module")
def facts() -> dict:
    return json.loads(json.dumps(full().to_json()))


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(full())


def leaves(value):
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def writings(value: float) -> set[str]:
    """All formats of a figure of the facts."""
    plain = {f"{value:.{n}f}" for n in range(7)} | {f"{100 * value:.{n}f}" for n in range(4)}
    grouped = {f"{value:,.{n}f}" for n in range(2)} | {f"{round(value):,}"}
    return {one.lstrip("-") for one in plain | grouped}


def test_every_figure_that_a_reader_sees_is_in_the_facts(facts, page) -> None:
    known = {"95", "100", "0.5", "1", "0.001", "10"}  # of the fixed sentences: 95 % interval, 95 of 100, MRR's places
    words = ""
    for leaf in leaves(facts):
        if isinstance(leaf, bool) or leaf is None:
            continue
        if isinstance(leaf, int | float):
            known |= writings(leaf)
        else:
            words += f" {leaf}"
    dropped = [rule["dropped"] for rule in facts["data"]["cleaning"] if rule["dropped"]]
    known |= {f"{sum(dropped):,}"}  # what cleaning dropped is shown as a sum and as shares of the lines
    known |= {f"{100 * one / facts['data']['reading']['lines']:.1f}" for one in (*dropped, sum(dropped))}
    figure = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
    known |= set(figure.findall(words.replace("_", " ")))
    unknown = [f for f in figure.findall(" ".join(read(page).seen)) if f not in known]
    assert not unknown, unknown


def test_an_invented_figure_is_detected(facts, page) -> None:
    with pytest.raises(AssertionError, match=r"987\.25"):
        test_every_figure_that_a_reader_sees_is_in_the_facts(facts, page.replace("</main>", "<p>987.25</p></main>"))


def test_nothing_is_fetched_and_no_script_runs(page) -> None:
    tags = read(page).tags
    assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe", "object", "embed", "img")]
    addresses = [v for _, attributes in tags for name, v in attributes.items() if name in ("src", "href", "xlink:href")]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert not re.search(r"url\(|@import|https?://", page)
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_names_of_items_and_variants_are_escaped() -> None:
    facts = full_json()
    facts["name"] = EVIL
    for training in facts["trainings"]:
        training["variant"] = EVIL
    for effect in (*facts["comparison"]["effects"], *facts["comparison"]["segments"]):
        effect["variant"] = effect["segment"] = EVIL
    page = render_report(RunFacts.from_json(facts))
    assert "<script" not in page
    assert EVIL not in page
    assert EVIL in unescape("".join(read(page).seen))


def test_the_page_is_small(page) -> None:
    assert len(page.encode()) < 1_000_000


def test_every_link_of_the_navigation_leads_to_a_section_with_a_heading(page) -> None:
    tags = read(page).tags
    ids = {attributes.get("id") for _, attributes in tags}
    links = [str(attributes["href"]).removeprefix("#") for tag, attributes in tags if tag == "a"]
    assert set(links) <= ids
    assert len(links) == 11  # skip link and ten sections
    headings = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert headings[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(headings))


def test_every_chart_has_a_description_or_is_decoration(page) -> None:
    drawings = [attributes for tag, attributes in read(page).tags if tag == "svg"]
    assert len(drawings) > 20
    assert all(a.get("aria-label") or a.get("aria-hidden") == "true" for a in drawings)


def test_charts_take_their_colors_from_the_page(page) -> None:
    for svg in re.findall(r"<svg.*?</svg>", page, re.S):
        assert not re.findall(r'"#[0-9a-fA-F]{3,6}"|"white"|"black"', svg)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_verdict_comes_first_and_sections_follow_in_order(facts, page) -> None:
    seen = " ".join(" ".join(read(page).seen).split())
    below = seen[seen.index(facts["verdict"]["headline"]) :]
    headings = re.findall(r"<h2>([^<]+)</h2>", page)
    sections = ["Effects by segment", "Synthetic rows", "Quality of synthetic rows", "Data", "Training"]
    assert [title for title in headings if title in sections] == sections
    assert headings[-3:] == ["Cost", "Reproduction", "Glossary"]
    assert "Effects by segment" in below


def test_rejections_previews_and_cleaning_are_shown(page) -> None:
    seen = " ".join(" ".join(read(page).seen).split())
    for text in ("31 copy of a real row", "212 shorter than 3 events", "135,080", "tea towel", "保湿面霜 50 毫升"):
        assert text in seen
    assert "<mark>tea towel</mark>" in page


def test_verdicts_figures_and_neighbors_of_synthetic_rows_are_shown(page) -> None:
    seen = " ".join(" ".join(read(page).seen).split())
    for text in (
        "indd 1.500, real 0.438",
        "What coverage says of rows.",
        "too smooth: the median is shifted by −0.375 standard deviations",
        "max_indd=0.25 ○ failed",
        "among the nearest, distance 0.125",
        "12 synthetic rows repeat a real one",
        "next rank needs a recommender",
        "coverage What coverage says of rows. 0.875 0.250 to 0.938 yes",
        "indd What indd says of rows. −0.500 −0.812 to 0.375 not clear",
    ):
        assert text in seen, text
    assert "<mark>paper chain kit</mark>" in page


def test_a_quality_result_is_a_page_with_its_verdicts_in_one_sentence() -> None:
    found = RunQuality.from_json(full().quality).measured["crop and substitute"]
    page = render_quality(found)
    seen = " ".join(" ".join(read(page).seen).split())
    assert "Synthetic rows match real rows in diversity and privacy, but fall short in fidelity." in seen
    assert "4,126 synthetic" in seen
    assert EVIL not in page


def test_changed_words_are_marked_and_unchanged_texts_counted(page) -> None:
    seen = " ".join(" ".join(read(page).seen).split())
    assert "step synonyms, column title: 12.5 % of the texts are unchanged" in seen
    assert "<mark>soft</mark> cream" in page
    assert "<mark>mild</mark> cream" in page
    assert "x" * 301 not in page


def test_a_page_without_facts_renders() -> None:
    seen = " ".join(read(render_report(RunFacts("empty"))).seen)
    assert "This run has no comparison yet." in seen
    assert "Synthetic rows" not in seen


@pytest.mark.parametrize("part", sorted(set(full_json()) - {"format"}))
def test_each_part_of_the_facts_may_be_missing(part) -> None:
    facts = {key: value for key, value in full_json().items() if key != part}
    assert "<h1" in render_report(RunFacts.from_json(facts))


def test_sections_without_figures_say_why() -> None:
    empty = {"segments": [], "against_control": [], "metrics": {}}
    facts = full_json() | {"quality": {}, "variants": [{"name": "repeat"}]}
    facts["comparison"] |= empty
    facts["trainings"] = [training | {"curve": []} for training in facts["trainings"]]
    seen = " ".join(" ".join(read(render_report(RunFacts.from_json(facts))).seen).split())
    for reason in (
        "The test users have no groups that can be compared separately.",
        "No variant has a step that changes or creates rows.",
        "the spec turns it off (quality = false)",
        "There are no learning curves: the recommender is fitted in one pass",
    ):
        assert reason in seen, reason


def test_rules_that_found_nothing_are_folded() -> None:
    facts = full_json()
    facts["data"]["cleaning"].append({"rule": "bots", "touched": 0, "dropped": 0})
    page = render_report(RunFacts.from_json(facts))
    assert "<summary>1 rule found nothing</summary>" in page
    assert page.index("Cancelled") < page.index("found nothing") < page.index("<li>Bots</li>")


def test_the_log_loss_of_a_ctr_model_is_shown_as_a_loss() -> None:
    facts = full_json()
    for training in facts["trainings"]:
        training["curve"] = [{"step": step, "loss": 0.7, "log_loss": 0.65} for step in (1, 2, 3)]
    page = render_report(RunFacts.from_json(facts))
    assert "Log loss on validation" in page
    assert "−0.65" not in page


def test_effects_without_a_lift_are_shown_without_a_drawing() -> None:
    effect = EffectFacts("crop", "baseline", "ndcg@10", mean=0.1, baseline_mean=0.0, verdict="not enough data to tell")
    page = render_report(RunFacts("x", comparison=ComparisonFacts("ndcg@10", effects=(effect,))))
    assert 'class="interval unsure"' not in page
    assert "–" in page


def test_the_page_is_written_next_to_the_facts(tmp_path) -> None:
    facts = full()
    (tmp_path / "facts.json").write_text(json.dumps(facts.to_json()), encoding="utf-8")
    read_back = read_run_facts(tmp_path)
    assert read_back == RunFacts.from_json(facts.to_json())
    assert write_report(read_back, tmp_path / "report.html").read_text(encoding="utf-8") == render_report(facts)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["facts.json", "report.html"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ('{\n"name": ', "as JSON"),
        ('{"name": "x", "arms": []}', "older leaven"),
        ('{"format": 99}', "format 99"),
        ('{"format": 2, "variants": [{"name": 7}]}', r"variants\.0\.name"),
    ],
)
def test_missing_old_or_broken_facts_are_one_clear_error(tmp_path, content, message) -> None:
    if content is not None:
        (tmp_path / "facts.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_run_facts(tmp_path)
