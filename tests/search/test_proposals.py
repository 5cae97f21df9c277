"""What is proposed: by the finished trials, the seed and the number alone, within the registry."""

from __future__ import annotations

import math
from typing import Any

import pytest

from energyctl.config.plan import search_space
from energyctl.config.plan.search_space import SearchSpace
from energyctl.energy import baseline
from energyctl.search.proposals import STARTUP_TRIALS, FinishedTrial, propose
from search_spaces import PARAMETERS, space

LR = {"learning_rate": PARAMETERS["learning_rate"]}


def objectives(values: dict[str, Any]) -> tuple[float, float]:
    """Energy, and what is lost of the accuracy: best at a learning rate of 0.003."""
    off = abs(math.log10(values["learning_rate"] / 0.003))
    return values.get("epochs", 1) * 10.0, off / values.get("epochs", 1)


def searched(of: SearchSpace, trials: int, **how: Any) -> list[FinishedTrial]:
    finished: list[FinishedTrial] = []
    for number in range(1, trials + 1):
        values = propose(of, finished, number, **how)
        finished.append(FinishedTrial(values, objectives(values)))
    return finished


def test_the_same_trials_and_seed_give_the_same_proposal() -> None:
    first, again, other = (searched(space(seed=seed), 14) for seed in (1, 1, 2))
    assert [one.values for one in first] == [one.values for one in again]
    assert [one.values for one in first[1:]] != [one.values for one in other[1:]]
    # Also where another process goes on, which has proposed nothing itself.
    assert propose(space(seed=1), first[:12], 13) == first[12].values


def test_it_begins_with_the_defaults_and_stays_within_the_registry() -> None:
    trials = [one.values for one in searched(space(), 16)]
    assert trials[0] == {name: one["default"] for name, one in PARAMETERS.items()}
    for values in trials:
        assert 1e-5 <= values["learning_rate"] <= 1.0
        assert isinstance(values["epochs"], int)
        assert 1 <= values["epochs"] <= 40
        assert values["dropout"] == 0 or 0.1 <= values["dropout"] <= 0.5
        assert values["batch"] in (16, 64, 256)
    assert any(values["dropout"] == 0 for values in trials)


def test_it_learns_from_the_trials_before() -> None:
    def near(sampler: str) -> int:
        """Of the last 15 of 25 trials those within a factor of 3 of the best value."""
        trials = searched(space(LR), 25, sampler=sampler)[10:]
        return sum(
            abs(math.log(one.values["learning_rate"] / 0.003)) < math.log(3) for one in trials
        )

    assert near("tpe") >= near("random") + 3


def test_what_breaks_a_constraint_is_never_proposed() -> None:
    bound = space(constraints=("epochs * batch <= 1280",))
    trials = [one.values for one in searched(bound, STARTUP_TRIALS + 8)]
    assert all(values["epochs"] * values["batch"] <= 1280 for values in trials)


def test_nothing_is_tried_twice_and_the_search_ends_when_all_is_tried() -> None:
    few = space({"batch": {"type": "int", "default": 16, "choices": [*range(12)]}})
    finished: list[FinishedTrial] = []
    for number in range(1, 13):
        values = propose(few, finished, number)
        finished.append(FinishedTrial(values, (float(values["batch"]), 1.0)))
    with pytest.raises(LookupError):
        propose(few, finished, 13)
    assert sorted(one.values["batch"] for one in finished) == [*range(12)]


def test_failed_trials_are_not_tried_again_and_teach_nothing() -> None:
    trials = searched(space(), STARTUP_TRIALS + 2)
    failed = [FinishedTrial(one.values, None) for one in trials]
    values = propose(space(), failed, len(failed) + 1)
    assert values not in [one.values for one in trials]
    assert values == space().drawn(len(failed) + 1, [one.values for one in trials])


@pytest.mark.parametrize("runs_per_trial", [1, 2])
def test_each_trial_is_whole_blocks_and_the_order_of_conditions_varies(runs_per_trial: int) -> None:
    beside = {"repo": "load", "model": "small"}
    many = space(
        LR,
        experiment={"conditions": {"alone": None, "beside": beside}},
        runs_per_trial=runs_per_trial,
    )
    runs = [run for n in range(1, 9) for run in many.runs(n, {"learning_rate": 0.01 * n})]
    assert [run.index for run in runs] == [*range(1, 1 + len(runs))]
    blocks = [[run for run in runs if run.block == block] for block in {run.block for run in runs}]
    assert [len(block) for block in blocks] == [2] * 8 * runs_per_trial
    for block in blocks:
        assert {run.condition for run in block} == {"alone", "beside"}
        assert len({run.trial for run in block}) == 1
    assert len({tuple(run.condition for run in block) for block in blocks}) == 2
    assert {run.trial for run in runs} == {*range(1, 9)}
    assert runs[-1].foreground.hyperparameters["learning_rate"] == 0.08


def test_the_least_idle_baseline_is_that_of_the_energies() -> None:
    assert search_space.LEAST_IDLE_SECONDS == baseline.LEAST_SECONDS
