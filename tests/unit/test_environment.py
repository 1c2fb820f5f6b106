"""Inspection of libraries, extras and machine limits."""

from leaven import environment

REQUIREMENTS = [
    "numpy>=2.0",
    "typer>=999.0",
    'no-such-library>=1.0; extra == "demo"',
    'numpy>=1.0; extra == "demo"',
    'leaven[demo]; extra == "all"',
    'pytest>=1.0; extra == "dev"',
]


def test_missing_and_too_old_libraries_are_reported() -> None:
    needed, (demo,) = environment.parse_requirements(REQUIREMENTS)
    assert {library.name: library.is_compatible for library in needed} == {"numpy": True, "typer": False}
    assert demo.missing_libraries == ("no-such-library",)
    assert demo.install_command == "pip install 'leaven[demo]'"


def test_an_installation_without_required_libraries_is_not_healthy() -> None:
    needed, extras = environment.parse_requirements(REQUIREMENTS)
    assert not environment.EnvironmentReport({}, needed, extras, ()).is_healthy
    assert environment.EnvironmentReport({}, needed[:1], extras, ()).is_healthy


def test_this_machine_is_healthy() -> None:
    report = environment.inspect_environment()
    assert report.is_healthy
    assert {"torch", "spark", "image"} <= {extra.name for extra in report.extras}
    assert int(report.machine["cores"]) >= 1


def test_versions_compare_as_numbers() -> None:
    assert environment.Library("x", "1.9", "1.10.0rc1").is_compatible
    assert environment.Library("x", "2.5", "2.13.0+cpu").is_compatible
    assert not environment.Library("x", "2.5", "2.4.9").is_compatible


def test_the_limits_of_a_container_apply(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    files = {
        "/sys/fs/cgroup/cpu.max": "100000 100000\n",
        "/proc/meminfo": "MemAvailable:   8388608 kB\n",
        "/sys/fs/cgroup/memory.max": str(1 << 30),
        "/sys/fs/cgroup/memory.current": str(1 << 28),
    }
    monkeypatch.setattr(environment, "_read_file", lambda path: files.get(path, ""))
    assert environment.count_cores() == 1
    assert environment.get_free_memory_mb() == 1024 - 256
