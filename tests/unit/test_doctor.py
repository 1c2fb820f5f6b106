"""The doctor tells what is there from what is missing."""

from leaven import environment

REQUIREMENTS = [
    "numpy>=2.0",
    "typer>=999.0",
    'no-such-library>=1.0; extra == "wish"',
    'numpy>=1.0; extra == "wish"',
    'leaven[wish]; extra == "all"',
    'pytest>=1.0; extra == "dev"',
]


def test_what_is_missing_or_too_old_is_told_from_what_fits() -> None:
    needed, (wish,) = environment.libraries(REQUIREMENTS)
    assert {library.name: library.fits for library in needed} == {"numpy": True, "typer": False}
    assert wish.missing == ("no-such-library",)
    assert wish.install == "pip install 'leaven[wish]'"


def test_a_build_without_what_it_needs_is_not_healthy() -> None:
    needed, extras = environment.libraries(REQUIREMENTS)
    assert not environment.Checkup({}, needed, extras, ()).healthy
    assert environment.Checkup({}, needed[:1], extras, ()).healthy


def test_this_machine_can_run_leaven() -> None:
    found = environment.examine()
    assert found.healthy
    assert {"torch", "spark", "image"} <= {extra.name for extra in found.extras}
    assert int(found.machine["cores"]) >= 1


def test_versions_compare_as_numbers() -> None:
    assert environment.Library("x", "1.9", "1.10.0rc1").fits
    assert environment.Library("x", "2.5", "2.13.0+cpu").fits
    assert not environment.Library("x", "2.5", "2.4.9").fits


def test_a_container_limit_counts_not_the_host(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    files = {
        "/sys/fs/cgroup/cpu.max": "100000 100000\n",
        "/proc/meminfo": "MemAvailable:   8388608 kB\n",
        "/sys/fs/cgroup/memory.max": str(1 << 30),
        "/sys/fs/cgroup/memory.current": str(1 << 28),
    }
    monkeypatch.setattr(environment, "_read", lambda path: files.get(path, ""))
    assert environment.cores() == 1
    assert environment.memory_mb() == 1024 - 256
