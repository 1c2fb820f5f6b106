"""A small log with images, and a studio that serves it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.testclient import TestClient

from leaven.simulator import Corruption, Simulator
from leaven.studio.application import build_app
from leaven.studio.workspace import Workspace

TOKEN = "secret-token"
HOST = "http://127.0.0.1"


def write_log(folder: Path) -> list[str]:
    """A simulated log and its items; returns their paths."""
    if not (folder / "items.csv").exists():
        Simulator(users=150, items=50, days=120, seed=3).build_world().write_files(folder, Corruption.typical())
    return [str(folder / "interactions.csv"), str(folder / "items.csv")]


def open_client(space: Workspace, **options: int) -> TestClient:
    """A client that has opened the first address."""
    client = TestClient(build_app(space, TOKEN, **options), base_url=HOST, headers={"origin": HOST})
    assert client.get(f"/?token={TOKEN}", follow_redirects=False).status_code == 303
    return client


@dataclass(frozen=True)
class Served:
    """A studio behind a port of this machine."""

    root: str

    @property
    def first_address(self) -> str:
        return f"{self.root}/?token={TOKEN}"


@contextmanager
def serve_studio(space: Workspace) -> Iterator[Served]:
    """Serve a workspace in a thread."""
    server = uvicorn.Server(uvicorn.Config(build_app(space, TOKEN), "127.0.0.1", 0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(20)
