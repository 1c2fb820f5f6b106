"""A local chat completions server with faults for tests."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]


def completion(said: object, tokens: int = 50) -> bytes:
    """Returns a chat completion with this content; an object is encoded as JSON."""
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return json.dumps({"choices": [{"message": {"content": text}}], "usage": {"total_tokens": tokens}}).encode()


def turned(text: str) -> dict:
    """A true paraphrase: the last two words first."""
    words = text.split()
    return {"paraphrase": " ".join([*words[-2:], *words[:-2]]), "tags": ["gift"], "attributes": []}


def text_of(asked: dict) -> str:
    return json.loads(asked["messages"][1]["content"])["text"]


@contextmanager
def serving(reply: Callable[[dict, int], Reply]) -> Iterator[tuple[str, list[dict]]]:
    """(address, what was asked so far). reply: (what is asked, how many were asked before) -> status, body, headers."""
    asked: list[dict] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                asked.append(body | {"path": self.path, "key": self.headers.get("Authorization", "")})
                number = len(asked) - 1
            status, told, *more = reply(body, number)
            try:
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)
            except OSError:
                pass  # whoever asked has gone

        def log_message(self, *words: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def slowly(seconds: float) -> Callable[[dict, int], Reply]:
    def reply(asked: dict, number: int) -> Reply:
        time.sleep(seconds)
        return 200, completion(turned(text_of(asked)))

    return reply
