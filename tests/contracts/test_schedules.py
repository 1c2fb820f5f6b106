"""Every registered schedule satisfies its contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.registered import wish_of
from leaven.registry import list_kinds

KINDS = list(list_kinds("schedules"))


@pytest.mark.parametrize("kind", KINDS)
@given(progress=st.floats(-0.5, 1.5))
def test_a_strength_lies_in_0_to_1_at_any_progress(kind, progress) -> None:
    assert 0 <= wish_of("schedules", kind)()(progress) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_progress_beyond_an_end_is_that_end(kind) -> None:
    schedule = wish_of("schedules", kind)()
    assert schedule(-1) == schedule(0)
    assert schedule(2) == schedule(1)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_configs_are_equal_objects(kind) -> None:
    assert wish_of("schedules", kind)() == wish_of("schedules", kind)()
