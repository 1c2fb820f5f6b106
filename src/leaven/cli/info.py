"""What is there to use, and what can this machine do?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from leaven.cli import output

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]


def list_(
    family: Annotated[str, typer.Argument(help="transforms, generators, recommenders, metrics …")] = "",
    json: Json = False,
) -> None:
    """Kinds that a spec can name, with their fields."""
    from leaven import introspection

    if family:
        found = introspection.describe(family)
        output.as_json(found) if json else output.show(_kinds(family, found))
        return
    names = introspection.families()
    if json:
        output.as_json(names)
        return
    output.show(output.table(["family", "kinds"], ((name, ", ".join(held)) for name, held in names.items())))
    output.hint("`leaven list FAMILY` says what each kind does and which fields it takes")


def _kinds(family: str, found: list[Any]) -> Any:
    return output.table([family, "what it does", "fields = defaults"], (_kind(kind) for kind in found))


def _kind(kind: Any) -> tuple[str, str, str]:
    if kind.missing:
        return kind.name, f"needs {kind.missing}, which is not installed: see `leaven doctor`", ""
    return kind.name, kind.says, "\n".join(f"{one.name} = {one.default or 'needed'}" for one in kind.fields)


def schema() -> None:
    """JSON schema of the spec file, for editors."""
    from leaven.config import schema

    output.as_json(schema())


def doctor(json: Json = False) -> None:
    """What this machine can do, and which extras are missing."""
    from leaven.environment import examine
    from leaven.errors import EXIT_SPEC

    found = examine()
    if json:
        output.as_json(_as_facts(found))
    else:
        output.show(output.pairs(found.machine), "", _extras(found), *(f"! {one}" for one in found.warnings))
        output.show(*(f"! {one.name} {one.installed or 'is missing'}: {one.wanted} or later is needed"
                        for one in found.needed if not one.fits))  # fmt: skip
    if not found.healthy:
        raise typer.Exit(EXIT_SPEC)


def _extras(found: Any) -> Any:
    rows = ((one.name, one.purpose, _state(one)) for one in found.extras)
    return output.table(["extra", "for", "state"], rows)


def _state(extra: Any) -> str:
    if extra.missing:
        return f"missing {', '.join(extra.missing)}: {extra.install}"
    return "there: " + ", ".join(f"{library.name} {library.installed}" for library in extra.libraries)


def _as_facts(found: Any) -> dict[str, Any]:
    return {
        "healthy": found.healthy,
        "machine": found.machine,
        "needed": {library.name: library for library in found.needed},
        "extras": {extra.name: {"missing": extra.missing, "install": extra.install} for extra in found.extras},
        "warnings": found.warnings,
    }
