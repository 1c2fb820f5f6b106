"""Rewrites are checked, cached, paid for and counted, and server faults lose nothing."""

import socket
from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.augmentation import Plan, Step, build_catalog_views
from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, SpecError
from leaven.generators.text import Endpoint, LocalLanguageModel
from leaven.generators.text.output_checks import OutputChecks, RejectedAnswer
from unit.generators.text.server import completion, serving, slowly, text_of, turned

TITLES = ["Nivea soft red hand cream 50 ml", "Dove mild soap bar", "steel kitchen knife 20 cm", "steel bread knife", ""]
ITEMS = Catalog(
    [str(n) for n in range(5)],
    {"title": TITLES, "brand": ["Nivea", "Dove", "", "", ""]},
    np.array([0, 1, 1, 2, 2, 0], np.int32),
    ["bath", "kitchen"],
)
QUICK = Endpoint(wait_seconds=0.01, timeout_seconds=5, n_jobs=2, similarity_range=(0.05, 1.0))


def keys(count: int, seed: int = 1):
    return rng.derive_row_keys(seed, rng.mix_bits(np.arange(1, count + 1, dtype=np.uint64)))


def written(config: Endpoint, texts: list[str] = TITLES) -> tuple[list[str], object]:
    writer = config.fit(ITEMS)
    return writer(texts, keys(len(texts)), np.ones(len(texts), np.float32)), writer


def honest(asked: dict, number: int):
    return 200, completion(turned(text_of(asked)))


def test_accepted_answers_replace_the_texts_and_only_texts_are_sent(monkeypatch) -> None:
    monkeypatch.setenv("THE_KEY", "secret")
    with serving(honest) as (url, asked):
        made, writer = written(replace(QUICK, url=url, model="m", api_key_variable="THE_KEY"))
    assert made == [turned(title)["paraphrase"] if title else "" for title in TITLES]
    assert len(asked) == 4  # nothing is asked of an empty text
    assert {one["path"] for one in asked} == {"/v1/chat/completions"}
    assert {one["key"] for one in asked} == {"Bearer secret"}
    sent = " ".join(message["content"] for one in asked for message in one["messages"])
    assert "kitchen" in sent
    assert "bath" not in sent  # the category was not named
    assert writer.spent.tokens == 200


def test_strength_0_sends_no_request() -> None:
    with serving(honest) as (url, asked):
        writer = replace(QUICK, url=url).fit(ITEMS)
        assert writer(TITLES, keys(5), np.zeros(5, np.float32)) == TITLES
    assert not asked


def test_tags_and_attributes_are_appended_to_the_text() -> None:
    def reply(asked: dict, number: int):
        shown = {"name": "kind", "value": "hand cream", "evidence": "hand cream"}
        return 200, completion(turned(text_of(asked)) | {"tags": ["gift"], "attributes": [shown]})

    with serving(reply) as (url, _):
        assert written(replace(QUICK, url=url, output="tags"), TITLES[:1])[0] == [f"{TITLES[0]} | gift"]
        assert written(replace(QUICK, url=url, output="attributes"), TITLES[:1])[0] == [
            f"{TITLES[0]} | kind: hand cream"
        ]


LIES = [
    ("nonsense", "no JSON"),
    ('{"paraphrase": 3}', "no JSON"),
    ('{"tags": []}', "no JSON"),
    ({"paraphrase": "Nivea soft red hand cream 75 ml"}, "facts that are not in the text"),
    ({"paraphrase": "Dove soft red hand cream 50 ml"}, "facts that are not in the text"),
    ({"paraphrase": "Nivea soft blue hand cream 50 ml"}, "facts that are not in the text"),
    ({"paraphrase": "soft red cream for hands 50 ml"}, "missing facts"),
    ({"paraphrase": "Nivea soft red organic hand cream 50 ml"}, "a forbidden claim"),
    ({"paraphrase": "Nivea red 50 ml"}, "too short or too long"),
    ({"paraphrase": "妮维雅 Nivea soft red hand cream 50 ml"}, "another language"),
    ({"paraphrase": TITLES[0].upper()}, "the same text again"),
    ({"paraphrase": "Nivea red 50 ml for kitchen and bread"}, "the meaning differs"),
    (
        turned(TITLES[0]) | {"attributes": [{"name": "a", "value": "b", "evidence": "never said"}]},
        "an attribute without",
    ),
    (turned(TITLES[0]) | {"tags": ["vegan"]}, "a forbidden claim"),
]


@pytest.mark.parametrize(("lie", "why"), LIES)
def test_a_false_answer_is_repaired_once_then_rejected_and_counted(lie, why) -> None:
    with serving(lambda asked, number: (200, completion(lie))) as (url, asked):
        made, writer = written(
            replace(QUICK, url=url, similarity_range=(0.9, 1.0), length_range=(0.6, 2.5)), TITLES[:1]
        )
    assert made == TITLES[:1]
    assert len(asked) == 2
    assert "refused" in asked[1]["messages"][-1]["content"]
    assert [reason for reason in writer.rejected if reason.startswith(why)]
    held = [reason for reason, rows in writer.reasons(TITLES[:1]).items() if rows[0]]
    assert held[0].startswith(why)


def test_a_repaired_answer_is_accepted() -> None:
    with serving(lambda asked, number: (200, completion("oh" if number == 0 else turned(TITLES[0])))) as (url, _):
        made, writer = written(replace(QUICK, url=url), TITLES[:1])
    assert made == [turned(TITLES[0])["paraphrase"]]
    assert not writer.rejected


def test_answers_are_cached_and_no_request_is_sent_twice(tmp_path) -> None:
    config = replace(QUICK, cache=str(tmp_path / "answers.sqlite"))
    with serving(honest) as (url, asked):
        first, _ = written(replace(config, url=url))
        second, _ = written(replace(config, url=url))
        assert replace(config, url=url).fit(ITEMS).estimate_cost(TITLES).n_cached == 4
    assert first == second
    assert len(asked) == 4


def test_a_busy_or_failing_server_is_retried_after_its_pause() -> None:
    def reply(asked: dict, number: int):
        faults = [(429, b"{}", {"Retry-After": "0.02"}), (503, b""), (200, b"<html>"), (200, b'{"choices": []}')]
        return faults[number] if number < 4 else honest(asked, number)

    with serving(reply) as (url, asked):
        made, _ = written(replace(QUICK, url=url, max_attempts=5), TITLES[:1])
    assert made != TITLES[:1]
    assert len(asked) == 5


def test_a_server_without_response_formats_gets_a_request_without_one() -> None:
    def reply(asked: dict, number: int):
        return (400, b"{}") if "response_format" in asked else honest(asked, number)

    with serving(reply) as (url, asked):
        made, _ = written(replace(QUICK, url=url), TITLES[:1])
    assert made != TITLES[:1]
    assert len(asked) == 2


@pytest.mark.parametrize("status", [401, 404])
def test_a_refused_request_is_not_retried(status) -> None:
    with serving(lambda asked, number: (status, b"")) as (url, asked):
        with pytest.raises(DataError, match=str(status)):
            written(replace(QUICK, url=url), TITLES[:1])
        made, writer = written(replace(QUICK, url=url, on_failure="skip"), TITLES[:1])
    assert len(asked) == 2
    assert made == TITLES[:1]
    assert writer.rejected == {f"the server answered {status}": 1}


def test_a_slow_or_missing_server_stops_the_run_or_is_counted() -> None:
    hasty = replace(QUICK, max_attempts=1, timeout_seconds=0.1)
    with serving(slowly(0.5)) as (url, _), pytest.raises(DataError, match="no answer within"):
        written(replace(hasty, url=url), TITLES[:1])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    with pytest.raises(DataError, match="cannot be reached"):
        written(replace(hasty, url=gone), TITLES[:1])
    made, writer = written(replace(hasty, url=gone, on_failure="skip"))
    assert made == TITLES
    assert writer.rejected == {"the server cannot be reached": 4}


def test_a_spent_budget_stops_and_the_next_run_resumes(tmp_path) -> None:
    config = replace(QUICK, cache=str(tmp_path / "answers.sqlite"), n_jobs=1, max_calls=2)
    with serving(honest) as (url, asked):
        with pytest.raises(DataError, match="budget"):
            written(replace(config, url=url))
        assert len(asked) == 2
        made, _ = written(replace(config, url=url))
        assert len(asked) == 4
        few, writer = written(replace(config, url=url, cache="", max_calls=None, max_tokens=60, on_failure="skip"))
    assert made != TITLES
    assert writer.spent.tokens == 100  # the second answer went over it; no third was asked
    assert sum(a != b for a, b in zip(few, TITLES, strict=True)) == 2


def test_an_estimate_sends_no_request() -> None:
    told = replace(QUICK, variants=2).fit(ITEMS).estimate_cost(TITLES, price_per_million=2.0)
    assert told.calls == 8
    assert told.price == pytest.approx(told.tokens * 2e-6)


def test_in_a_plan_it_is_a_text_step_and_its_rejections_are_facts() -> None:
    def reply(asked: dict, number: int):
        return honest(asked, number) if "knife" in text_of(asked) else (200, completion("nonsense"))

    with serving(reply) as (url, _):
        plan = Plan([Step(replace(QUICK, url=url), columns=("title",))])
        views = build_catalog_views(ITEMS, plan, seed=1)
        (fact,) = views.describe_steps()
    assert fact.name == "endpoint"
    assert fact.unchanged == {"no words": 1, "no JSON of the requested form": 2}


def test_fields_out_of_range_are_rejected() -> None:
    for fields in (
        {"url": "ftp://x"},
        {"output": "poem"},
        {"on_failure": "shrug"},
        {"max_attempts": 0},
        {"variants": 0},
    ):
        with pytest.raises(SpecError):
            replace(QUICK, **fields)


def test_an_unreadable_cache_is_named(tmp_path) -> None:
    (tmp_path / "no.sqlite").write_text("this is no database, whatever its name says " * 50)
    with pytest.raises(DataError, match=r"no\.sqlite"):
        replace(QUICK, cache=str(tmp_path / "no.sqlite")).fit(ITEMS)


def test_an_item_of_another_category_is_rejected() -> None:
    many = ["dear soap", "mild soap", "dear mild soap", "fine knife", "bread knife", "fine bread knife"]
    items = Catalog([str(n) for n in range(6)], {"title": many}, np.array([0, 1, 1, 1, 2, 2, 2], np.int32), ["a", "b"])
    checks = OutputChecks.from_catalog(items, (), (), (0.1, 5.0), (-1.0, 1.0))
    with pytest.raises(RejectedAnswer, match="another category"):
        checks("dear soap", '{"paraphrase": "bread knife"}')
    assert checks("dear soap", '{"paraphrase": "soap dear"}').paraphrase == "soap dear"


def test_a_local_model_is_called_and_its_nonsense_is_rejected(tmp_path) -> None:
    pytest.importorskip("transformers")
    from unit.encoders import tiny

    folder = tiny.write(tmp_path / "model", " ".join(TITLES).split(), head=True)
    config = LocalLanguageModel(
        folder=str(folder), max_new_tokens=8, variants=2, cache=str(tmp_path / "answers.sqlite")
    )
    writer = config.fit(ITEMS)
    assert writer(TITLES, keys(5), np.ones(5, np.float32)) == TITLES
    assert writer.rejected == {"no JSON of the requested form": 4}
    assert writer.spent.calls == 8
    again = config.fit(ITEMS)
    assert again(TITLES, keys(5), np.ones(5, np.float32)) == TITLES
    assert again.spent.calls == 0
    with pytest.raises(DataError, match="folder"):
        LocalLanguageModel().fit(ITEMS)
