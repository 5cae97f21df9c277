"""What a campaign found: its levels, claims, and what is missing to say more."""

from __future__ import annotations

from pathlib import Path

import pytest

import energyctl
from energyctl.analysis.answer import answer_of
from tests.written_results import write_pair, write_runs


def test_each_training_and_condition_has_its_mean_and_interval(tmp_path: Path) -> None:
    for block, joules in enumerate([(6000.0, 9000.0), (6100.0, 9200.0), (6200.0, 9100.0)], 1):
        write_pair(tmp_path, block, joules=joules, started=1_800_000_000.0 + 1000 * block)
    answer = answer_of(energyctl.load(tmp_path))
    alone, loaded = answer.levels
    assert (alone.condition, loaded.condition) == ("alone", "loaded")
    assert [joules for _, joules in alone.runs] == [6000.0, 6100.0, 6200.0]
    assert alone.mean.value == 6100
    # 4.303 (t, 2 degrees of freedom) x 100 / sqrt(3)
    assert alone.mean.low == pytest.approx(6100 - 248.4, abs=0.1)
    assert alone.mean.high == pytest.approx(6100 + 248.4, abs=0.1)
    assert answer.unit == "kJ"
    (sentence,) = answer.comparisons()
    assert sentence.startswith("Loaded: 49 % more total energy than alone (95 % interval 4")
    assert "3 blocks" in sentence


def test_what_stands_against_a_comparison_is_told_right_below_it(tmp_path: Path) -> None:
    for block in (1, 2, 3):
        job = {"job": "noise", "repo": "back", "model": "noise", "coverage": 0.4 * (block - 1)}
        away = {"background_info": {"jobs": [job]}}
        write_pair(tmp_path, block, started=1_800_000_000.0 + 1000 * block, beside=away)
    first, second, *_ = answer_of(energyctl.load(tmp_path)).sentences()
    assert "more total energy than alone" in first
    assert second == (
        "  the background of loaded ran for less than 99 % of the training in 3 of 3 runs, "
        "in one for only 0.0 %"
    )


def test_one_condition_is_told_with_what_a_comparison_needs(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [5000.0, 5100.0])
    answer = answer_of(energyctl.load(tmp_path))
    assert answer.sentences() == list(answer.lacking)
    assert answer.lacking == (
        "all runs were alone: with `conditions` in the experiment, the same training is measured "
        "alone and beside a load, and they are compared",
    )


def test_without_an_energy_that_is_said(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [5000.0], status="failed")
    answer = answer_of(energyctl.load(tmp_path))
    assert answer.levels == ()
    assert answer.lacking == ("no run succeeded with a known energy: nothing to compare",)


def test_a_condition_of_which_no_run_succeeded_is_named(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [5000.0, 5100.0])
    write_runs(tmp_path, "parallel", [9000.0], status="failed", condition="beside x")
    assert answer_of(energyctl.load(tmp_path)).lacking == (
        "no run beside x succeeded with a known energy: nothing to compare the runs alone with",
    )


def test_trainings_that_share_no_condition_are_told_so(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [5000.0, 5100.0])
    model = {"foreground_result": {"repo": "front", "model": "large", "hyperparameters": {}}}
    write_runs(tmp_path, "parallel", [9000.0, 9100.0], condition="beside x", **model)
    assert answer_of(energyctl.load(tmp_path)).lacking == (
        "no training ran under two conditions: nothing to compare",
    )
