"""Progress phases and their rendering."""

import io

from rich.console import Console

from leaven.progress import LineRenderer, PhaseProgress, PhaseTracker, format_duration, format_share, show_progress


class Clock:
    """A clock controlled by the test."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def told(steps: list[tuple[float, int, int, str]]) -> list[str]:
    """The lines printed for calls (seconds since the last, done, total, text)."""
    clock, out = Clock(), io.StringIO()
    phases = PhaseTracker(LineRenderer(out), clock)
    for wait, done, total, words in steps:
        clock.now += wait
        phases(done, total, words)
    phases.end_phase()
    return out.getvalue().splitlines()


def test_a_line_is_printed_every_few_seconds_and_at_the_end() -> None:
    lines = told([(0, 0, 100, "train"), *[(1, 10 * n, 100, "train · loss 2.5") for n in range(1, 11)]])
    assert lines == ["train: 50 % · 5.0 s left · loss 2.5", "train: 10 s"]


def test_a_phase_of_unknown_length_is_announced() -> None:
    assert told([(0, 0, 0, "read"), (2, 0, 0, "read"), (1, 0, 0, "clean"), (0.1, 1, 1, "clean")]) == [
        "read …",
        "read: 3.0 s",
    ]


def test_a_continuing_count_is_one_phase_despite_different_text() -> None:
    steps = [(0, 0, 100, "a: train"), (3, 30, 100, "a: loss 2.5"), (3, 60, 100, "a: train"), (4, 100, 100, "a: train")]
    assert told(steps) == ["a: train: 60 % · 4.0 s left · loss 2.5", "a: train: 10 s"]
    assert told([*steps[:3], (3, 70, 100, "b: train")])[-1] == "a: train: ended at 60 of 100 after 9.0 s"


def test_work_without_calls_is_shown_as_the_unnamed_phase() -> None:
    clock, out = Clock(), io.StringIO()
    phases = PhaseTracker(LineRenderer(out), clock)
    phases(1, 1, "read")
    for _ in range(9):
        clock.now += 1
        phases.refresh()
    phases(0, 4, "train")
    assert out.getvalue().splitlines() == ["working …", "working: 5.0 s so far"]


def test_elapsed_time_is_refreshed_between_calls() -> None:
    clock, out = Clock(), io.StringIO()
    phases = PhaseTracker(LineRenderer(out), clock)
    phases(0, 0, "compare")
    for _ in range(12):
        clock.now += 1
        phases.refresh()
    phases.end_phase()
    assert out.getvalue().splitlines() == [
        "compare …",
        "compare: 5.0 s so far",
        "compare: 10 s so far",
        "compare: 12 s",
    ]


def test_a_very_short_phase_prints_nothing() -> None:
    assert told([(0, 0, 3, "count"), (0.1, 3, 3, "count")]) == []


def test_a_phase_that_ends_early_reports_its_count() -> None:
    assert told([(0, 0, 100, "train"), (4, 34, 100, "train"), (0, 0, 9, "rank")]) == [
        "train: ended at 34 of 100 after 4.0 s"
    ]


def test_the_same_text_starts_a_new_phase_when_the_count_restarts() -> None:
    lines = told([(0, 0, 2, "train"), (9, 2, 2, "train"), (0, 0, 2, "train"), (9, 2, 2, "train")])
    assert lines == ["train: 9.0 s", "train: 9.0 s"]


def test_the_time_left_is_known_only_once_something_is_done() -> None:
    assert PhaseProgress("x", 0.0, 8.0, done=0, total=10).seconds_left is None
    assert PhaseProgress("x", 0.0, 8.0, done=8, total=0).seconds_left is None
    assert PhaseProgress("x", 0.0, 8.0, done=4, total=10).seconds_left == 8.0 / 4 * 6


def test_shares_and_durations_are_readable() -> None:
    assert format_share(PhaseProgress("x", 0.0, 3.0)) == "3.0 s so far"
    assert format_share(PhaseProgress("x", 0.0, 3.0, done=999, total=1000)) == "99 %"
    assert [format_duration(seconds) for seconds in (9.96, 59.4, 3599, 3661)] == [
        "10.0 s",
        "59 s",
        "59 min 59 s",
        "1 h 1 min",
    ]


def test_a_pipe_gets_lines_and_a_terminal_gets_bars() -> None:
    piped, terminal = io.StringIO(), io.StringIO()
    for console in (Console(file=piped), Console(file=terminal, force_terminal=True, width=80, _environ={})):
        with show_progress(console) as tell:
            tell(0, 0, "reading [the log]")
            tell(1, 4, "training · loss 2.1")
    assert "\x1b" not in piped.getvalue()
    assert "training" in terminal.getvalue()
    assert "━" in terminal.getvalue()
    assert "[the log]" in terminal.getvalue()
