"""Commands about the installation: registered kinds, the schema of specs, the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output

if TYPE_CHECKING:
    from leaven.introspection import KindInfo

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]


def list_kinds(
    family: Annotated[str, typer.Argument(help="transforms, generators, recommenders, metrics …")] = "",
    json: Json = False,
) -> None:
    """Kinds that a spec can name, with their fields."""
    from leaven import introspection

    if family:
        kinds = introspection.describe_family(family)
        columns = [family, "what it does", "fields = defaults"]
        output.print_json(kinds) if json else output.print_results(
            output.build_table(columns, map(_format_kind, kinds))
        )
        return
    families = introspection.list_families()
    if json:
        output.print_json(families)
        return
    output.print_results(
        output.build_table(["family", "kinds"], ((name, ", ".join(kinds)) for name, kinds in families.items()))
    )
    output.print_hint("`leaven list FAMILY` shows what each kind does and its fields")


def _format_kind(kind: KindInfo) -> list[str]:
    if kind.missing_library:
        return [kind.name, f"needs {kind.missing_library}, which is not installed: see `leaven doctor`", ""]
    return [
        kind.name,
        kind.summary,
        "\n".join(f"{field.name} = {field.default or 'required'}" for field in kind.fields),
    ]


def print_schema() -> None:
    """JSON schema of the spec file, for editors."""
    from leaven.config import build_schema

    output.print_json(build_schema())


def check_machine(json: Json = False) -> None:
    """What this machine can do, and which extras are missing."""
    from leaven.environment import inspect_environment
    from leaven.errors import EXIT_SPEC

    report = inspect_environment()
    if json:
        output.print_json(_to_facts(report))
    else:
        extras = ((extra.name, extra.purpose, _format_state(extra)) for extra in report.extras)
        missing = (library for library in report.required if not library.is_compatible)
        output.print_results(
            output.build_pairs(report.machine),
            "",
            output.build_table(["extra", "for", "state"], extras),
            *(f"! {warning}" for warning in report.warnings),
            *(f"! {one.name} {one.installed or 'is missing'}: {one.minimum} or later is needed" for one in missing),
        )
    if not report.is_healthy:
        raise typer.Exit(EXIT_SPEC)


def _format_state(extra: Any) -> str:
    if extra.missing_libraries:
        return f"missing {', '.join(extra.missing_libraries)}: {extra.install_command}"
    return "installed: " + ", ".join(f"{library.name} {library.installed}" for library in extra.requirements)


def _to_facts(report: Any) -> dict[str, Any]:
    return {
        "healthy": report.is_healthy,
        "machine": report.machine,
        "needed": {library.name: library for library in report.required},
        "extras": {
            extra.name: {"missing": extra.missing_libraries, "install": extra.install_command}
            for extra in report.extras
        },
        "warnings": report.warnings,
    }
