"""What `compare` makes of the table of runs is what the benchmark of claims judges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.claims import ALPHA, MARGIN, SIZES, TRUE, WORLDS, Trials, World, effects
from energyctl.analysis.compare import CompareOptions, by_name, compare_groups
from energyctl.analysis.compare.verdicts import holm, holm_margins, verdict


def rows_of(campaign: Any, places: Any) -> list[dict[str, Any]]:
    """The campaign in the table of runs: total energy in joules, a run an hour."""
    return [
        {
            "experiment_id": f"{block} {condition}", "campaign": "a", "experiment": 0,
            "repetition": block, "block": block, "condition": f"condition {condition}",
            "repository": "r", "model": "m", "status": "succeeded", "warm_up": False,
            "total_joules": math.exp(campaign[block, condition]),
            "started": 3600.0 * places[block, condition],
        }
        for block, condition in np.ndindex(*campaign.shape)
    ]  # fmt: skip


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("conditions", [2, 3])
def test_rows_come_to_the_same_verdicts(world: World, conditions: int) -> None:
    for blocks in SIZES:
        trials = Trials(world, 0.015, blocks, (0.0, *[TRUE] * (conditions - 1)))
        for number, campaign in enumerate(trials.campaigns(5)):
            rows = rows_of(campaign, trials.places(f"{number}", blocks, conditions))
            groups = by_name(rows, "condition")
            assert groups is not None
            options = CompareOptions(margin=0.05)
            study = compare_groups(groups, ["total_joules"], options, "condition")
            wanted = effects(campaign)
            ps = holm([found.p for found in wanted])
            margins = holm_margins(wanted, MARGIN)
            for one, found, p, ps_of_margin in zip(
                study.comparisons, wanted, ps, margins, strict=True
            ):
                assert one.ratio is not None
                assert (one.ratio.mean, one.ratio.p, one.p_adjusted) == pytest.approx(
                    (found.mean, found.p, p)
                )
                assert one.verdict == verdict(found, p, ALPHA, MARGIN, ps_of_margin)
