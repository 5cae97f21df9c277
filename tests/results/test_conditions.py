from __future__ import annotations

from typing import Any

import pytest

from energyctl.config.plan import BackgroundJob, Run, Training
from energyctl.results.conditions import condition_of, is_warm_up
from energyctl.results.tables import Part, run_row

DIGITS, OTHER = Training("digits", "mlp", {}), Training("a/b", "c", {"x": 1})


def job(training: Training) -> dict[str, Any]:
    return {"repo": training.repo, "model": training.model}


@pytest.mark.parametrize(
    ("background", "label"),
    [
        ((), "alone"),
        ((BackgroundJob(DIGITS),), "beside digits/mlp"),
        ((BackgroundJob(DIGITS, copies=3),), "beside 3 × digits/mlp"),
        ((BackgroundJob(OTHER), BackgroundJob(DIGITS, 2)), "beside a/b/c + 2 × digits/mlp"),
        ((BackgroundJob(OTHER), BackgroundJob(OTHER)), "beside 2 × a/b/c"),
    ],
)
def test_a_run_and_its_result_have_the_same_derived_label(
    background: tuple[BackgroundJob, ...], label: str
) -> None:
    run = Run(1, 0, 1, "parallel", DIGITS, background=background)
    assert run.condition == label
    jobs = [job(one.training) for one in background for _ in range(one.copies)]
    older = {"mode": "parallel", "background_info": {"jobs": jobs}}
    if jobs:
        assert condition_of(older) == label
    assert condition_of({"mode": "default", "background_info": None}) == "alone"
    assert condition_of({**older, "condition": "heavy load"}) == "heavy load"


def test_what_an_older_result_does_not_say() -> None:
    assert condition_of({"mode": "parallel", "background_info": None}) == "beside a background"
    unknown = {"jobs": [{"repo": None, "model": None}]}
    assert condition_of({"background_info": unknown}) == "beside a background"
    assert condition_of({"background_info": {"repo": "r", "model": "m"}}) == "beside r/m"
    assert not is_warm_up({})


def test_a_run_keeps_its_labels_in_the_journal_and_older_ones_have_none() -> None:
    labels = {"condition": "light", "block": 4, "training_seed": 2**31 - 1, "warm_up": True}
    run = Run(7, 2, 3, "mutation", DIGITS, **labels)  # type: ignore[arg-type]
    data = run.to_json()
    assert {name: data[name] for name in labels} == labels
    assert Run.from_json(data) == run
    older = Run.from_json({key: value for key, value in data.items() if key not in labels})
    assert (older.condition, older.block) == ("alone", None)
    assert (older.training_seed, older.warm_up) == (None, False)


def test_the_table_of_runs_has_them() -> None:
    result = {"experiment_id": "e", "status": "succeeded", "foreground_result": job(DIGITS)}
    row = run_row(Part(result), "e.json")
    assert (row["condition"], row["block"], row["warm_up"]) == ("alone", None, False)
    labels = {"condition": "light", "block": 4, "training_seed": 9, "warm_up": True}
    row = run_row(Part({**result, **labels}), "e.json")
    assert {name: row[name] for name in labels} == labels
