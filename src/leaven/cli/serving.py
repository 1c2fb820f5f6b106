"""A trained recommender on the command line, behind HTTP, and as files: `recommend`, `serve`, `export --to onnx`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output

TrainedRun = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of `leaven auto`.")]
TRAINED_MODEL = "onnx"
"""Target of `leaven export` that writes the trained model instead of rows."""
VariantName = Annotated[
    str, typer.Option(help="By default the variant with the highest lift that helped, else the baseline.")
]
_SHOWN_EVENTS = 5  # of a history


def recommend_items(
    run: TrainedRun,
    user: Annotated[str, typer.Option(help="Your id of a user of the log.")] = "",
    items: Annotated[
        str, typer.Option(metavar="A,B,…", help="Your ids of items, oldest first; after the history of --user.")
    ] = "",
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Length of the list.")] = 10,
    variant: VariantName = "",
    lang: Annotated[str, typer.Option("--lang", help="Language of the answer: en or zh.")] = "en",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The best items for a user, or after some items, with your own ids and titles."""
    from leaven.errors import DataError, SpecError
    from leaven.progress import show_progress
    from leaven.translation import check_language, get_translator

    translate = get_translator(check_language(lang, "--lang"))
    history = [item.strip() for item in items.split(",") if item.strip()]
    if not user and not history:
        raise SpecError("recommend", "a user or items", "neither", "write --user ID, or --items ID,ID")
    with show_progress():
        from leaven.serving.scorer import Query, Scorer

        scorer = Scorer.load(run, variant)
        model = scorer.model
        if user and model.find_history(user) is None:
            raise DataError("--user", "a user of the run", repr(user), "check the id, or write --items ID,ID")
        answer = scorer.answer([Query(history, user, k=k)])[0]
    if answer.unknown_items:
        known = suggest_nearest(answer.unknown_items[0], model.catalog.ids)
        raise DataError("--items", "items of the catalog", ", ".join(answer.unknown_items), known)
    titles = {item: model.catalog.item_name(model.item_numbers[item]) for item in (*answer.items, *answer.history)}
    if json:
        listed = [
            {"item": item, "title": titles[item], "score": score}
            for item, score in zip(answer.items, answer.scores, strict=True)
        ]
        output.print_json({"model": model.name, "history": answer.history, "items": listed})
        return
    last = " | ".join(titles[item] for item in answer.history[-_SHOWN_EVENTS:])
    rows = [
        (f"{place}", item, titles[item] if titles[item] != item else "", f"{score:.4g}")
        for place, (item, score) in enumerate(zip(answer.items, answer.scores, strict=True), 1)
    ]
    output.print_results(
        output.build_pairs(
            {
                translate("model"): model.name,
                translate("history"): translate(
                    "{n} events, the last: {items}", n=f"{len(answer.history):,}", items=last
                ),
            }
        ),
        "",
        output.build_table(
            [f">{translate('rank')}", translate("item"), translate("title"), f">{translate('score')}"], rows
        ),
    )


def suggest_nearest(item: str, known_items: Sequence[str]) -> str:
    """The most similar id of the catalog as a hint; a catalog is too long to list."""
    from difflib import get_close_matches

    similar = get_close_matches(item, known_items, n=1)
    return f"did you mean {similar[0]!r}?" if similar else "check the ids, for example in catalog.parquet"


def serve_run(
    run: TrainedRun,
    variant: VariantName = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    token: Annotated[
        str, typer.Option(envvar="LEAVEN_TOKEN", help="Token of the requests; by default a new one, printed once.")
    ] = "",
    shadow: Annotated[Path | None, typer.Option(metavar="RUN2", help="A second run to compare with.")] = None,
    shadow_variant: Annotated[str, typer.Option(help="Variant of the second run.")] = "",
    events: Annotated[Path | None, typer.Option(help="File that keeps appended events.")] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder that models are loaded from; by default the parent of RUN.")
    ] = None,
    max_body: Annotated[int, typer.Option(min=1000, help="Largest body of a request in bytes.")] = 1_000_000,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request is given up.")] = 5.0,
    rate: Annotated[float, typer.Option(min=0, help="Requests per second of each client; 0: no limit.")] = 1000.0,
) -> None:
    """Serve a trained recommender over HTTP."""
    from leaven.errors import MissingExtra
    from leaven.progress import show_progress

    try:
        from leaven.serving.app import build_app, serve
        from leaven.serving.guard import Limits
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "fastapi", "serve") from None
    with show_progress() as on_progress:
        from leaven.serving.scorer import Scorer
        from leaven.serving.service import RecommenderService
        from leaven.serving.user_events import UserEvents

        on_progress(0, 0, "loading the model")
        second = Scorer.load(shadow, shadow_variant) if shadow is not None else None
        service = RecommenderService(Scorer.load(run, variant), UserEvents(events), second, models)
        on_progress(1, 1, "loading the model")
    chosen = token or secrets.token_urlsafe(24)
    app = build_app(service, chosen, Limits(max_body, timeout, rate))
    output.print_hint(f"serving {service.scorer.model.name} at http://{host}:{port}")
    if not token:
        output.print_hint(f"token: {chosen}")
    serve(app, host, port)


def export_trained_model(run: Path, out: Path, variant: str, changes: Sequence[str], json: bool) -> None:
    """Write the trained recommender of a run, for `leaven export RUN --to onnx`. changes: "license=NAME" or none."""
    from leaven.errors import SpecError
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.serving.model_export import export_model

        names = [change.removeprefix("license=") for change in changes if change.startswith("license=")]
        if len(names) < len(changes):
            raise SpecError("--set", "license=NAME, the only field of onnx", repr(list(changes)), "")
        license_name = names[-1] if names else "not stated"
        on_progress(0, 0, "exporting the model")
        manifest = export_model(run, out, variant, license_name)
        on_progress(1, 1, "exporting the model")
    if json:
        output.print_json({"folder": out, **manifest.to_json()})
        return
    forms = {"float": manifest.exact} | ({"int8": manifest.int8} if manifest.int8 else {})
    columns = ["form", ">histories", ">items in common", ">largest difference"]
    rows = [(name, p.histories, f"{p.same_items:.2%}", f"{p.max_difference:.2g}") for name, p in forms.items()]
    output.print_results(output.build_table(columns, rows, "compared with the trained recommender"))
    output.print_hint(f"python {out / 'scorer.py'} ITEM ITEM …")
