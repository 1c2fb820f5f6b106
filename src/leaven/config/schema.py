"""Which keys and values may a spec have, as editors want to know it?"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from leaven import registry
from leaven.augmentation.plan import COMBINE, Step
from leaven.cleaning import Clean
from leaven.config.build import SURNAMES, families_of
from leaven.config.experiment_spec import TASKS
from leaven.ctr_features import Labelled, Sampling
from leaven.ingest.source_config import Source
from leaven.quality import Judging


def schema() -> dict[str, Any]:
    """A JSON schema (draft 2020-12) of the spec file, from the fields of the wishes themselves."""
    source = _of(Source)
    source["properties"] |= {"items": {"type": "string"}, "item_columns": {"type": "object"}}
    arm = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "combine": {"enum": list(COMBINE)},
            "controller": {"anyOf": [{"type": "string"}, _any_of("controllers", "kind", "gap")]},
            "rounds": {"type": "integer", "default": 1},
            "step": {"type": "array", "items": _step()},
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
            "rules": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "data": {"anyOf": [source, _of(Labelled)]},
            "samples": _of(Sampling),
            "clean": _of(Clean),
            "split": {"anyOf": [_any_of(*_kind(task.split)) for task in TASKS.values()]},
            "recommender": {"anyOf": [_any_of(*_kind(task.recommender)) for task in TASKS.values()]},
            "evaluate": {"anyOf": [_of(task.evaluate) for task in TASKS.values()]},
            "judge": {"anyOf": [{"type": "boolean", "default": True}, _of(Judging)]},
            "arm": {"type": "array", "items": arm},
        },
    }


def _kind(one: tuple[str, str]) -> tuple[str, str, str]:
    family, kind = one
    return family, "kind", kind


def _any_of(family: str, word: str, default: str = "") -> dict[str, Any]:
    """One of the kinds of a family, each with its own fields."""
    options = []
    for kind in registry.kinds(family):
        option = _of(registry.found(family, kind))
        option["properties"] = {word: {"const": kind}} | option["properties"]
        option["required"] = [*option.get("required", []), *([] if kind == default else [word])]
        options.append(option)
    return {"anyOf": options}


def _step() -> dict[str, Any]:
    """A step: its own fields, and those of its operator; the run checks which operator has which."""
    step = _of(Step)["properties"]
    families = [family for task in TASKS.values() for family in families_of(task.operator)]
    families.sort(key=lambda family: family not in SURNAMES)  # fields that a later family says too are the later one's
    kinds = [kind for family in families for kind in registry.kinds(family)]
    kinds += [f"{word}.{kind}" for family, word in SURNAMES.items() for kind in registry.kinds(family)]
    kinds = list(dict.fromkeys(kinds))
    operators: dict[str, Any] = {}
    for family in families:
        for kind in registry.kinds(family):
            operators |= _of(registry.found(family, kind))["properties"]
    use = {"anyOf": [{"enum": kinds}, {"type": "object"}]}
    return {"type": "object", "required": ["use"], "properties": {**operators, **step, "use": use}}


def _of(cls: Any) -> dict[str, Any]:
    """The fields of one wish."""
    hints = get_type_hints(cls)
    own = [one for one in fields(cls) if one.init]
    required = [one.name for one in own if one.default is MISSING and one.default_factory is MISSING]
    properties = {one.name: _field(hints[one.name], one.default) for one in own}
    said = (cls.__doc__ or "").strip().splitlines()
    made = {"type": "object", "description": said[0] if said else "", "additionalProperties": False}
    return made | {"properties": properties} | ({"required": required} if required else {})


def _field(hint: Any, default: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    families = families_of(hint)
    if families:
        kinds = [kind for family in families for kind in registry.kinds(family)]
        return {"anyOf": [{"enum": kinds}, {"type": ["object", "array", "number"]}]}
    try:
        made: dict[str, Any] = TypeAdapter(hint).json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError):
        made = {}
    if isinstance(default, str | int | float | bool | tuple):
        made["default"] = list(default) if isinstance(default, tuple) else default
    return made
