"""Trials of a search: what counts, within which limit, and where each stands by its band."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from energyctl.analysis.fronts import standings
from energyctl.analysis.trial_tables import columns, sentence
from energyctl.analysis.trials import Objectives, Trial, found, standing_words, trial_of
from energyctl.config.settings import Search
from energyctl.results.api import of_results
from energyctl.search.objectives import told


def trial(number: int, metric: float, joules: float, band: float = 1.0) -> Trial:
    return Trial(number, {"lr": 0.1 * number}, metric, joules, band, True, None, joules, 10.0)


FAILED = Trial(9, {"lr": 0.9}, None, None, None, True, "exit code 3", 5.0, 10.0)
TRIALS = [trial(1, 0.9, 100), trial(2, 0.8, 50), trial(3, 0.9, 101.5), trial(4, 0.7, 80), FAILED]


def objectives(better: Any = "higher", **fields: Any) -> Objectives:
    return Objectives(Search(metric="accuracy", **fields), better)


def test_who_is_surely_on_the_front_and_who_may_be() -> None:
    of = found(TRIALS, objectives())
    assert [(one.number, stands) for one, stands in of.best] == [
        (2, "sure"),
        (1, "likely"),
        (3, "maybe"),
    ]
    assert standing_words(TRIALS[0], of) == "on the front, bands overlap"
    assert standing_words(TRIALS[2], of) == "may be on the front"
    assert standing_words(TRIALS[3], of) == ""
    line = sentence("night", of)
    assert "2 trials on the Pareto front, 1 more may be on it (bands overlap)" in line
    assert (
        "(1 that does not count: trial 9, exit code 3), less energy and a higher accuracy: 2 trials"
        in line
    )
    heads = columns(of)
    assert [head.name for head in heads] == ["trial", "lr", "accuracy", "energy (J)", ""]
    assert heads[3].cells[0] == "50.0 ± 1.0"


def test_wherever_in_the_bands_the_truth_lies_the_standings_hold() -> None:
    draw = random.Random(1)
    for _ in range(200):
        points = [(draw.randint(0, 9), draw.randint(0, 3), draw.randint(0, 4)) for _ in range(6)]
        bands = [(float(low), float(low + width), float(y)) for low, width, y in points]
        told = standings(bands)
        seen = [set[bool]() for _ in bands]
        for _ in range(60):
            xs = [draw.choice((low, high, draw.uniform(low, high))) for low, high, _ in bands]
            for place, (x, (_, _, y)) in enumerate(zip(xs, bands, strict=True)):
                beaten = any(
                    other <= x and up >= y and (other < x or up > y)
                    for n, (other, (_, _, up)) in enumerate(zip(xs, bands, strict=True))
                    if n != place
                )
                seen[place].add(not beaten)
        for stands, outcomes in zip(told, seen, strict=True):
            assert stands != "sure" or outcomes == {True}
            assert stands != "off" or outcomes == {False}


def test_a_limit_of_energy_that_a_band_crosses_is_not_surely_kept() -> None:
    trials = [trial(1, 0.9, 100, 8), trial(2, 0.8, 50), trial(3, 0.95, 104, 8), trial(4, 0.7, 60)]
    of = found(trials, objectives(energy_limit_joules=102))
    assert [(one.number, stands) for one, stands in of.best] == [
        (1, "likely"),
        (2, "maybe"),
        (3, "maybe"),
    ]
    assert standing_words(trials[0], of) == "the best, bands overlap"
    assert standing_words(trials[2], of) == "may be the best"
    assert "trial 1, 2 more may be as good" in sentence("night", of)
    only = found(trials[2:3], objectives(energy_limit_joules=102))
    assert "surely none, 1 more may be as good" in sentence("night", only)
    sure = found([trial(1, 0.9, 90, 8), trials[1]], objectives(energy_limit_joules=102))
    assert [(one.number, stands) for one, stands in sure.best] == [(1, "sure")]


def test_without_a_band_nothing_is_sure() -> None:
    unknown = replace(TRIALS[1], band=None)
    of = found([TRIALS[0], unknown], objectives())
    assert {one.number: stands for one, stands in of.best} == {1: "sure", 2: "maybe"}


@pytest.mark.parametrize(
    ("better", "fields", "best"),
    [
        ("higher", {"metric_limit": 0.75}, [2]),
        ("higher", {"metric_limit": 0.85}, [1, 3]),  # their bands overlap
        ("lower", {"metric_limit": 0.85}, [2]),
        ("higher", {"energy_limit_joules": 90}, [2]),
        ("lower", {"energy_limit_joules": 90}, [4]),
        ("higher", {"energy_limit_joules": 10}, []),
    ],
)
def test_the_best_within_a_limit(better: Any, fields: dict[str, Any], best: list[int]) -> None:
    wanted = objectives(better, **fields)
    assert [one.number for one, _ in found(TRIALS, wanted).best] == best
    # Optuna is told the same order, and nothing of what has failed.
    finished = told(TRIALS, wanted)
    assert finished[-1].objectives is None
    places = [one.objectives[0] for one in finished if one.objectives is not None]
    assert sorted(places) == [0.0, 1.0, 2.0, 3.0]
    if best:
        assert places[best[0] - 1] == 0.0


def test_without_a_limit_less_of_both_figures_is_better() -> None:
    assert told(TRIALS, objectives())[0].objectives == (100, -0.9)
    assert told(TRIALS, objectives("lower"))[0].objectives == (100, 0.9)


def result(name: str, joules: float | None, accuracy: float | None, **changes: Any) -> Any:
    return {
        "schema": 1, "experiment_id": name, "campaign": "x", "mode": "mutation",
        "status": "succeeded", "trial": 2, "block": 3, "warnings": [],
        "foreground_result": {
            "repo": "r", "model": "m", "success": True, "duration": 10.0, "error": None,
            "hyperparameters": {"lr": 0.5, "epochs": 3}, "attempts": [],
            "performance_metrics": {} if accuracy is None else {"accuracy": accuracy},
        },
        "energy": {
            "seconds": 10.0, "total_joules": joules, "uncertainty_joules": 2.0, "measured": True,
            "domains": [],
        },
        "reach": {"accuracy": {"joules": 40.0, "uncertainty_joules": 1.0}},
        "phases": [{"name": "idle", "start": 0.0, "end": 30.0, "joules": {}, "watts": {}}],
        "environment": {"run": {"mutated": ["lr"]}}, **changes,
    }  # fmt: skip


def made(*results: Any, **fields: Any) -> Trial:
    from pathlib import Path

    return trial_of(2, of_results(results, Path("results")), objectives(**fields))


def test_a_trial_is_the_mean_of_its_runs() -> None:
    one = made(result("a", 100.0, 0.8), result("b", 110.0, 0.9))
    assert (one.metric, one.joules, one.band) == (pytest.approx(0.85), 105.0, 2.0)
    assert one.values == {"lr": 0.5}
    assert one.seconds == 60.0
    assert one.missing is None
    assert made(result("a", 100.0, 0.8), energy="reach").joules == 40.0
    alone, beside = (result(name, 100.0, 0.8) for name in "ab")
    for one in (alone, beside):
        one["energy"] |= {"above_idle_joules": 70.0, "marginal_joules": 50.0}
    beside |= {"mode": "parallel", "background_info": {"jobs": [], "note": ""}}
    assert made(alone, beside, energy="marginal").joules == 60.0


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (result("b", 100.0, None), "no accuracy was found"),
        (result("b", 100.0, float("nan")), "no accuracy was found"),
        (result("b", None, 0.9), "its energy is not known"),
        (result("b", 100.0, 0.9, status="failed"), "failed"),
    ],
)
def test_a_trial_does_not_count_where_one_of_its_runs_does_not(last: Any, why: str) -> None:
    one = made(result("a", 100.0, 0.8), last)
    assert (one.metric, one.joules) == (None, None)
    assert one.missing is not None
    assert why in one.missing
