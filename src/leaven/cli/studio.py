"""The command `leaven studio`: a local web page for data, operators, plans, runs and results."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output


def open_studio(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE…|SPEC|RUN]", help="Your log and its items, a spec, or the folder of a run."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Working folder: uploads, plans and runs.")] = Path("studio"),
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines need more than the default.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8765,
) -> None:
    """A local web page to see data, operators, plans and runs, before and after a run."""
    import socket

    from leaven.errors import MissingExtra, SpecError

    try:
        import uvicorn

        from leaven.studio.application import LOOPBACK, build_app
        from leaven.studio.workspace import Workspace
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "studio") from error
    token = secrets.token_urlsafe(24)
    space = Workspace.open(paths or [], folder)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        fix = "choose another with --port, or --port 0 for any"
        raise SpecError(f"--host {host} --port {port}", "a free port", str(error.strerror or error), fix) from error
    name = f"[{host}]" if ":" in host else host
    output.print_results(f"http://{name}:{listener.getsockname()[1]}/?token={token}")
    output.print_hint("open this address in a browser; Ctrl-C ends the studio, runs go on")
    config = uvicorn.Config(build_app(space, token, (*LOOPBACK, host)), log_level="warning", access_log=False)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn raises the signal again after it has stopped
        return
