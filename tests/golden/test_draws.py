"""Every registered kind draws the same bytes as when its digest was pinned."""

import pytest
from tests.golden.digest import pinned
from tests.golden.draws import FAMILIES, LEFT_OUT, cases, digests_of

from leaven import registry

pytest.importorskip("cv2", reason="pictures are read and warped by OpenCV: pip install 'leaven[image]'")
pytest.importorskip("rjieba", reason="Chinese words are cut by rjieba: pip install 'leaven[text]'")
FIX = "a new or renamed kind, or an intended change of draws: `python -m tests.golden.regenerate` pins the digests"


@pytest.mark.parametrize(("family", "kind"), cases())
def test_a_kind_draws_what_was_pinned(family: str, kind: str) -> None:
    known = pinned().get(family, {}).get(kind)
    assert known is not None, f"{family}/{kind} has no digest; {FIX}"
    assert digests_of(family, kind) == known, f"{family}/{kind} draws other rows; {FIX}"


def test_every_pinned_digest_belongs_to_a_kind() -> None:
    known = {(family, kind) for family, kinds in pinned().items() if family != "expanded" for kind in kinds}
    assert known == set(cases()), FIX


def test_what_is_left_out_is_registered() -> None:
    assert all(kinds <= set(registry.FAMILIES[family]) for family, kinds in LEFT_OUT.items())
    assert set(FAMILIES) <= set(registry.FAMILIES)
