"""The command line: output on stdout and stderr, and exit codes."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import leaven
from leaven.cli import entry, runs
from leaven.cli.entry import run_command
from leaven.errors import EXIT_DATA, EXIT_GATE, EXIT_INTERRUPTED, EXIT_SPEC, GateError
from unit.report.sample_facts import full_json

SOURCE = Path(leaven.__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "utf-8"}
LOG = "user_id,item_id,timestamp\nu1,i1,1318896000\nu2,i2,1318896001\n"

Captured = pytest.CaptureFixture[str]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "leaven", *arguments]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the facts of a made-up run."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "facts.json").write_text(json.dumps(full_json()))
    return folder


def test_help_and_version_exit_with_0(capsys: Captured) -> None:
    assert run_command(["--help"]) == 0
    assert run_command(["--version"]) == 0
    out, err = capsys.readouterr()
    assert "leaven 0." in out
    assert err == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["simulat"], "'simulate'"),
        (["simulate", "--sed", "3"], "--seed"),
        (["list", "metrix"], "'metrics'"),
        (["simulate", "--kind", "shoop"], "'shop'"),
        (["simulate", "--corruption", "bot=0.1"], "'bots'"),
    ],
)
def test_a_misspelled_word_is_answered_with_the_nearest(capsys: Captured, typed: list[str], meant: str) -> None:
    assert run_command(typed) == EXIT_SPEC
    out, err = capsys.readouterr()
    assert out == ""
    assert f"did you mean {meant}" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "typed", [["run"], ["list", "metrics", "more"], ["simulate", "--users", "many"], ["simulate", "--users"]]
)
def test_wrong_usage_refers_to_the_help(capsys: Captured, typed: list[str]) -> None:
    assert run_command(typed) == EXIT_SPEC
    assert "--help` shows what there is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [("judge", "quality"), ("words", "text"), ("pictures", "images"), ("shop", "simulate"), ("dose", "sweep")],
)
def test_an_old_command_name_is_answered_with_the_new_one_in_one_line(capsys: Captured, old: str, new: str) -> None:
    assert run_command([old, "--json"]) == EXIT_SPEC
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"`leaven {old}` is now `leaven {new}" in err


def test_corruption_needs_a_valid_share(capsys: Captured, tmp_path: Path) -> None:
    for wish in ("bots=many", "bots=7", "bots"):
        assert run_command(["simulate", "--corruption", wish, "--out", str(tmp_path / "shop")]) == EXIT_SPEC
    assert not (tmp_path / "shop").exists()


def test_a_simulated_log_is_written_and_described(capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "shop"
    typed = ["simulate", "--users", "60", "--items", "40", "--days", "90", "--out", str(out)]
    assert run_command([*typed, "--corruption", "typical", "--corruption", "bots=0.05"]) == 0
    shown, hint = capsys.readouterr()
    assert "bots" in shown
    assert f"leaven init {out / 'interactions.csv'}" in hint
    truth = json.loads((out / "truth.json").read_text())
    assert truth["facts"]["bots"] == 3
    assert run_command([*typed, "--seed", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["bots"] == 0


def test_a_folder_with_other_files_is_not_touched(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    assert run_command(["simulate", "--users", "20", "--items", "20", "--out", str(tmp_path)]) == EXIT_DATA
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_init_writes_a_spec_and_names_the_next_command(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    target = tmp_path / "my spec.toml"
    assert run_command(["init", str(tmp_path / "log.csv"), "--out", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{target}\n"
    assert f"leaven run '{target}'" in err
    assert run_command(["init", str(tmp_path / "log.csv"), "--out", str(target)]) == EXIT_SPEC
    assert "--force" in capsys.readouterr().err
    assert run_command(["init", str(tmp_path / "log.csv"), "--out", str(target), "--force"]) == 0


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\x89PNG\r\n\x1a\n" + bytes(99), b"who,what\na,b\n", b"just words"],
)
def test_a_file_without_a_log_is_one_error_and_writes_no_spec(
    capsys: Captured, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "log.csv").write_bytes(content)
    target = tmp_path / "spec.toml"
    assert run_command(["init", str(tmp_path / "log.csv"), "--out", str(target)]) == EXIT_DATA
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {tmp_path / 'log.csv'}")
    assert err.count("error:") == 1
    assert "→" in err
    assert not target.exists()


BAD_LOGS = {
    "two formats of dates": LOG + "u1,i2,2011-12-09\n",
    "mixed ids": LOG.replace("u1", "1.0").replace("u2", "1"),
    "a NUL byte": LOG + "u\x003,i1,1318896002\n",
    "a line cut off": LOG + "u3,i",
    "a field without end": LOG + f"{'x' * 10_000_000},i1,1318896002\n",
    "no lines": LOG.splitlines(keepends=True)[0],
}


@pytest.mark.parametrize("content", BAD_LOGS.values(), ids=BAD_LOGS.keys())
def test_a_bad_log_is_one_error_with_its_location(capsys: Captured, tmp_path: Path, content: str) -> None:
    (tmp_path / "log.csv").write_text(content)
    assert run_command(["profile", str(tmp_path / "log.csv")]) == EXIT_DATA
    out, err = capsys.readouterr()
    said = err[err.index("error:") :]
    assert out == ""
    assert said.startswith(f"error: {tmp_path / 'log.csv'}")
    assert "→" in said


def test_a_truncated_gz_file_is_reported_as_such(capsys: Captured, tmp_path: Path) -> None:
    whole = gzip.compress((LOG + "".join(f"u{n},i{n},{1318896000 + n}\n" for n in range(50_000))).encode())
    (tmp_path / "log.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert run_command(["profile", str(tmp_path / "log.csv.gz")]) == EXIT_DATA
    assert "complete gz" in capsys.readouterr().err


def test_a_database_is_profiled_by_its_url(capsys: Captured, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE bought (user_id TEXT, item_id TEXT, timestamp INTEGER)")
        rows = [(f"u{n % 9}", f"i{n % 7}", 1318896000 + 90_000 * n) for n in range(200)]
        database.executemany("INSERT INTO bought VALUES (?, ?, ?)", rows)
    database.close()
    assert run_command(["profile", f"sqlite:///{tmp_path / 'shop.db'}", "--table", "bought", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["raw"]["events"] == 200


def test_init_rejects_databases(capsys: Captured, tmp_path: Path) -> None:
    target = tmp_path / "spec.toml"
    assert run_command(["init", "postgresql://host/shop?table=bought", "--out", str(target)]) == EXIT_SPEC
    assert "leaven profile" in capsys.readouterr().err
    assert not target.exists()


def test_lists_show_kinds_and_their_defaults(capsys: Captured) -> None:
    assert run_command(["list", "metrics"]) == 0
    assert "head_share = 0.2" in capsys.readouterr().out
    assert run_command(["list", "--json"]) == 0
    assert "ndcg" in json.loads(capsys.readouterr().out)["metrics"]
    assert run_command(["list", "metrics", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["fields"][0] == {"name": "k", "type_name": "int", "default": "10"}


def test_the_doctor_prints_tables_and_json(capsys: Captured) -> None:
    assert run_command(["doctor"]) == 0
    assert "cores" in capsys.readouterr().out
    assert run_command(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["healthy"] is True


def test_report_writes_the_page_again(capsys: Captured, a_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run_command(["report", str(a_run), "--out", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert "<h1" in page.read_text()


def test_two_runs_are_compared(capsys: Captured, a_run: Path) -> None:
    assert run_command(["compare", str(a_run), str(a_run / "facts.json")]) == 0
    assert "crop and substitute" in capsys.readouterr().out
    assert run_command(["compare", str(a_run), str(a_run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metric"] == "ndcg@10"


def test_a_folder_without_a_run_is_an_error(capsys: Captured, a_run: Path, tmp_path: Path) -> None:
    for typed in (["report", str(tmp_path)], ["compare", str(a_run), str(tmp_path / "nowhere")]):
        assert run_command(typed) == EXIT_DATA
        assert "the facts of a run" in capsys.readouterr().err


SPEC = """
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
[recommender]
kind = "popularity"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
[[variant]]
name = "crop"
[[variant.step]]
use = "crop"
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec next to a small simulated log."""
    folder = tmp_path_factory.mktemp("spec")
    assert (
        run_command(["simulate", "--users", "120", "--items", "40", "--out", str(folder / "shop"), "--no-images"]) == 0
    )
    (folder / "spec.toml").write_text(SPEC)
    return folder / "spec.toml"


def test_a_profile_prints_tables_and_json(capsys: Captured, spec: Path) -> None:
    files = [str(spec.parent / "shop" / name) for name in ("interactions.csv", "items.csv")]
    assert run_command(["profile", *files]) == 0
    assert "Missing user" not in capsys.readouterr().out.split("nothing of")[0]
    assert run_command(["profile", files[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["raw"]["users"] == 120
    assert run_command(["profile", files[0], "--user", "usr_id"]) == EXIT_SPEC
    assert "did you mean 'user_id'" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(capsys: Captured, spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run_command(["run", str(spec), "--out", str(out), "--dry-run", "--set", "evaluate.seeds=4"]) == 0
    assert "train 12 times: “baseline”, “repeat”, “crop”" in capsys.readouterr().out
    assert run_command(["run", str(spec), "--out", str(out), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trainings"] == 3
    assert not out.exists()


@pytest.mark.parametrize(
    ("changed", "meant"),
    [
        ("seeds = 1|seds = 1", "'seeds'"),
        ("seeds = 1|seeds = '1'", "integer"),
        ('kind = "popularity"|kind = "popularty"', "'popularity'"),
        ('use = "crop"|use = "corp"', "'crop'"),
        ('use = "crop"|use = "crop"\nkeep_rang = [0.1, 0.2]', "'keep_range'"),
        ('use = "crop"|use = "crop"\nkeep_range = [0.9, 0.2]', "keep_range"),
        ('metrics = ["ndcg@5"]|metrics = ["ndgc@5"]', "'ndcg'"),
        ('[[variant]]|[[variant]]\nname = "crop"\n[[variant]]', "a unique name"),
        ("[data]|[dat]", "'data'"),
        ("[evaluate]|[evaluate", "TOML"),
    ],
)
def test_a_wrong_spec_is_one_error_with_file_and_key(
    capsys: Captured, spec: Path, tmp_path: Path, changed: str, meant: str
) -> None:
    wrong = spec.with_name("wrong.toml")
    wrong.write_text(SPEC.replace(*changed.split("|"), 1))
    assert run_command(["run", str(wrong), "--out", str(tmp_path / "run")]) == EXIT_SPEC
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: wrong.toml") or "evaluate.metrics" in err.splitlines()[0]
    assert meant in err
    assert err.count("error:") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("typed", [["--set", "evaluate.seds=2"], ["--set", "evaluate"], ["--engine", "locl"]])
def test_an_invalid_change_is_an_error(capsys: Captured, spec: Path, tmp_path: Path, typed: list[str]) -> None:
    assert run_command(["run", str(spec), "--out", str(tmp_path / "run"), *typed]) == EXIT_SPEC
    assert "→" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_is_resumed_and_never_overwritten(capsys: Captured, spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run_command(["run", str(spec), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "ndcg@5" in shown.lower()
    assert f"report: {out / 'report.html'}" in shown
    facts = (out / "facts.json").read_bytes()
    assert run_command(["run", str(spec), "--out", str(out)]) == EXIT_DATA
    assert "--resume" in capsys.readouterr().err
    assert (out / "facts.json").read_bytes() == facts
    assert run_command(["run", str(spec), "--out", str(out), "--resume", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["report"] == str(out / "report.html")
    assert found["verdict"] == json.loads(facts)["verdict"]


def test_a_variant_is_previewed_and_expanded(capsys: Captured, spec: Path, tmp_path: Path) -> None:
    assert run_command(["preview", str(spec), "--rows", "2"]) == 0
    assert capsys.readouterr().out.count("before") == 2
    assert run_command(["expand", str(spec), "--variant", "corp", "--out", str(tmp_path / "rows")]) == EXIT_SPEC
    assert "did you mean 'crop'" in capsys.readouterr().err
    assert not (tmp_path / "rows").exists()
    assert run_command(["expand", str(spec), "--variant", "crop", "--out", str(tmp_path / "rows"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    files = sorted(Path(facts["rows"]).rglob("*.parquet"))
    rows = leaven.Histories.from_parquet(*files)
    assert len(rows) == facts["real_rows"] + facts["synthetic_rows"]
    assert int((~rows.is_real).sum()) == facts["synthetic_rows"]


def test_lists_longer_than_the_catalog_are_an_error(capsys: Captured, spec: Path, tmp_path: Path) -> None:
    typed = ["run", str(spec), "--out", str(tmp_path / "run"), "--set", 'evaluate.metrics=["ndcg@41"]']
    assert run_command(typed) == EXIT_DATA
    assert "at most 40 items" in capsys.readouterr().err


def test_a_split_without_test_users_is_an_error(capsys: Captured, spec: Path, tmp_path: Path) -> None:
    few = spec.with_name("few.csv")
    few.write_text("user_id,item_id,timestamp\n" + "".join(f"u{n},i{n % 50},{1318896000 + n}\n" for n in range(99)))
    typed = ["run", str(spec), "--out", str(tmp_path / "run"), "--set", "data.interactions=few.csv"]
    assert run_command(typed) == EXIT_DATA
    error = capsys.readouterr().err
    assert "at least one user" in error


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command end with this error."""

    def fail(options: object) -> int:
        raise error

    monkeypatch.setattr(entry, "_invoke_command", fail)


def test_a_gate_has_its_own_exit_code(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, GateError("gate", "at most 5 % copies", "7 %", "add a filter"))
    assert run_command(["quality"]) == EXIT_GATE
    assert capsys.readouterr().err == "error: gate\n  expected  at most 5 % copies\n  got       7 %\n  → add a filter\n"


def test_an_unexpected_error_is_reported_as_a_bug_with_a_saved_traceback(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing(monkeypatch, KeyError("odd"))
    assert run_command(["list"]) == 1
    err = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert "bug in leaven" in err
    assert str(kept) in err
    assert "Traceback" not in err
    assert "KeyError: 'odd'" in kept.read_text()


@pytest.mark.parametrize("place", [0, 1])
def test_debug_shows_the_traceback_at_any_position(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    failing(monkeypatch, KeyError("odd"))
    typed = ["list"]
    typed.insert(place, "--debug")
    assert run_command(typed) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_one_clear_error_from_any_library(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (OSError(28, "No space left on device", "runs/x"), RuntimeError("IO Error: No space left on device")):
        failing(monkeypatch, error)
        assert run_command(["run"]) == EXIT_DATA
        assert "a full disk" in capsys.readouterr().err


def test_an_unreachable_server_is_no_bug(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    unreached = type("NoCredentialsError", (Exception,), {"__module__": "botocore.exceptions"})
    failing(monkeypatch, unreached("Unable to locate credentials"))
    assert run_command(["profile"]) == EXIT_DATA
    assert "credentials" in capsys.readouterr().err


def test_an_interrupted_run_names_the_command_that_resumes_it(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert run_command(["run", "a spec.toml", "--out", "runs/a"]) == EXIT_INTERRUPTED
    assert "`leaven run 'a spec.toml' --out runs/a --resume` continues" in capsys.readouterr().err
    assert run_command(["simulate"]) == EXIT_INTERRUPTED
    assert "continues" not in capsys.readouterr().err


def test_a_run_prints_the_verdict_and_the_path_of_the_page(capsys: Captured, a_run: Path) -> None:
    runs._show_findings(a_run, json=False)
    out = capsys.readouterr().out
    assert "crop and substitute" in out
    assert out.rstrip().endswith(f"report: {a_run / 'report.html'}")
    runs._show_findings(a_run, json=True)
    assert json.loads(capsys.readouterr().out)["verdict"]["headline"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_unwritable_stdout_is_an_error() -> None:
    with Path("/dev/full").open("w") as full_disk:
        ended = subprocess.run(command("list"), stdout=full_disk, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert ended.returncode == EXIT_DATA
    assert "a full disk" in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_a_closed_pipe_is_no_error() -> None:
    for typed in (["list", "metrics"], ["--help"]):
        process = subprocess.Popen(command(*typed), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_partial_files(tmp_path: Path, stop: signal.Signals) -> None:
    typed = command("simulate", "--users", "300000", "--items", "20000", "--out", str(tmp_path / "shop"))
    with subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stderr is not None
        assert b"simulating" in process.stderr.readline()
        time.sleep(0.2)
        process.send_signal(stop)
        assert b"interrupted" in process.stderr.read()
    assert process.returncode == EXIT_INTERRUPTED
    assert not (tmp_path / "shop").exists()
