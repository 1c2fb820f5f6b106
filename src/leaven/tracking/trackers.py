"""Trackers of common tools. Each is local unless an address is given."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from leaven.errors import MissingExtra
from leaven.tracking.contract import RunEnd, RunStart, StageEnd, ValidationResult

_FORBIDDEN = re.compile(r"[^\w\-. /]")


def clean_name(name: str) -> str:
    """A name of a metric in the characters that all tools take.

    >>> clean_name("crop/ndcg@10")
    'crop/ndcg_10'
    """
    return _FORBIDDEN.sub("_", name)


def _import(module: str, extra: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise MissingExtra(module.partition(".")[0], extra) from None


@dataclass(eq=False)
class MlflowTracker:
    """MLflow: settings, seconds of stages, validation losses, metrics, and the spec, facts and report as artifacts.

    uri         address of a tracking server, or of a store; "": the folder `mlruns` next to the run
    experiment  name of the experiment
    """

    uri: str = ""
    experiment: str = "leaven"
    _client: Any = field(default=None, init=False, repr=False)
    _run_id: str = field(default="", init=False, repr=False)

    def on_run_start(self, facts: RunStart) -> None:
        """Create a run with its settings."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # else MLflow 3.17 refuses local folders
        mlflow = _import("mlflow.tracking", "mlflow")
        store = self.uri or (facts.folder.resolve().parent / "mlruns").as_uri()
        self._client = mlflow.MlflowClient(tracking_uri=store)
        known = self._client.get_experiment_by_name(self.experiment)
        experiment = known.experiment_id if known else self._client.create_experiment(self.experiment)
        self._run_id = self._client.create_run(experiment, run_name=facts.name).info.run_id
        for key, value in facts.settings.items():
            self._client.log_param(self._run_id, clean_name(key), str(value)[:6000])

    def on_stage(self, facts: StageEnd) -> None:
        """Log the seconds of a stage."""
        self._client.log_metric(self._run_id, clean_name(f"seconds/{facts.stage}"), facts.seconds)

    def on_validation(self, facts: ValidationResult) -> None:
        """Log the values of a validation."""
        for name, value in facts.values.items():
            self._client.log_metric(self._run_id, clean_name(f"{name}/{facts.series}"), value, step=facts.step)

    def on_run_end(self, facts: RunEnd) -> None:
        """Log metrics and artifacts, and end the run."""
        for name, value in facts.metrics.items():
            self._client.log_metric(self._run_id, clean_name(name), value)
        for path in facts.artifacts:
            self._client.log_artifact(self._run_id, str(path))
        status = "FINISHED" if facts.status == "finished" else "FAILED"
        self._client.set_terminated(self._run_id, status=status)


@dataclass(eq=False)
class TensorBoardTracker:
    """TensorBoard: event files in the folder `tensorboard` of the run, or in `folder`."""

    folder: str = ""
    _writer: Any = field(default=None, init=False, repr=False)

    def on_run_start(self, facts: RunStart) -> None:
        """Open an event file."""
        module = _import("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self._writer = module.EventFileWriter(self.folder or str(facts.folder / "tensorboard"))

    def _log_scalar(self, name: str, value: float, step: int = 0) -> None:
        protos = _import("tensorboard.compat.proto.summary_pb2", "tensorboard")
        events = _import("tensorboard.compat.proto.event_pb2", "tensorboard")
        summary = protos.Summary(value=[protos.Summary.Value(tag=clean_name(name), simple_value=value)])
        self._writer.add_event(events.Event(wall_time=time.time(), step=step, summary=summary))

    def on_stage(self, facts: StageEnd) -> None:
        """Log the seconds of a stage."""
        self._log_scalar(f"seconds/{facts.stage}", facts.seconds)

    def on_validation(self, facts: ValidationResult) -> None:
        """Log the values of a validation."""
        for name, value in facts.values.items():
            self._log_scalar(f"{name}/{facts.series}", value, facts.step)

    def on_run_end(self, facts: RunEnd) -> None:
        """Log metrics, and close the file."""
        for name, value in facts.metrics.items():
            self._log_scalar(name, value)
        self._writer.close()


@dataclass(eq=False)
class WandbTracker:
    """Weights & Biases, offline: files in the folder of the run; `wandb sync` sends them where you want.

    mode  "offline"; "online" sends to the server that your own wandb settings name
    """

    project: str = "leaven"
    mode: str = "offline"
    _run: Any = field(default=None, init=False, repr=False)

    def on_run_start(self, facts: RunStart) -> None:
        """Start a run with its settings."""
        wandb = _import("wandb", "wandb")
        settings = {key: str(value) for key, value in facts.settings.items()}
        self._run = wandb.init(
            project=self.project, name=facts.name, dir=str(facts.folder), mode=self.mode, config=settings
        )

    def on_stage(self, facts: StageEnd) -> None:
        """Log the seconds of a stage."""
        self._run.summary[f"seconds/{facts.stage}"] = facts.seconds

    def on_validation(self, facts: ValidationResult) -> None:
        """Log the values of a validation."""
        self._run.log({f"{name}/{facts.series}": value for name, value in facts.values.items()} | {"step": facts.step})

    def on_run_end(self, facts: RunEnd) -> None:
        """Log metrics, and finish."""
        for name, value in facts.metrics.items():
            self._run.summary[name] = value
        self._run.finish(exit_code=0 if facts.status == "finished" else 1)


@dataclass(eq=False)
class SwanLabTracker:
    """SwanLab, offline: files in the folder of the run. mode: "offline"; "cloud" sends to its server."""

    project: str = "leaven"
    mode: str = "offline"
    _module: Any = field(default=None, init=False, repr=False)

    def on_run_start(self, facts: RunStart) -> None:
        """Start a run with its settings."""
        self._module = _import("swanlab", "swanlab")
        settings = {key: str(value) for key, value in facts.settings.items()}
        log_folder = str(Path(facts.folder) / "swanlab")
        self._module.init(
            project=self.project, experiment_name=facts.name, logdir=log_folder, mode=self.mode, config=settings
        )

    def on_stage(self, facts: StageEnd) -> None:
        """Log the seconds of a stage."""
        self._module.log({clean_name(f"seconds/{facts.stage}"): facts.seconds})

    def on_validation(self, facts: ValidationResult) -> None:
        """Log the values of a validation."""
        self._module.log({clean_name(f"{name}/{facts.series}"): value for name, value in facts.values.items()})

    def on_run_end(self, facts: RunEnd) -> None:
        """Log metrics, and finish."""
        if facts.metrics:
            self._module.log({clean_name(name): value for name, value in facts.metrics.items()})
        self._module.finish()


@dataclass(eq=False)
class FunctionTracker:
    """Calls a Python function with the facts of each event: `RunStart`, `StageEnd`, `ValidationResult`, `RunEnd`.

    function  "module:function"
    """

    function: str

    def on_run_start(self, facts: RunStart) -> None:
        """Call the function."""
        self._call(facts)

    def on_stage(self, facts: StageEnd) -> None:
        """Call the function."""
        self._call(facts)

    def on_validation(self, facts: ValidationResult) -> None:
        """Call the function."""
        self._call(facts)

    def on_run_end(self, facts: RunEnd) -> None:
        """Call the function."""
        self._call(facts)

    def _call(self, facts: object) -> None:
        module, _, name = self.function.partition(":")
        getattr(import_module(module), name)(facts)
