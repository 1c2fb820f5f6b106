"""The expansion stage writes the same rows and views as when their digests were pinned."""

import pytest
from tests.golden.digest import pinned
from tests.golden.expanded import SPECS, digests_of

pytest.importorskip("cv2", reason="pictures are read and warped by OpenCV: pip install 'leaven[image]'")
pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")
FIX = "an intended change: `python -m tests.golden.regenerate` pins the digests"


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_expands_to_what_was_pinned(name: str) -> None:
    known = pinned().get("expanded", {}).get(name)
    assert known is not None, f"no digest of {name}; {FIX}"
    assert digests_of(name) == known, FIX
