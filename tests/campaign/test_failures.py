"""Runs that failed: what is shown of them, and how many in a row pause a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from bench import Bench
from energyctl.campaign.failures import FailuresInARow
from energyctl.results.schema import Result

FAILS: dict[str, Any] = {"mode": "default", "repo": "front", "model": "small"}
FAILS |= {"hyperparameters": {"behaviour": "fails"}}
WORKS = {"mode": "default", "repo": "front", "model": "large"}


def result(status: str, model: str = "m") -> Result:
    training = {"repo": "net", "model": model, "log": None, "error": "why"}
    return cast(Result, {"status": status, "foreground_result": training})


@pytest.mark.parametrize(
    ("most", "ran", "stops_at"),
    [
        (2, ["failed", "failed"], 2),
        (2, ["failed", "succeeded", "failed", "failed"], 4),
        (2, ["failed", "other", "failed"], 3),
        (1, ["succeeded", "failed"], 2),
        (3, ["failed", "failed", "succeeded"], None),
        (None, ["failed"] * 9, None),
    ],
)
def test_failures_of_one_training_are_counted_in_a_row(
    tmp_path: Path, most: int | None, ran: list[str], stops_at: int | None
) -> None:
    row = FailuresInARow(most)
    results = [result("failed", "x") if s == "other" else result(s) for s in ran]
    stops = [n for n, one in enumerate(results, 1) if row.add(one, tmp_path)]
    assert stops == ([] if stops_at is None else [stops_at])


def test_a_paused_campaign_says_why_and_goes_on_when_resumed(bench: Bench) -> None:
    experiments = [{**FAILS, "runs_per_config": 2}, WORKS]
    done = bench.run("run", bench.settings(experiments=experiments, stop_after_failures=2))
    assert done.returncode == 1
    pause = done.stdout.partition("paused: ")[2]
    assert "2 runs in a row of front / small failed (stop_after_failures): the training" in pause
    logs = [one["foreground_result"]["log"] for one in bench.results()]
    assert len(logs) == 2
    assert f"its log: {bench.root / 'results' / logs[-1]}" in pause
    assert "> training with" in pause
    assert "go on with: energyctl" in pause
    assert "resume" in bench.look("status").stdout
    done = bench.run("resume")
    assert done.returncode == 1  # those that failed stay so
    assert [one["status"] for one in bench.results()] == ["failed", "failed", "succeeded"]


def test_without_runs_left_there_is_no_pause(bench: Bench) -> None:
    name = bench.settings(experiments=[{**FAILS, "runs_per_config": 2}], stop_after_failures=2)
    done = bench.run("run", name)
    assert done.returncode == 1
    assert "paused" not in done.stdout


def test_a_failed_run_shows_its_log_and_what_it_said_last(bench: Bench) -> None:
    done = bench.run("run", bench.settings(experiments=[FAILS]))
    assert done.returncode == 1
    (failed,) = bench.results()
    training = failed["foreground_result"]
    log = bench.root / "results" / training["log"]
    assert training["error"] == f"the training ended with exit code 3; its log: {log.name}"
    assert training["attempts"][0]["error"] == "the training ended with exit code 3"
    shown = done.stdout.partition("run 1 of 1 failed")[2]
    assert f"its log: {log}" in shown
    assert f"> {log.read_text().splitlines()[-1]}" in shown
