"""Reports, verdicts and commands in Chinese: no English sentence is left, and figures are those of the English page."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from leaven.config import parse_spec, resolve_spec
from leaven.errors import SpecError
from leaven.report.html import render_report
from leaven.report.terminal import build_verdict_table
from leaven.stats import ComparisonConfig, build_headline, build_summary, compare_variants
from leaven.translation import check_language, get_translator
from unit.report.sample_facts import full
from unit.stats.worlds import world

TRANSLATED = ("verdict", "segments", "data", "training", "cost", "reproduction", "glossary")
_SENTENCE = re.compile(r"[A-Za-z]+(?:[ ,]+[A-Za-z]+){2,}")


class Sections(HTMLParser):
    """Text of each section, outside code, styles and charts."""

    def __init__(self) -> None:
        super().__init__()
        self.section, self.hidden, self.texts = "", 0, dict[str, list[str]]()

    def handle_starttag(self, tag, attrs) -> None:
        self.section = dict(attrs).get("id", "") if tag == "section" else self.section
        self.hidden += tag in ("style", "svg", "head", "code", "pre")

    def handle_endtag(self, tag) -> None:
        self.hidden -= tag in ("style", "svg", "head", "code", "pre")

    def handle_data(self, data) -> None:
        if not self.hidden and data.strip():
            self.texts.setdefault(self.section, []).append(data.strip())


def read_sections(page: str) -> dict[str, list[str]]:
    parser = Sections()
    parser.feed(page)
    return parser.texts


def test_no_english_sentence_is_left_in_the_translated_sections() -> None:
    facts = full()
    assert facts.comparison is not None
    names = [name for effect in facts.comparison.effects for name in (effect.variant, effect.against)]
    sections = read_sections(render_report(facts, "zh"))
    for anchor in TRANSLATED:
        assert sections[anchor], anchor
        for text in sections[anchor]:
            plain = text
            for name in sorted(names, key=len, reverse=True):
                plain = plain.replace(name, "")
            assert not _SENTENCE.search(plain), (anchor, text)


def test_the_chinese_page_names_its_language_and_has_the_figures_of_the_english_one() -> None:
    chinese, english = render_report(full(), "zh"), render_report(full(), "en")
    assert '<html lang="zh">' in chinese
    assert '<html lang="en">' in english
    figure = re.compile(r"[−+]?\d[\d,.]*\d")
    for anchor in ("segments", "training", "cost"):
        found, expected = (
            figure.findall(" ".join(read_sections(page)[anchor]).replace("95 %", "")) for page in (chinese, english)
        )
        assert found == expected, anchor


def test_the_page_is_in_the_language_of_the_run_unless_another_is_given() -> None:
    facts = replace(full(), language="zh")
    assert "数据增强有帮助吗？" in render_report(facts)
    assert "Did augmentation help?" in render_report(facts, "en")


def test_the_verdict_on_the_terminal_is_chinese() -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(build_verdict_table(full(), "zh"))
    shown = console.file.getvalue()
    assert "有提升" in shown
    assert "not enough data" not in shown


@pytest.mark.parametrize("effect", [0.3, 0.0, -0.3])
@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("users", [20, 400])
def test_every_sentence_of_a_verdict_has_a_translation(effect: float, seeds: int, users: int) -> None:
    values = world(1, {"repeat": 0.0, "mine": effect}, seeds, users)
    found = compare_variants(values, ComparisonConfig("ndcg@10"))
    sentences = [build_headline(found), *build_summary(found), *(one.explanation for one in found.effects)]
    for sentence in sentences:
        shown = get_translator("zh")(sentence)
        assert not _SENTENCE.search(shown.replace("baseline", "").replace("repeat", "")), (sentence, shown)


def test_values_in_messages_are_translated_and_escaped_by_the_page() -> None:
    translate = get_translator("zh")
    assert translate("{low} to {high}", low="+1.0 %", high="+2.0 %") == "+1.0 % 至 +2.0 %"
    assert translate(
        "“a to b” helped: NDCG@10 is 9.7 % above training without it (95 % interval +7.1 % to +12.1 %)."
    ) == ("“a to b”有提升：NDCG@10 比不使用它的训练高 9.7 %（95 % 区间 +7.1 % 至 +12.1 %）。")
    assert translate("an unknown sentence") == "an unknown sentence"
    assert get_translator("en")("Verdict") == "Verdict"


def test_notes_of_rules_are_translated_with_their_values() -> None:
    translate = get_translator("zh")
    assert translate("skipped: the log has no column for 'order'") == "跳过：日志没有 'order' 列"
    assert translate("6 items with fewer than 5 events, in rounds: 1") == "6 个物品的事件少于 5 个，各轮删除：1"


def test_a_spec_chooses_the_language_and_results_do_not_depend_on_it() -> None:
    text = '[data]\ninteractions = "a.csv"\n'
    spec = parse_spec(f'lang = "zh"\n{text}')
    assert spec.lang == "zh"
    assert resolve_spec(spec) == resolve_spec(parse_spec(text))


def test_an_unknown_language_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match="known: en, zh"):
        parse_spec('lang = "fr"\n[data]\ninteractions = "a.csv"\n')
    with pytest.raises(SpecError, match="--lang"):
        check_language("cn", "--lang")
