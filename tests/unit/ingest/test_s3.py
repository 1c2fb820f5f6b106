"""`s3://` is read through fsspec, from a server on this machine."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaven.errors import DataError
from leaven.ingest import read_events

TABLE = pa.table({"user_id": ["u2", "u1"], "item_id": ["a", "b"], "timestamp": [1318896000, 1318896001]})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_s3_folder_is_read_and_a_missing_one_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs", reason="pip install 'leaven[s3]'")
    server_of = pytest.importorskip("moto.server", reason="moto[server] is not installed", exc_type=ImportError)
    pq.write_table(TABLE, tmp_path / "log.parquet")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "a"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        import s3fs

        system = s3fs.S3FileSystem()
        system.mkdir("shop")
        system.put(str(tmp_path / "log.parquet"), "shop/2011/log.parquet")
        system.pipe("shop/log.csv", b"user_id,item_id,timestamp\nu2,a,1318896000\nu1,b,1318896001\n")
        expected = [("u2", "a", 1318896000), ("u1", "b", 1318896001)]
        for source in ("s3://shop/2011/log.parquet", "s3://shop/2011", "s3://shop/*.csv"):
            found = read_events(source).connection.sql("SELECT user, item, time FROM events ORDER BY line").fetchall()
            assert found == expected, source
        with pytest.raises(DataError, match="nothing there"):
            read_events("s3://shop/lgo.csv")
    finally:
        server.stop()
