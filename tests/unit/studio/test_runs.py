"""Runs are started, followed, stopped and resumed; a new studio finds them again; results are shown."""

import os
import signal
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from leaven.report.run_index import list_run_folders
from leaven.studio.jobs import JobManager, JobStatus
from leaven.studio.workspace import Workspace
from unit.studio.pages import open_client, write_log


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    log = write_log(tmp_path_factory.mktemp("shop"))
    opened = Workspace.open(log, tmp_path_factory.mktemp("work"))
    document = opened.document.remove_variant(1).set_value(["recommender", "kind"], "popularity")
    document = document.set_value(["evaluate", "seeds"], 2).set_value(["evaluate", "metrics"], ["ndcg@10"])
    step = {"mode": "append", "when": "once", "p": None, "during": None}
    opened.write_spec(document.set_fields(["variant", 0, "step", 0], step).set_value(["quality"], False))
    return opened


@pytest.fixture(scope="module")
def client(space: Workspace) -> TestClient:
    return open_client(space)


def wait_for(jobs: JobManager, name: str, *states: str, seconds: float = 120) -> JobStatus:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = jobs.read_status(name)
        if status.state in states:
            return status
        time.sleep(0.1)
    raise AssertionError(jobs.read_status(name))


@pytest.fixture(scope="module")
def finished(space: Workspace, client: TestClient) -> JobStatus:
    assert client.post("/runs/start", data={"command": "run"}).status_code == 200
    jobs = JobManager(space.folder, space.runs_folder)
    (status,) = jobs.list_statuses()
    return wait_for(jobs, status.job.name, "finished")


def test_a_run_reports_its_stages_and_ends(finished: JobStatus, client: TestClient) -> None:
    assert "data" in [name for name, _ in finished.stages]
    page = client.get("/runs").text
    assert "finished" in page
    assert finished.job.name in page


def test_the_report_is_embedded_without_scripts(finished: JobStatus, client: TestClient) -> None:
    assert "<iframe" in client.get("/runs/view", params={"run": finished.job.run}).text
    report = client.get("/runs/report", params={"run": finished.job.run})
    assert "sandbox" in report.headers["content-security-policy"]
    assert "NDCG@10" in report.text


def test_runs_outside_of_the_folders_are_refused(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text("{}")
    (tmp_path / "report.html").write_text("secret")
    assert client.get("/runs/report", params={"run": str(tmp_path)}).status_code == 422


def test_synthetic_rows_lead_to_their_lineage(finished: JobStatus, client: TestClient) -> None:
    rows = client.get("/runs/view", params={"run": finished.job.run, "variant": "crop-a-few", "step": "1"}).text
    key = rows.split("&amp;row=")[1][:16]
    lineage = client.get("/runs/view", params={"run": finished.job.run, "row": key}).text
    assert "source row" in lineage
    assert "crop" in lineage


def test_an_export_is_written_into_the_working_folder(
    finished: JobStatus, client: TestClient, space: Workspace
) -> None:
    form = {"run": finished.job.run, "target": "implicit", "variant": "crop a few"}
    assert "train.npz" in client.post("/runs/export", data=form).text
    assert list((space.folder / "exports").glob("*/train.npz"))


def test_a_run_is_compared_with_itself_without_a_change(finished: JobStatus, client: TestClient) -> None:
    page = client.get("/runs/compare", params=[("run", finished.job.run), ("run", finished.job.run)])
    assert "crop a few" in page.text
    assert client.get("/runs/compare", params={"run": finished.job.run}).status_code == 422


def test_a_user_is_erased_only_with_the_id_typed_again(finished: JobStatus, client: TestClient) -> None:
    import pyarrow.parquet as pq

    user = pq.read_table(Path(finished.job.run) / "data" / "names.parquet").column("user")[0].as_py()
    view = {"run": finished.job.run, "row": user}
    assert "Erase this user" in client.get("/runs/view", params=view).text
    form = {"run": finished.job.run, "user": user, "typed": "other"}
    assert client.post("/runs/erase", data=form).status_code == 422
    assert "erased" in client.post("/runs/erase", data=form | {"typed": user}).text
    assert 'role="alert"' in client.get("/runs/view", params=view).text


def test_a_stopped_job_resumes_where_it_was(space: Workspace) -> None:
    jobs = JobManager(space.folder, space.runs_folder)
    name = jobs.start("run", space.document.parse()).name
    wait_for(jobs, name, "running")
    time.sleep(1)
    jobs.stop(name)
    wait_for(JobManager(space.folder, space.runs_folder), name, "stopped", "finished")
    if jobs.read_status(name).state == "stopped":
        assert "--resume" in jobs.resume(name).command
    assert wait_for(jobs, name, "finished").state == "finished"


def test_a_job_killed_from_outside_is_said_to_be_stopped(space: Workspace) -> None:
    jobs = JobManager(space.folder, space.runs_folder)
    job = jobs.start("run", space.document.parse())
    os.killpg(job.pid, signal.SIGKILL)
    assert wait_for(jobs, job.name, "stopped").state == "stopped"


def test_a_job_that_fails_shows_why(space: Workspace, tmp_path: Path) -> None:
    jobs = JobManager(space.folder, space.runs_folder)
    spec = space.document.set_value(["clean", "min_user_events"], 100_000).parse()
    status = wait_for(jobs, jobs.start("run", spec).name, "failed")
    assert "expected" in " ".join(status.lines)


def test_a_finished_run_is_listed_with_its_verdict(finished: JobStatus) -> None:
    entries = {entry.folder: entry for entry in list_run_folders(Path(finished.job.run).parent)}
    assert entries[finished.job.run].state == "finished"
    assert "NDCG@10" in entries[finished.job.run].verdict
