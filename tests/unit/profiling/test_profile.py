"""Profile: a file's owner learns what it is and what would happen to it."""

import json
import os
from pathlib import Path

import pytest

from leaven.cleaning import CleaningConfig
from leaven.errors import DataError
from leaven.profiling.profile import profile_log
from leaven.simulator import Corruption, Simulator

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))


def needs(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is not there; LEAVEN_DATA names the folder of real data")
    return path


def test_a_corrupted_log_is_profiled_from_its_file(tmp_path: Path) -> None:
    Simulator(users=300, items=120, days=200).build_world().write_files(
        tmp_path / "shop", Corruption.typical(), images=False
    )
    truth = json.loads((tmp_path / "shop/truth.json").read_text())["facts"]
    facts = profile_log(tmp_path / "shop/interactions.csv")
    assert facts["reading"]["columns"]["price"] == "price"
    found = {one["rule"]: one["touched"] for one in facts["survey"]}
    assert (found["lines"], found["duplicates"]) == (truth["lines"], truth["duplicates"])
    assert facts["raw"]["events"] > facts["health"]["events"] > 0.8 * truth["events"]
    assert facts["split"]["test_users"] > 0
    assert facts["targets"]["split"] == "time"
    nats = [one["divergence"] for one in facts["targets"]["rules"]]
    assert nats == sorted(nats)
    assert sum(facts["targets"]["recommended"] in said for said in facts["advice"]) == 1
    assert json.loads(json.dumps(facts)) == facts


def test_a_table_of_items_is_not_a_log(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title,category\nx,Mug,mugs\ny,Lamp,lamps\n")
    with pytest.raises(DataError, match="as of items"):
        profile_log(path)


def test_a_log_without_a_clock_is_advised_leave_one_out(tmp_path: Path) -> None:
    path = tmp_path / "sequences.txt"
    path.write_text(
        "".join(f"u{n} " + " ".join(f"i{(n * k) % 17}" for k in range(1, 4 + n % 6)) + "\n" for n in range(1, 40))
    )
    facts = profile_log(path)
    assert any("leave_one_out" in said for said in facts["advice"])
    assert facts["targets"]["split"] == "leave_one_out"


def test_one_event_per_user_gives_advice_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,timestamp\n" + "".join(f"u{n},i{n % 3},{1318896000 + n}\n" for n in range(9)))
    facts = profile_log(path, CleaningConfig(duplicates=False))
    assert "error" in facts["split"]
    assert "error" in facts["targets"]
    assert facts["advice"][0].startswith("The time split does not work here")


@pytest.mark.data
def test_the_beauty_log_shows_its_ties_and_its_leak() -> None:
    facts = profile_log(needs(DATA / "beauty/interactions.csv"))
    assert (facts["health"]["users"], facts["health"]["items"], facts["health"]["events"]) == (22_363, 12_101, 198_502)
    assert sum(one["dropped"] for one in facts["cleaning"]) == 0
    assert 0.2 < facts["leave_one_out_leak_share"] < 0.3
