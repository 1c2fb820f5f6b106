"""Parsing of specs, and errors with location and fix."""

import json
import tomllib

import pytest
import tomli_w

from leaven.config import build_schema, load_spec, parse_spec, resolve_spec
from leaven.config.old_names import suggest_key, suggest_value
from leaven.controllers.gap_controller import GapController
from leaven.errors import SpecError
from leaven.schedules.progress_schedules import Constant, Linear
from leaven.strategies.copy_counts import Uniform
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.random_choice import OneOf

FULL = """
name = "beauty"
seed = 11

[data]
interactions = "interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
items = "items.csv"
item_columns = { item = "item_id", text = ["title"], price = "price" }

[clean]
min_user_events = 5

[split]
kind = "leave_one_out"

[recommender]
kind = "popularity"

[evaluate]
metrics = ["ndcg@5", "coverage@5"]
seeds = 2

[[variant]]
name = "crop and mask"
combine = "layered"
[[variant.step]]
use = "crop"
keep_range = [0.5, 0.8]
copies = { kind = "uniform", factor = 2 }
weight = 0.7
[[variant.step]]
use = "mask"
mode = "in_place"
when = "each_epoch"
p = 0.4
strength = { kind = "linear", first = 0.2, last = 1.0 }

[[variant]]
name = "markov rows"
[[variant.step]]
use = "markov"
p_is_not_a_field = 1
"""
GOOD = FULL.replace("p_is_not_a_field = 1\n", 'filters = ["validity", "copies"]\n')


def test_a_full_spec_becomes_the_configs_that_it_names(tmp_path) -> None:
    (tmp_path / "spec.toml").write_text(GOOD)
    spec = load_spec(tmp_path / "spec.toml")
    assert (spec.name, spec.seed, spec.evaluate.seeds) == ("beauty", 11, 2)
    assert spec.data.interactions == str(tmp_path / "interactions.csv")
    assert spec.items is not None
    assert (spec.items.items, spec.items.text) == (str(tmp_path / "items.csv"), ["title"])
    assert spec.items.columns == {"item": "item_id", "price": "price"}
    assert spec.clean.min_user_events == 5
    crop, mask = spec.variant("crop and mask").plan.named_steps
    assert crop.use == Crop(keep_range=(0.5, 0.8))
    assert (crop.copies, crop.weight, crop.p) == (Uniform(2), 0.7, 1.0)
    assert (mask.mode, mask.p, mask.strength) == ("in_place", 0.4, Linear(0.2, 1.0))
    assert [type(one).__name__ for one in spec.variant("markov rows").plan.named_steps[0].filters or ()] == [
        "Validity",
        "CopyFilter",
    ]


def test_the_shortest_spec_has_defaults_for_the_rest() -> None:
    spec = parse_spec('[data]\ninteractions = "log.csv"')
    assert type(spec.split).__name__ == "TimeSplit"
    assert type(spec.recommender).__name__ == "Transformer"
    assert (spec.variants, spec.evaluate.seeds) == ((), 3)


def test_a_number_is_a_constant_strength_and_a_text_a_kind_with_its_defaults() -> None:
    spec = parse_spec(
        '[data]\ninteractions = "l"\n[[variant]]\n[[variant.step]]\nuse = "crop"\nstrength = 0.5\ncopies = "random"'
    )
    (step,) = spec.variants[0].plan.named_steps
    assert step.strength == Constant(0.5)
    assert type(step.copies).__name__ == "Random"
    assert spec.variants[0].name == "variant 1"


def test_combinations_hold_kinds_and_tables() -> None:
    text = '[data]\ninteractions = "l"\n[[variant]]\n[[variant.step]]\n'
    text += 'use = { one_of = ["mask", { use = "crop", keep_range = [0.4, 0.5] }], weights = [1, 3] }\n'
    (step,) = parse_spec(text).variants[0].plan.named_steps
    assert isinstance(step.use, OneOf)
    assert step.use.transforms[1] == Crop(keep_range=(0.4, 0.5))
    assert step.use.weights == (1.0, 3.0)


def test_a_kind_inside_a_table_is_an_error_that_shows_where_to_write_it() -> None:
    text = (
        '[data]\ninteractions = "l"\n[[variant]]\n[[variant.step]]\nuse = { kind = "drop", share_range = [0.1, 0.2] }\n'
    )
    with pytest.raises(SpecError, match=r'a table with a kind(?s:.)*use = "drop", and its fields'):
        parse_spec(text)


def test_the_resolved_spec_gives_the_same_spec_again() -> None:
    spec = parse_spec(GOOD)
    table = resolve_spec(spec)
    again = parse_spec(tomli_w.dumps(table), folder="/elsewhere")
    assert resolve_spec(again) == table
    assert again.variants == spec.variants
    assert table["variant"][0]["step"][0]["keep_range"] == [0.5, 0.8]


def test_set_overrides_the_file_and_finds_variants_by_name() -> None:
    over = [
        "evaluate.seeds=5",
        "variant.crop and mask.step.0.keep_range=[0.3, 0.4]",
        "name=other",
        "clean.duplicates=false",
    ]
    spec = parse_spec(GOOD, overrides=over)
    assert (spec.evaluate.seeds, spec.name, spec.clean.duplicates) == (5, "other", False)
    assert spec.variants[0].plan.named_steps[0].use == Crop(keep_range=(0.3, 0.4))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (("min_user_events", "min_user_event"), ["line 12", "clean.min_user_event", "did you mean 'min_user_events'"]),
        (('kind = "leave_one_out"', 'kind = "leave_one"'), ["split.kind", "did you mean 'leave_one_out'"]),
        (('use = "mask"', 'use = "maks"'), ["use", "did you mean 'mask'"]),
        (("keep_range = [0.5, 0.8]", "keep_rang = [0.5, 0.8]"), ["keep_rang", "did you mean 'keep_range'"]),
        (("keep_range = [0.5, 0.8]", "keep_range = [0.8, 0.5]"), ["keep_range", "0.8"]),
        (("keep_range = [0.5, 0.8]", 'keep_range = "half"'), ["keep_range", "'half'"]),
        (("seeds = 2", 'seeds = "2"'), ["evaluate.seeds", "integer", "'2'"]),
        (("seeds = 2", "seeds = 0"), ["evaluate.seeds", "1 or more"]),
        (("ndcg@5", "ndgc@5"), ["metrics", "did you mean 'ndcg'"]),
        (('name = "markov rows"', 'name = "crop and mask"'), ["name", "another variant has it"]),
        (('name = "markov rows"', 'name = "baseline"'), ["name", "always runs"]),
        (('combine = "layered"', 'combine = "layerd"'), ["combine", "did you mean 'layered'"]),
        (("[clean]", "[cleaning]"), ["cleaning", "did you mean 'clean'"]),
        (('interactions = "interactions.csv"', ""), ["data.interactions", "leaven init"]),
        (('name = "beauty"', "name = beauty"), ["TOML"]),
        (("weight = 0.7", "weight = -1"), ["weight", "0 or more"]),
        (("factor = 2", "factr = 2"), ["factr", "did you mean 'factor'"]),
        (('mode = "in_place"', 'mode = "change"'), ["mode", "'append' or 'in_place'"]),
    ],
)
def test_a_mistake_is_one_error_with_location_and_fix(change, parts) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(GOOD.replace(*change))
    for part in parts:
        assert part in str(caught.value)


def test_an_operator_refuses_fields_of_others() -> None:
    with pytest.raises(SpecError, match="p_is_not_a_field"):
        parse_spec(FULL)


def test_a_missing_file_points_to_the_command_that_writes_one(tmp_path) -> None:
    with pytest.raises(SpecError, match="leaven init"):
        load_spec(tmp_path / "none.toml")


def test_a_set_of_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="key=value"):
        parse_spec(GOOD, overrides=["evaluate.seeds"])
    with pytest.raises(SpecError, match="did you mean 'markov rows'"):
        parse_spec(GOOD, overrides=["variant.markov row.combine=layered"])


def test_the_schema_has_every_table_and_kind() -> None:
    found = build_schema()
    assert set(found["properties"]) == {
        "name",
        "seed",
        "data",
        "clean",
        "split",
        "recommender",
        "evaluate",
        "quality",
        "tracking",
        "lang",
        "auto",
        "variant",
        "task",
        "samples",
        "rules",
    }
    assert set(tomllib.loads(GOOD)) <= set(found["properties"])
    step = found["properties"]["variant"]["items"]["properties"]["step"]["items"]
    assert {"use", "copies", "keep_range"} <= set(step["properties"])
    assert "crop" in step["properties"]["use"]["anyOf"][0]["enum"]


def test_steps_on_words_are_named_with_or_without_their_surname() -> None:
    text = """
        [data]
        interactions = "log.csv"
        [[variant]]
        name = "words"
        [[variant.step]]
        use = "synonyms"
        columns = ["title"]
        [[variant.step]]
        use = "text.swap"
        mode = "in_place"
        p = 0.5
        [[variant.step]]
        use = "swap"
    """
    first, second, third = parse_spec(text).variants[0].plan.named_steps
    assert (type(first.use).__name__, first.columns) == ("Synonyms", ("title",))
    assert (type(second.use).__name__, second.p) == ("SwapWords", 0.5)
    assert type(third.use).__name__ == "Swap"
    again = parse_spec(tomli_w.dumps(resolve_spec(parse_spec(text))))
    assert again.variants == parse_spec(text).variants


STEERED = """
[data]
interactions = "a.csv"
[[variant]]
name = "steered"
combine = "conditional"
controller = { kind = "gap", strata = [5, 10], choose_step = true }
[[variant.step]]
use = "crop"
when = "each_epoch"
during = [0.0, 0.6]
[[variant]]
name = "rounds"
rounds = 3
[[variant.step]]
use = "markov"
when = "each_round"
filters = ["validity"]
"""


def test_conditional_plans_and_rounds_round_trip() -> None:
    spec = parse_spec(STEERED)
    steered, rounds = (arm.plan for arm in spec.variants)
    assert steered.controller == GapController(strata=(5, 10), choose_step=True)
    assert steered.named_steps[0].during == (0.0, 0.6)
    assert (rounds.rounds, rounds.controller) == (3, None)
    assert parse_spec(tomli_w.dumps(resolve_spec(spec))).variants == spec.variants
    short = parse_spec(STEERED.replace('controller = { kind = "gap", strata = [5, 10], choose_step = true }', ""))
    assert short.variants[0].plan.controller == GapController()


def test_the_log_of_a_replay_lies_relative_to_the_spec(tmp_path) -> None:
    row = {"progress": 0.1, "decision": {"strength": [0.5], "share": [0.5], "why": "so"}}
    (tmp_path / "decisions.json").write_text(json.dumps([row]))
    text = STEERED.replace(
        '{ kind = "gap", strata = [5, 10], choose_step = true }', '{ kind = "replay", log = "decisions.json" }'
    )
    spec = parse_spec(text, tmp_path)
    assert spec.variants[0].plan.controller.recorded[0][1].strength == (0.5,)
    assert parse_spec(tomli_w.dumps(resolve_spec(spec)), "/elsewhere").variants == spec.variants


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (('kind = "gap"', 'kind = "gab"'), ["controller", "did you mean 'gap'"]),
        (("strata = [5, 10]", "stratum = [5]"), ["controller.stratum", "did you mean 'strata'"]),
        (("strata = [5, 10]", "strata = [9, 5]"), ["strata", "ascending"]),
        (('combine = "conditional"', 'combine = "joint"'), ["controller", "conditional"]),
        (("during = [0.0, 0.6]", "during = [0.6]"), ["during"]),
        (("during = [0.0, 0.6]", "during = [0.6, 0.1]"), ["during", "the first lower"]),
        (('when = "each_epoch"\nduring = [0.0, 0.6]', ""), ["combine", "each_epoch"]),
        (("rounds = 3", "round = 3"), ["round", "did you mean 'rounds'"]),
        (("rounds = 3", "rounds = 1"), ["rounds", "2 or more"]),
        (("rounds = 3", "rounds = 1.5"), ["rounds"]),
    ],
)
def test_a_mistake_in_a_conditional_plan_names_location_and_fix(change, parts) -> None:
    assert change[0] in STEERED
    with pytest.raises(SpecError) as caught:
        parse_spec(STEERED.replace(*change))
    for part in parts:
        assert part in str(caught.value)


def test_an_old_key_or_value_names_the_new_one() -> None:
    assert suggest_key("smallest_lift", ["metrics", "min_effect"]) == "'smallest_lift' is now 'min_effect'"
    assert suggest_key("most", ["metrics", "max_rows"]) == "'most' is now 'max_rows'"
    assert suggest_value("self", ["markov", "recommender_rollouts"]) == "'self' is now 'recommender_rollouts'"
    assert "did you mean 'seeds'" in suggest_key("seedz", ["seeds", "steps"])
