"""Conditions, grids and orders of a settings file: what they mean, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from energyctl.config import settings
from energyctl.config.settings.factors import cells

JOB = {"repo": "load", "model": "cpu"}
NET: dict[str, Any] = {"repo": "net", "model": "small"}
BESIDE: dict[str, Any] = {**NET, "conditions": {"alone": None, "beside": JOB}}
GRID: dict[str, Any] = {**NET, "mode": "grid", "grid": {"epochs": [1, 2], "dropout": [0.0, 0.5]}}


def check(*experiments: Any, **top: Any) -> settings.CheckedSettings:
    data = {"experiment_name": "x", **top, "experiments": list(experiments)}
    return settings.check(settings.parse(json.dumps(data, indent=1), "x.json"))


def valid(*experiments: Any, **top: Any) -> settings.Settings:
    checked = check(*experiments, **top)
    assert not checked.problems
    assert checked.settings is not None
    return checked.settings


def only(experiment: Any, **top: Any) -> settings.Experiment:
    (experiment,) = valid(experiment, **top).experiments
    assert isinstance(experiment, settings.Experiment)
    return experiment


def texts(checked: settings.CheckedSettings, severity: str, where: str) -> list[str]:
    return [
        f"{problem.message}; {problem.suggestion}"
        for problem in checked.problems
        if (problem.severity, problem.where) == (severity, where)
    ]


# -- what is meant ---------------------------------------------------------------------------------


def test_conditions_need_no_mode_and_the_training_stands_beside_them() -> None:
    experiment = only({**NET, "conditions": {"alone": None, " two of it ": [JOB, JOB]}})
    assert (experiment.mode, experiment.measured.mode) == ("default", "default")
    assert [one.label for one in experiment.conditions] == ["alone", "two of it"]
    assert [len(one.background) for one in experiment.conditions] == [0, 2]
    assert experiment.foreground is None
    assert only({**BESIDE, "mutate": ["epochs"]}).mode == "mutation"
    assert only({**BESIDE, "grid": GRID["grid"]}).mode == "grid"
    assert only({**BESIDE, "mode": "mutation", "mutate": ["epochs"]}).mode == "mutation"


def test_or_in_a_foreground_with_the_mode_parallel_or_without_it() -> None:
    conditions = BESIDE["conditions"]
    for mode in ({}, {"mode": "parallel"}):
        experiment = only(
            {**mode, "foreground": {**NET, "mutate": ["a"]}, "conditions": conditions}
        )
        assert (experiment.mode, experiment.measured.mode) == ("parallel", "mutation")
        assert experiment.foreground is not None
    beside = {"mode": "parallel", "foreground": {**NET, "grid": {"a": [1]}}, "background": JOB}
    assert only(beside).measured.mode == "grid"


def test_the_mode_of_the_file_does_not_count_for_conditions() -> None:
    checked = check(BESIDE, mode="mixed")
    assert checked.settings is not None
    assert [experiment.mode for experiment in checked.settings.experiments] == ["default"]


def test_the_order_is_blocks_where_there_are_any() -> None:
    assert only({**NET, "mode": "default"}).order == "as_written"
    assert only(BESIDE).order == only(GRID).order == "blocks"
    assert only(BESIDE, order="random").order == "random"
    assert only({**BESIDE, "order": "as_written"}, order="random").order == "as_written"


def test_cells_are_all_combinations_but_the_excluded_ones() -> None:
    grid = {"a": [1, 2], "b": ["x", True, 1]}
    assert len(cells(grid)) == 6
    assert cells(grid)[:2] == [{"a": 1, "b": "x"}, {"a": 1, "b": True}]
    assert cells(grid, [{"a": 1}, {"b": 1}]) == [{"a": 2, "b": "x"}, {"a": 2, "b": True}]
    assert cells({}) == [{}]


# -- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experiment", "where", "message"),
    [
        (
            {**BESIDE, "background": JOB},
            "background",
            'cannot stand beside "conditions"; move it into "conditions", under a label',
        ),
        ({**NET, "conditions": {"a": None}}, "conditions", "holds one condition only; write two"),
        ({**NET, "conditions": {}}, "conditions", "holds no condition; write two"),
        ({**NET, "conditions": [None, JOB]}, "conditions", "must be an object, not a list"),
        ({**NET, "conditions": {"a": None, "b": 5}}, "conditions.b", "must be an object, not 5"),
        ({**NET, "conditions": {"a": None, "b": []}}, "conditions.b", "must not be empty"),
        (
            {**NET, "conditions": {"a": None, "b": {"repo": "x"}}},
            "conditions.b.model",
            "is missing",
        ),
        (
            {**NET, "conditions": {"a": None, "a ": JOB}},
            'conditions["a "]',
            'differs from "a" by spaces alone; give each condition a label of its own',
        ),
        ({**NET, "conditions": {" ": None, "b": JOB}}, 'conditions[" "]', "must not be empty"),
        (
            {**NET, "conditions": {"a\x07": None, "b": JOB}},
            'conditions["a\\u0007"]',
            "it holds characters that cannot be printed; take them out",
        ),
        (
            {**NET, "conditions": {"a": None, "b": {**JOB, "repository": "x"}}},
            "conditions.b.repository",
            'is not a field; write "repo"',
        ),
        (
            {**NET, "conditions": {"a": None, "b": [JOB, {**JOB, "copie": 2}]}},
            "conditions.b[1].copie",
            'write "copies"',
        ),
        (
            {**NET, "conditions": {"a": None, "b": {**JOB, "place": [{}, {}]}}},
            "conditions.b.place",
            'holds 2 places, but "copies" is 1',
        ),
        ({**NET, "condition": BESIDE["conditions"]}, "condition", 'write "conditions"'),
        (
            {**BESIDE, "mode": "parallel"},
            "",
            'mode "parallel" needs a foreground; add "foreground": { … }, or leave "mode" out',
        ),
        (
            {"mode": "grid", "foreground": NET, "conditions": BESIDE["conditions"]},
            "foreground",
            'has no place in mode "grid"; write "mode": "parallel"',
        ),
        ({**NET, "mode": "grid"}, "", 'mode "grid" needs "grid"; add "grid": {"name": [levels]}'),
        ({**NET, "mode": "grid", "grids": GRID["grid"]}, "grids", 'write "grid"'),
        ({**NET, "mode": "grids", "grid": GRID["grid"]}, "mode", 'write "grid" if that is meant'),
        ({**GRID, "mode": "default"}, "grid", 'no place in mode "default"; write "mode": "grid"'),
        ({**GRID, "mode": "mutation", "mutate": ["a"]}, "grid", 'no place in mode "mutation"'),
        ({**GRID, "grid": {}}, "grid", "must not be empty"),
        ({**GRID, "grid": {"epochs": []}}, "grid.epochs", "must not be empty"),
        ({**GRID, "grid": {"epochs": 3}}, "grid.epochs", "must be a list, not 3"),
        ({**GRID, "grid": {"epochs": [None]}}, "grid.epochs[0]", "not null"),
        ({**GRID, "grid": {"a": [1, 2, 1.0]}}, "grid.a[2]", "1.0 is there twice; remove one"),
        (
            {**GRID, "grid": {"governor": ["performance", "fast"]}},
            "grid.governor[1]",
            'conservative" or "schedutil", not "fast"',
        ),
        (
            {**GRID, "grid": {"gpu_power_limit_watts": [200, 0]}},
            "grid.gpu_power_limit_watts[1]",
            "must be more than 0, not 0",
        ),
        (
            {**GRID, "grid": {"gpu_clock_mhz": [1200.5]}},
            "grid.gpu_clock_mhz[0]",
            "must be a whole number, not 1200.5",
        ),
        (
            {**GRID, "grid": {"gpu_clock_mhz": [1200, 1200.0]}},
            "grid.gpu_clock_mhz[1]",
            "must be a whole number, not 1200.0; write 1200",
        ),
        (
            {**GRID, "grid": {"gpu_clock_mhz": [1200]}, "gpu_clock_mhz": 900},
            "gpu_clock_mhz",
            'has levels, too: "grid" names it; remove one of them',
        ),
        ({**GRID, "exclude": {"epochs": 1}}, "exclude", "must be a list, not an object"),
        (
            {**GRID, "exclude": [{"epoch": 1}]},
            "exclude[0].epoch",
            'is not in "grid"; did you mean "epochs"?',
        ),
        ({**GRID, "exclude": [{}]}, "exclude", "leaves nothing of the grid; take entries out"),
        ({**GRID, "exclude": [{"epochs": 1}, {"epochs": 2}]}, "exclude", "leaves nothing"),
        ({**NET, "mode": "default", "exclude": [{"a": 1}]}, "exclude", 'goes with "grid"'),
        ({**GRID, "order": "blcoks"}, "order", 'write "blocks"'),
        (
            {**GRID, "runs_per_config": 30_000},
            "grid",
            "would be 120000 runs, and 100000 is the most of one experiment; leave levels or "
            'repetitions out, or write "most_runs": 120000 at the top',
        ),
        ({**BESIDE, "runs_per_config": 50_001}, "", "would be 100002 runs"),
    ],
)
def test_what_is_wrong_is_said_with_its_cure(
    experiment: dict[str, Any], where: str, message: str
) -> None:
    checked = check(experiment, {**NET, "mode": "default"})
    place = f"experiments[0].{where}" if where else "experiments[0]"
    assert any(message in text for text in texts(checked, "invalid", place)), checked.problems
    assert checked.settings is not None
    assert [one.number for one in checked.settings.experiments] == [1]


@pytest.mark.parametrize("level", [None, [300], {}, 0, -5, "300", True])
@pytest.mark.parametrize("name", ["gpu_power_limit_watts", "gpu_clock_mhz"])
def test_a_level_that_is_none_is_said_once(name: str, level: Any) -> None:
    (problem,) = check({**GRID, "grid": {name: [level]}}).problems
    assert problem.where == f"experiments[0].grid.{name}[0]"


@pytest.mark.parametrize(
    ("exclude", "where", "message"),
    [
        ([], "exclude", "excludes nothing; remove it"),
        ([{"epochs": 7}], "exclude[0].epochs", "7 is no level of it; its levels are 1, 2"),
        ([{"epochs": True}], "exclude[0].epochs", "true is no level of it"),
    ],
)
def test_an_exclusion_of_nothing_is_warned_of(exclude: Any, where: str, message: str) -> None:
    checked = check({**GRID, "exclude": exclude})
    assert any(message in text for text in texts(checked, "warning", f"experiments[0].{where}"))
    assert checked.settings is not None


def test_a_huge_grid_is_refused_before_it_is_expanded() -> None:
    levels = {f"p{number}": list(range(100)) for number in range(10)}
    checked = check({**GRID, "grid": levels})
    (text,) = texts(checked, "invalid", "experiments[0].grid")
    assert f"would be {10**20} runs" in text


def test_more_runs_can_be_allowed() -> None:
    assert only({**GRID, "runs_per_config": 30_000}, most_runs=120_000).runs_per_config == 30_000


@pytest.mark.parametrize(
    ("top", "where", "message"),
    [
        ({"order": "random_"}, "order", 'must be "as_written", "blocks" or "random"'),
        ({"warm_up_runs": -1}, "warm_up_runs", "must be at least 0, not -1"),
        ({"warm_up_runs": 1.5}, "warm_up_runs", "must be a whole number"),
        ({"warmup_runs": 1}, "warmup_runs", 'write "warm_up_runs"'),
        ({"most_runs": 0}, "most_runs", "must be at least 1, not 0"),
    ],
)
def test_what_is_wrong_at_the_top_stops_everything(top: Any, where: str, message: str) -> None:
    checked = check({**NET, "mode": "default"}, **top)
    assert checked.settings is None
    assert any(message in text for text in texts(checked, "error", where)), checked.problems


def test_repeated_labels_and_levels_are_found() -> None:
    text = """{"experiment_name": "x", "experiments": [{"repo": "net", "model": "small",
        "conditions": {"a": null, "b": {"repo": "load", "copies": 1, "copies": 2},
                       "a": {"repo": "load", "model": "cpu"}},
        "grid": {"epochs": [1], "epochs": [2]}}]}"""
    checked = settings.check(settings.parse(text, "x.json"))
    for where in ("conditions.a", "conditions.b.copies", "grid.epochs"):
        (found,) = texts(checked, "invalid", f"experiments[0].{where}")
        assert found == "is given more than once, with different values; keep one of them"
