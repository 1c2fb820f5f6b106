"""The bounded heap compared with a full sort."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.kernels.top_n_lists import pop_sorted, push_item


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_best_items_are_sorted_with_ties_by_id(levels, keep, chance) -> None:
    offers = [(level / 4, item) for item, level in enumerate(levels, 1)]
    chance.shuffle(offers)
    scores, items, size = np.zeros(keep), np.zeros(keep, np.int32), 0
    for score, item in offers:
        size = push_item(scores, items, size, score, item)
    out, out_scores = np.zeros(size, np.int32), np.zeros(size, np.float32)
    pop_sorted(scores, items, size, out, out_scores)
    wanted = sorted(offers, key=lambda pair: (-pair[0], pair[1]))[:keep]
    assert list(zip(out_scores.tolist(), out.tolist(), strict=True)) == wanted
