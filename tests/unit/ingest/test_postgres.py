"""A real PostgreSQL, started for this file alone on 127.0.0.1, answers like any other source."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaven.errors import DataError
from leaven.ingest import LogSource, read_events

PROGRAMS = [shutil.which("initdb"), shutil.which("postgres")]
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(None in PROGRAMS, reason="no PostgreSQL server programs (initdb, postgres) on the path"),
]
USER = "nobody"
"""PostgreSQL refuses to run as root."""


def unprivileged(command: list[str]) -> list[str]:
    return (
        ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", *command] if os.getuid() == 0 else command
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty database."""
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL refuses root, and setpriv is not installed")
    folder = Path(tempfile.mkdtemp(prefix="leaven-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, USER)
    data, port = folder / "data", free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    make = ["initdb", "-D", str(data), "-U", "shop", "--auth", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"]
    subprocess.run(unprivileged(make), check=True, **quiet)
    options = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-F"]
    process = subprocess.Popen(unprivileged(["postgres", *options]), **quiet)
    url = f"postgresql://shop:secret@127.0.0.1:{port}/postgres"
    try:
        await_answer(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def await_answer(url: str, process: "subprocess.Popen[bytes]") -> None:
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi", reason="pip install 'leaven[databases]'")
    for _ in range(100):
        try:
            dbapi.connect(url).close()
            return
        except dbapi.Error:
            assert process.poll() is None, "the server ended at once"
            time.sleep(0.1)
    raise AssertionError("the server did not answer within 10 seconds")


def test_tables_queries_and_dates_of_postgresql_are_read(server: str) -> None:
    import adbc_driver_postgresql.dbapi as dbapi

    with dbapi.connect(server) as database, database.cursor() as cursor:
        cursor.execute('CREATE TABLE "Log" (who BIGINT, what TEXT, at TIMESTAMPTZ, paid DOUBLE PRECISION)')
        cursor.execute("""INSERT INTO "Log" VALUES (7, '007', '2011-10-18 02:00:00+02', 2.5), (8, 'b', NULL, NULL)""")
        database.commit()
    columns = {"user": "who", "item": "what", "time": "at", "price": "paid"}
    expected = [("7", "007", 1318896000, 2.5), ("8", "b", None, None)]
    for source in (LogSource(server, columns, table="Log"), LogSource(server, columns, query='SELECT * FROM "Log"')):
        events = read_events(source)
        found = events.connection.sql("SELECT user, item, time, price FROM events ORDER BY line").fetchall()
        assert found == expected
        assert "secret" not in str(events.facts)


def test_a_missing_table_is_reported_without_the_password(server: str) -> None:
    with pytest.raises(DataError, match="lgo") as caught:
        read_events(LogSource(server, table="lgo"))
    assert "secret" not in str(caught.value)
