from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise, permutations

import pytest

from energyctl.config.plan.orders import MOST_BALANCED, block_orders, permutation

CAMPAIGNS = 2000
Orders = list[tuple[int, ...]]


def orders(campaign: int, conditions: int, blocks: int) -> Orders:
    return list(islice(block_orders(f"{campaign}\0{0}", conditions), blocks))


def group_size(conditions: int) -> int:
    return conditions if conditions % 2 == 0 else 2 * conditions


def is_balanced(group: Orders) -> bool:
    """Each condition equally often at each place, and each one equally often behind each other."""
    conditions = range(len(group[0]))
    places = Counter((place, one) for order in group for place, one in enumerate(order))
    behind = Counter(pair for order in group for pair in pairwise(order))
    wanted = {(place, one) for place in conditions for one in conditions}
    return (
        places.keys() == wanted
        and len(set(places.values())) == 1
        and behind.keys() == set(permutations(conditions, 2))
        and len(set(behind.values())) == 1
    )


@pytest.mark.parametrize("conditions", [2, 3, 4])
def test_each_group_of_blocks_is_balanced_in_each_campaign(conditions: int) -> None:
    size = group_size(conditions)
    for campaign in range(CAMPAIGNS):
        drawn = orders(campaign, conditions, 24)
        assert all(sorted(order) == list(range(conditions)) for order in drawn)
        for begin in range(0, 24 // size * size, size):
            assert is_balanced(drawn[begin : begin + size]), (campaign, begin)


@pytest.mark.parametrize("conditions", [2, 3, 4])
def test_a_longer_campaign_keeps_its_first_orders(conditions: int) -> None:
    for campaign in range(CAMPAIGNS):
        longest = orders(campaign, conditions, 20)
        blocks = 3 + campaign % 17  # 3 to 19
        assert orders(campaign, conditions, blocks) == longest[:blocks]


@pytest.mark.parametrize("conditions", range(5, MOST_BALANCED + 1))
def test_more_conditions_are_balanced_alike(conditions: int) -> None:
    size = group_size(conditions)
    drawn = orders(1, conditions, 2 * size)
    assert is_balanced(drawn[:size])
    assert is_balanced(drawn[size:])


def test_of_very_many_each_block_is_drawn_by_itself() -> None:
    drawn = orders(1, MOST_BALANCED + 1, 3)
    assert all(sorted(order) == list(range(MOST_BALANCED + 1)) for order in drawn)
    assert len(set(drawn)) == 3


def test_which_comes_first_is_drawn() -> None:
    first = Counter(orders(campaign, 2, 1)[0] for campaign in range(CAMPAIGNS))
    assert set(first) == {(0, 1), (1, 0)}
    assert 850 < first[0, 1] < 1150  # 3.4 standard deviations
    every = Counter(permutation(str(campaign), 4) for campaign in range(CAMPAIGNS))
    assert set(every) == set(permutations(range(4)))
    assert 45 < min(every.values()) <= max(every.values()) < 125


def test_what_is_drawn_stays_the_same_in_later_versions() -> None:
    assert orders(1, 2, 6) == [(1, 0), (0, 1), (1, 0), (0, 1), (1, 0), (0, 1)]
    assert orders(7, 4, 4) == [(3, 2, 1, 0), (0, 1, 2, 3), (2, 0, 3, 1), (1, 3, 0, 2)]
    assert orders(1, 3, 6) == [
        *((0, 2, 1), (1, 0, 2), (2, 0, 1)),
        *((0, 1, 2), (2, 1, 0), (1, 2, 0)),
    ]
