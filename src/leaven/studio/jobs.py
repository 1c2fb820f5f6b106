"""Runs as processes of their own: started, followed through files, stopped and resumed.

All that is known of a job is in files of its folder, so that a reload, a second tab or a new studio loses nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Literal

import psutil
import tomli_w

from leaven.config import Spec, resolve_spec
from leaven.errors import DataError
from leaven.facts import FACTS_FILE
from leaven.plan_search.run_search import RESULT_FILE
from leaven.run_folder import LOG_FILE, SPEC_FILE, read_json, read_lines, slugify, write_json, write_text

State = Literal["running", "stopping", "finished", "failed", "stopped"]
_JOB_FILE, _OUTPUT_FILE, _EXIT_FILE = "job.json", "output.txt", "exit.txt"
_SHOWN_LINES = 12
_RUNNER = """
import subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(code))
"""
"""Waits for the command and writes its exit code, also after the studio has ended."""


@dataclass(frozen=True)
class Job:
    """One run. pid: of the process group's leader; command: without the interpreter."""

    name: str
    command: tuple[str, ...]
    run: str
    pid: int = 0
    started_at: float = 0.0


@dataclass(frozen=True)
class JobStatus:
    """What a page shows of a job.

    stages   (name, seconds) of the finished stages; lines: the last lines of progress
    memory_bytes  of its processes; 0 where the system does not say
    """

    job: Job
    state: State
    seconds: float
    stages: tuple[tuple[str, float], ...]
    lines: tuple[str, ...]
    memory_bytes: int = 0

    @property
    def is_active(self) -> bool:
        """Whether its process is alive."""
        return self.state in ("running", "stopping")


class JobManager:
    """Jobs of a working folder."""

    def __init__(self, folder: Path, runs_folder: Path) -> None:
        self._folder, self._runs = folder / "jobs", runs_folder

    def start(self, command: str, spec: Spec, options: Sequence[str] = ()) -> Job:
        """Start `leaven run` or `leaven auto` on a copy of a spec, into a new folder."""
        numbers = range(1, 100_000)
        base = slugify(f"{spec.name}-auto" if command == "auto" else spec.name)
        run = next(path for number in numbers if not (path := self._runs / f"{base}-{number}").exists())
        run.parent.mkdir(parents=True, exist_ok=True)
        own = self._folder / run.name / SPEC_FILE  # the plan may be edited while the job runs
        write_text(own, tomli_w.dumps(resolve_spec(spec)))
        return self._launch(Job(run.name, (command, str(own), "--out", str(run), *options), str(run)))

    def resume(self, name: str) -> Job:
        """Start a stopped or failed job again where it ended. Raises DataError for one that is active or finished."""
        status = self.read_status(name)
        if status.is_active or status.state == "finished":
            raise DataError(f"job {name}", "a stopped job", status.state, "")
        command = tuple(word for word in status.job.command if word != "--resume")
        return self._launch(replace(status.job, command=(*command, "--resume")))

    def _launch(self, job: Job) -> Job:
        folder = self._folder / job.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _EXIT_FILE).unlink(missing_ok=True)
        words = [sys.executable, "-c", _RUNNER, str(folder / _EXIT_FILE), sys.executable, "-m", "leaven", *job.command]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        with (folder / _OUTPUT_FILE).open("ab") as output:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        Thread(target=child.wait, daemon=True).start()  # collects the child when it ends
        started = replace(job, pid=child.pid, started_at=time.time())
        write_json(folder / _JOB_FILE, asdict(started))
        return started

    def stop(self, name: str) -> None:
        """Interrupt a job like Ctrl-C; finished stages stay for `resume`."""
        status = self.read_status(name)
        if status.is_active:
            (self._folder / name / "stop.txt").write_text("requested")
            for pid in _list_descendants(status.job.pid):
                os.kill(pid, signal.SIGINT)

    def list_statuses(self) -> list[JobStatus]:
        """All jobs, the newest first."""
        names = [path.parent.name for path in self._folder.glob(f"*/{_JOB_FILE}")]
        return sorted(map(self.read_status, names), key=lambda status: -status.job.started_at)

    def read_status(self, name: str) -> JobStatus:
        """State of a job. Raises DataError for an unknown name."""
        folder = self._folder / slugify(name)
        table = read_json(folder / _JOB_FILE, "choose a job of the list")
        job = Job(table["name"], tuple(table["command"]), table["run"], table["pid"], table["started_at"])
        exit_file, output = folder / _EXIT_FILE, folder / _OUTPUT_FILE
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines() if output.exists() else []
        stages = [
            (str(event.get("stage", "")), float(event.get("seconds", 0.0)))
            for event in read_lines(Path(job.run) / LOG_FILE)
            if event.get("event") == "stage done"
        ]
        state = self._find_state(job, folder)
        end = exit_file.stat().st_mtime if exit_file.exists() else time.time()
        memory = _measure_memory(job.pid) if state in ("running", "stopping") else 0
        shown = tuple(line for line in lines if line.strip())[-_SHOWN_LINES:]
        return JobStatus(job, state, end - job.started_at, tuple(stages), shown, memory)

    def _find_state(self, job: Job, folder: Path) -> State:
        stop_asked = (folder / "stop.txt").exists()
        if _is_alive(job.pid) and not (folder / _EXIT_FILE).exists():
            return "stopping" if stop_asked else "running"
        (folder / "stop.txt").unlink(missing_ok=True)
        run = Path(job.run)
        is_finished = (run / (RESULT_FILE if job.command[0] == "auto" else FACTS_FILE)).exists()
        code = (folder / _EXIT_FILE).read_text() if (folder / _EXIT_FILE).exists() else "killed"
        if is_finished and code in ("0", "4"):
            return "finished"
        return "stopped" if stop_asked or code in ("5", "130", "killed") else "failed"


def _is_alive(pid: int) -> bool:
    """Whether the process is a runner of a job: ids of ended processes are given to others."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and _EXIT_FILE in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _list_descendants(pid: int) -> list[int]:
    """The command of a runner, and the processes that it started."""
    try:
        children = psutil.Process(pid).children()
    except psutil.Error:
        return []
    return [child.pid for child in children]


def _measure_memory(pid: int) -> int:
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        return sum(int(process.memory_info().rss) for process in family)
    except psutil.Error:
        return 0
