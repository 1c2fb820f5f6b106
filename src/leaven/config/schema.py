"""JSON schema of spec files, for editors."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from leaven import registry
from leaven.augmentation.plan import COMBINE_MODES, Step
from leaven.cleaning import CleaningConfig
from leaven.config.build import list_families, list_operator_families, map_prefixes
from leaven.config.experiment_spec import AUTO, QUALITY, TASKS, TRACKING, VARIANTS
from leaven.config.variants import SearchConfig
from leaven.ctr_features import LabeledTable, SamplingConfig
from leaven.ingest.source_config import LogSource, ReadingOptions
from leaven.quality import QualityConfig
from leaven.translation import ENGLISH, LANGUAGES


def build_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a spec file, derived from the fields of the config classes."""
    source = _describe_class(LogSource)
    source["properties"].pop("options")
    source["properties"] |= _describe_class(ReadingOptions)["properties"]
    for name in ("item", "user"):
        source["properties"] |= {f"{name}s": {"type": "string"}, f"{name}_columns": {"type": "object"}}
    variant = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "combine": {"enum": list(COMBINE_MODES)},
            "controller": {"anyOf": [{"type": "string"}, _any_of("controllers", "kind", "gap")]},
            "rounds": {"type": "integer", "default": 1},
            "step": {"type": "array", "items": _describe_step()},
        },
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "leaven spec",
        "type": "object",
        "required": ["data"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "default": "run"},
            "task": {"enum": list(TASKS), "default": "ranking"},
            "seed": {"type": "integer", "default": 7},
            "lang": {"enum": list(LANGUAGES), "default": ENGLISH},
            "rules": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "data": {"anyOf": [source, _describe_class(LabeledTable)]},
            "samples": _describe_class(SamplingConfig),
            "clean": _describe_class(CleaningConfig),
            "split": {"anyOf": [_any_of(task.split[0], "kind", task.split[1]) for task in TASKS.values()]},
            "recommender": {
                "anyOf": [_any_of(task.recommender[0], "kind", task.recommender[1]) for task in TASKS.values()]
            },
            "evaluate": {"anyOf": [_describe_class(task.evaluate) for task in TASKS.values()]},
            QUALITY: {"anyOf": [{"type": "boolean", "default": True}, _describe_class(QualityConfig)]},
            TRACKING: _any_of("trackers", "kind", "mlflow"),
            VARIANTS: {"type": "array", "items": variant},
            AUTO: _describe_search(),
        },
    }


def _describe_search() -> dict[str, Any]:
    """Schema of the settings of a plan search; its plans are the variants."""
    described = _describe_class(SearchConfig)
    properties = {name: one for name, one in described["properties"].items() if name != "plans"}
    return described | {"properties": properties}


def _any_of(family: str, word: str, default: str = "") -> dict[str, Any]:
    """Schema of any kind of a family, each with its own fields."""
    options = []
    for kind in registry.list_kinds(family):
        option = _describe_class(registry.load_kind(family, kind))
        option["properties"] = {word: {"const": kind}} | option["properties"]
        option["required"] = [*option.get("required", []), *([] if kind == default else [word])]
        options.append(option)
    return {"anyOf": options}


def _describe_step() -> dict[str, Any]:
    """Schema of a step: its own fields and those of all operators; parsing checks which operator has which."""
    step = _describe_class(Step)["properties"]
    prefixes = map_prefixes()
    families = [family for task in TASKS for family in list_operator_families(task)]
    families.sort(key=lambda family: family not in prefixes)  # of equal fields the later family's wins
    kinds = [kind for family in families for kind in registry.list_kinds(family)]
    kinds += [f"{word}.{kind}" for family, word in prefixes.items() for kind in registry.list_kinds(family)]
    kinds = list(dict.fromkeys(kinds))
    operators: dict[str, Any] = {}
    for family in families:
        for kind in registry.list_kinds(family):
            operators |= _describe_class(registry.load_kind(family, kind))["properties"]
    use = {"anyOf": [{"enum": kinds}, {"type": "object"}]}
    return {"type": "object", "required": ["use"], "properties": {**operators, **step, "use": use}}


def _describe_class(cls: Any) -> dict[str, Any]:
    """Schema of one config class."""
    hints = get_type_hints(cls)
    own = [one for one in fields(cls) if one.init]
    required = [one.name for one in own if one.default is MISSING and one.default_factory is MISSING]
    properties = {one.name: _describe_field(hints[one.name], one.default) for one in own}
    doc = (cls.__doc__ or "").strip().splitlines()
    whole = {"type": "object", "description": doc[0] if doc else "", "additionalProperties": False}
    return whole | {"properties": properties} | ({"required": required} if required else {})


def _describe_field(hint: Any, default: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    families = list_families(hint)
    if families:
        kinds = [kind for family in families for kind in registry.list_kinds(family)]
        return {"anyOf": [{"enum": kinds}, {"type": ["object", "array", "number"]}]}
    try:
        described: dict[str, Any] = TypeAdapter(hint).json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError):
        described = {}
    if isinstance(default, str | int | float | bool | tuple):
        described["default"] = list(default) if isinstance(default, tuple) else default
    return described
