"""The server answers right requests, and refuses wrong and hostile ones with a reason."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

import leaven
from leaven.errors import DataError
from leaven.recommenders import ItemKnn, Popularity
from leaven.serving.app import build_app
from leaven.serving.guard import Limits, RateLimiter
from leaven.serving.scorer import Scorer
from leaven.serving.service import RecommenderService
from leaven.serving.user_events import UserEvent, UserEvents
from unit.serving.runs import N_ITEMS, USERS, write_run

TOKEN = "secret"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `knn` and `popular`."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "knn", ItemKnn())
    write_run(folder / "popular", Popularity())
    return folder


@pytest.fixture
def service(runs: Path) -> RecommenderService:
    return RecommenderService(Scorer.load(runs / "knn"), shadow=Scorer.load(runs / "popular"))


@pytest.fixture
def client(service: RecommenderService) -> Iterator[TestClient]:
    with TestClient(build_app(service, TOKEN), headers=HEADERS, raise_server_exceptions=False) as one:
        yield one


def list_items(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["item"] for one in answer.json()["items"]]


def test_a_list_by_items_is_that_of_the_scorer(client: TestClient, service: RecommenderService) -> None:
    body = {"items": ["i03", "nope"], "k": 4, "exclude": ["i05"], "filter": {"category": "lamp"}}
    answer = client.post("/recommend", json=body)
    scorer = service.scorer
    lamps = [one for one in scorer.recommend(["i03"], N_ITEMS).items if int(one[1:]) % 3 == 1]
    assert list_items(answer) == lamps[:4]
    assert answer.json()["unknown_items"] == ["nope"]
    assert answer.json()["model"] == scorer.model.version


def test_a_batch_has_one_answer_per_body(client: TestClient) -> None:
    bodies = [{"user": USERS[0], "k": 2}, {"items": ["i04"], "k": 3}]
    answer = client.post("/recommend", json=bodies)
    assert [len(one["items"]) for one in answer.json()] == [2, 3]
    single = client.post("/recommend", json=bodies[0]).json()
    assert answer.json()[0] == single


def test_an_appended_event_is_in_the_next_answer(client: TestClient, service: RecommenderService) -> None:
    first = client.post("/recommend", json={"user": "new-user", "k": 3})
    assert first.json()["has_history"] is False
    assert client.post("/events", json={"user": "new-user", "item": "i07"}).status_code == 201
    second = client.post("/recommend", json={"user": "new-user", "k": 3, "explain": True})
    assert list_items(second) == list(service.scorer.recommend(["i07"], 3).items)
    assert second.json()["items"][0]["because"][0]["event"] == "i07"


def test_k_above_the_catalog_gives_all_items_that_are_left(client: TestClient) -> None:
    assert len(list_items(client.post("/recommend", json={"items": ["i03"], "k": 1000}))) == N_ITEMS - 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "JSON"),
        (b"\xff\xfe", ""),
        (b"[]", "at least 1"),
        (b"null", "body"),
        (b"3", "body"),
        (b"{}", "user"),
        (b'{"items": "i03"}', "list"),
        (b'{"items": [], "k": 0}', "greater than or equal to 1"),
        (b'{"items": [], "k": 1e9}', "less than or equal"),
        (b'{"items": [], "k": "many"}', "integer"),
        (b'{"items": [], "unknown_key": 1}', "Extra inputs"),
        (b'{"items": [], "filter": {"colour": "red"}}', "attribute"),
        (b'{"items": ["' + b"x" * 600 + b'"]}', "512"),
        (b"[" * 5000, ""),
        (b'{"user": "\\ud800"}', "unicode"),
        (b'{"items": [], "\\ud800": 1}', "unicode"),
        (b'{"items": [], "k": NaN}', "finite"),
        (b'{"items": [], "filter": {"\\ud800": "x"}}', "attribute"),
        (b'{"items": []}{"items": []}', "JSON"),
        (json.dumps([{"items": []}] * 300).encode(), "at most 256"),
    ],
)
def test_a_wrong_body_is_refused_with_a_reason(client: TestClient, body: bytes, reason: str) -> None:
    answer = client.post("/recommend", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert reason in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_requests_without_the_token_are_refused_except_health_and_readiness(client: TestClient) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
        for path in ("/recommend", "/metrics", "/openapi.json", "/shadow", "/unknown"):
            assert client.get(path, headers=headers).status_code == 401
    assert client.get("/health", headers={"authorization": ""}).json()["status"] == "ok"
    assert client.get("/ready", headers={"authorization": ""}).json()["kind"] == "item_knn"


def test_unknown_paths_methods_and_items_are_refused(client: TestClient) -> None:
    assert client.get("/etc/passwd").status_code == 404
    assert client.get("/recommend").status_code == 405
    answer = client.post("/events", json={"user": "ann", "item": "nope"})
    assert answer.status_code == 422
    assert "'nope'" in answer.json()["error"]


def test_a_body_without_a_stated_length_is_cut_off_at_the_limit(service: RecommenderService) -> None:
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1000
            yield b" " * 1000

    with TestClient(build_app(service, limits=Limits(max_body_bytes=5000))) as client:
        assert client.post("/recommend", content=parts()).status_code == 413
        assert client.post("/recommend", content=b" " * 5001).status_code == 413
        assert client.post("/recommend", json={"items": ["i03"]}).status_code == 200


def test_requests_above_the_rate_are_refused(service: RecommenderService) -> None:
    with TestClient(build_app(service, limits=Limits(requests_per_second=2))) as client:
        codes = [client.post("/recommend", json={"items": []}).status_code for _ in range(8)]
        assert codes[:4] == [200] * 4
        assert codes[-1] == 429
        assert client.get("/health").status_code == 200


def test_a_bucket_is_filled_at_its_rate() -> None:
    limiter = RateLimiter(1)
    assert [limiter.allows("a", now) for now in (0, 0, 0, 1, 1, 9, 9, 9)] == [
        True, True, False, True, False, True, True, False,
    ]  # fmt: skip
    assert limiter.allows("b", 9)


def test_a_slow_answer_is_given_up(service: RecommenderService, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(RecommenderService, "recommend", lambda self, bodies: done.wait(5) or [])
    with TestClient(build_app(service, limits=Limits(timeout_seconds=0.1))) as client:
        answer = client.post("/recommend", json={"items": []})
        done.set()
    assert answer.status_code == 503
    assert "0.1 seconds" in answer.json()["error"]


def test_a_bug_is_status_500_without_a_traceback(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecommenderService, "recommend", lambda self, bodies: 1 / 0)
    answer = client.post("/recommend", json={"items": []})
    assert answer.status_code == 500
    assert answer.json()["error"] == "internal error"


def test_models_change_without_a_refused_request(client: TestClient, runs: Path, service: RecommenderService) -> None:
    versions = {run: Scorer.load(runs / run).model.version for run in ("knn", "popular")}
    lists = {versions[run]: list(Scorer.load(runs / run).recommend(["i03"], 5).items) for run in versions}
    stop, seen = threading.Event(), set[str]()

    def ask() -> int:
        count = 0
        while not stop.is_set():
            answer = client.post("/recommend", json={"items": ["i03"], "k": 5})
            assert list_items(answer) == lists[answer.json()["model"]]
            seen.add(answer.json()["model"])
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask) for _ in range(3)]
        for _ in range(5):
            for run in ("popular", "knn"):
                changed = client.post("/models", json={"run": str(runs / run)})
                assert changed.status_code == 200
                assert versions[run] in changed.json()["after"]
        stop.set()
        assert sum(asker.result() for asker in askers) > 0
    assert seen == set(versions.values())
    assert "leaven_model_changes_total 10.0" in client.get("/metrics").text


def test_a_model_that_cannot_be_loaded_leaves_the_served_one(client: TestClient, runs: Path, tmp_path: Path) -> None:
    before = client.get("/ready").json()
    broken = shutil.copytree(runs / "knn", runs / "broken", dirs_exist_ok=True)
    settings = next(broken.rglob("itemknn.json"))
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"newer_field": 1}))
    answer = client.post("/models", json={"run": str(broken)})
    assert answer.status_code == 422
    assert "this version of leaven" in answer.json()["error"]
    assert client.post("/models", json={"run": str(runs / "nothing")}).status_code == 422
    assert client.post("/models", json={"run": str(tmp_path)}).status_code == 403
    for outside in (str(runs / ".." / ".."), "a\0b", "a" * 4000):
        assert client.post("/models", json={"run": outside}).status_code == 403
    assert client.post("/models", json={"run": str(runs / "knn"), "variant": "../../x"}).status_code == 422
    assert client.get("/ready").json() == before


def test_the_second_model_is_compared_on_every_request(client: TestClient, service: RecommenderService) -> None:
    served = list_items(client.post("/recommend", json={"items": ["i03"], "k": 5}))
    assert service.shadow is not None
    service.shadow.wait()
    other = service.shadow.scorer.recommend(["i03"], 5).items
    report = client.get("/shadow").json()
    assert report["queries"] == 1
    assert report["agreement"] == pytest.approx(len(set(served) & set(other)) / 5)
    assert report["shadow_ms_p50"] > 0


def test_metrics_count_requests_by_path_and_status(client: TestClient) -> None:
    client.post("/recommend", json={"items": []})
    client.post("/recommend", content=b"{")
    client.get("/wp-admin.php")
    text = client.get("/metrics").text
    assert 'leaven_requests_total{path="/recommend",status="200"} 1.0' in text
    assert 'leaven_requests_total{path="/recommend",status="422"} 1.0' in text
    assert 'leaven_requests_total{path="other",status="404"} 1.0' in text


def test_openapi_lists_every_path(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/health", "/ready", "/metrics", "/recommend", "/events", "/models", "/shadow"}


def test_events_survive_a_restart_and_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    events = UserEvents(file)
    for number in range(205):
        events.append("ann", UserEvent(f"i{number}", number))
    with file.open("a") as stream:
        stream.write('{"user": "ann", "it')  # a killed process
    again = UserEvents(file).list_events("ann")
    assert len(again) == 200
    assert again[-1] == UserEvent("i204", 204)


def test_a_real_server_refuses_100_mb_unread_reloads_on_a_signal_and_stops(runs: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(Path(leaven.__file__).parent.parent), "LEAVEN_TOKEN": TOKEN}
    command = [sys.executable, "-m", "leaven", "serve", str(runs / "knn"), "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, timeout=10) as client:
                _wait_until_ready(client)
                assert len(list_items(client.post("/recommend", json={"items": ["i03"]}))) == 10
                with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
                    head = f"POST /recommend HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
                    raw.sendall(f"{head}Content-Length: 100000000\r\n\r\n".encode())  # and no body
                    assert b" 413 " in raw.recv(100)
                server.send_signal(signal.SIGHUP)
                _wait_for_text(client, "leaven_model_changes_total 1.0")
        finally:
            server.send_signal(signal.SIGTERM)
            _, errors = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "Traceback" not in errors
    assert TOKEN not in errors


def _wait_until_ready(client: httpx.Client) -> None:
    for _ in range(300):
        try:
            client.get("/ready")
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


def _wait_for_text(client: httpx.Client, text: str) -> None:
    for _ in range(100):
        if text in client.get("/metrics").text:
            return
        time.sleep(0.05)
    raise AssertionError(text)


def test_a_service_loads_models_below_its_root_only(runs: Path) -> None:
    service = RecommenderService(Scorer.load(runs / "knn"))
    assert service.is_allowed(runs / "popular")
    assert not service.is_allowed(runs / ".." / "elsewhere")
    with pytest.raises(DataError):
        service.load_model(runs / "nothing")


def test_requests_that_wait_are_answered_together_and_each_gets_its_own(
    client: TestClient, service: RecommenderService, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, answer = list[int](), RecommenderService.recommend

    def slow_answer(self: RecommenderService, bodies: list) -> list:
        sizes.append(len(bodies))
        time.sleep(0.05)
        return answer(self, bodies)

    monkeypatch.setattr(RecommenderService, "recommend", slow_answer)
    items = [f"i{number:02d}" for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda item: list_items(client.post("/recommend", json={"items": [item]})), items))
    assert found == [list(service.scorer.recommend([item]).items) for item in items]
    assert sum(sizes) == 12
    assert len(sizes) < 12
    wrong = [{"items": [], "filter": {"colour": "red"}}, {"items": ["i03"]}]
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda body: client.post("/recommend", json=body).status_code, wrong))
    assert codes == [422, 200]
