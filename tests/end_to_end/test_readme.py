"""What the README shows in Python runs as it stands there."""

import re
from pathlib import Path

from leaven.simulator import Simulator

README = Path(__file__).parent.parent.parent / "README.md"


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys) -> None:
    Simulator(users=200, items=60, days=200, seed=3).build_world().write_files(tmp_path / "shop", images=False)
    (tmp_path / "shop" / "interactions.csv").rename(tmp_path / "interactions.csv")
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert len(found) == 1
    names: dict = {}
    exec(found[0], names)
    assert len(names["bigger"]) == 4 * len(names["split"].train)
    assert len(re.findall(r"before\s+after", capsys.readouterr().out)) >= 2
