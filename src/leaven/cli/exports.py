"""The command `leaven export`: data and runs in the forms of other libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json
from leaven.cli.serving import TRAINED_MODEL, export_trained_model

if TYPE_CHECKING:
    from leaven.exports import Manifest


def export_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of `leaven expand`.")],
    to: Annotated[str, typer.Option("--to", metavar="KIND", help="The target: see `leaven list exports`; or onnx.")],
    out: Annotated[Path, typer.Option(help="A new folder for the files.")],
    variant: Annotated[
        str, typer.Option(help="The variant whose rows are exported; baseline: the real rows alone.")
    ] = "",
    ids: Annotated[
        str, typer.Option(metavar="own|numbers", help="Ids of your log, or numbers with tables of both.")
    ] = "own",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the target.")
    ] = None,
    json: Json = False,
) -> None:
    """Rows of a run in the form of another library: RecBole, Spark, Hugging Face …; --to onnx: its trained model."""
    from leaven.progress import show_progress

    if to == TRAINED_MODEL:
        export_trained_model(run, out, variant, changes or (), json)
        return

    with show_progress() as on_progress:
        from leaven.exports import export
        from leaven.registry import find_class_path

        find_class_path("exports", to, "--to")  # an unknown target ends the call before anything is read
        on_progress(0, 0, f"exporting to {to}")
        manifest = export(run, to, out, _parse_fields(to, changes or ()), ids, variant)
        on_progress(1, 1, f"exporting to {to}")
    if json:
        output.print_json({"folder": out, **manifest.to_json()})
    else:
        output.print_results(*_format_manifest(manifest, out))


def _parse_fields(target: str, changes: list[str] | tuple[()]) -> dict[str, Any]:
    """Fields of a target from FIELD=VALUE, whose values are TOML or plain texts.

    >>> _parse_fields("torch_rechub", ["max_length=50"])
    {'max_length': 50}
    """
    import tomllib

    from leaven.errors import SpecError, suggest_name
    from leaven.introspection import describe_family

    known = [field.name for kind in describe_family("exports") if kind.name == target for field in kind.fields]
    fields: dict[str, Any] = {}
    for change in changes:
        name, separator, text = change.partition("=")
        if not separator or name not in known:
            raise SpecError("--set", f"FIELD=VALUE with a field of {target}", repr(change), suggest_name(name, known))
        try:
            fields[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            fields[name] = text
    return fields


def _format_manifest(manifest: Manifest, folder: Path) -> Iterator[Any]:
    rows = [(file.path, f"{file.rows:,}" if file.columns else "", ", ".join(file.columns)) for file in manifest.files]
    yield output.build_table(["file", ">rows", "columns"], rows)
    if manifest.lost:
        yield ""
        lost = [(one.column, f"{one.rows:,}", one.why) for one in manifest.lost]
        yield output.build_table(["not in the files", ">rows", "why"], lost)
    yield ""
    yield manifest.usage
    yield ""
    yield f"export: {folder}"
