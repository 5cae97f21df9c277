"""Runs that W&B keeps offline, read from its own files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from wandb_file import OfflineRun, read_run

from benchmarks.tracking import write_result
from energyctl.errors import SettingsError
from energyctl.integrations.logging_runs import Logged, log_runs
from energyctl.integrations.store import Target
from energyctl.integrations.tracking import record_of
from energyctl.integrations.wandb import WandbStore
from energyctl.results.api import load

pytest.importorskip("wandb")
pytestmark = pytest.mark.filterwarnings("ignore")  # W&B's own


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder."""
    for name in ("WANDB_DIR", "WANDB_RUN_ID", "WANDB_PROJECT", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    return tmp_path


def log(results: Path, said: list[str] | None = None) -> Logged:
    store = WandbStore(Target("wandb"), results, ([] if said is None else said).append)
    try:
        return log_runs(store, load(results), "wandb", print)
    finally:
        store.close()


def runs(results: Path) -> list[OfflineRun]:
    return [read_run(folder) for folder in sorted(results.glob("wandb/offline-run-*"))]


def write(results: Path, number: int, **training: Any) -> dict[str, Any]:
    result = write_result(results, number, random.Random(number))
    result["foreground_result"] |= training
    (results / f"{result['experiment_id']}.json").write_text(json.dumps(result))
    return result


def test_runs_are_kept_for_wandb_sync_once(offline: Path) -> None:
    good, bad = write(offline, 0), write(offline, 9)
    shared = [{"to": "wandb", "run_id": "theirs", "project": "vision"}]
    write(offline, 1, tracking=shared)
    assert [*log(offline).runs.values()] == ["logged"] * 3
    kept = {run.name: run for run in runs(offline)}
    run = kept[good["experiment_id"]]
    assert (run.project, run.group, run.exit_code) == ("made up", "20300317_made_up", 0)
    assert kept[bad["experiment_id"]].exit_code == 1
    assert (
        run.config["learning_rate"] == good["foreground_result"]["hyperparameters"]["learning_rate"]
    )
    assert run.config["energyctl.experiment_id"] == good["experiment_id"]
    assert run.summary["energyctl.total_joules"] == good["energy"]["total_joules"]
    assert run.summary["accuracy"] == good["foreground_result"]["performance_metrics"]["accuracy"]
    series = good["foreground_result"]["metric_series"]["loss"]
    assert [row["loss"] for row in run.history] == series["values"]
    assert [row["_timestamp"] for row in run.history] == series["times"]
    assert (
        run.history[1]["energyctl.epoch_joules"] == good["foreground_result"]["epochs"][0]["joules"]
    )
    assert run.files == [f"{good['experiment_id']}.json"]
    own = next(one for one in runs(offline) if one.run_id == "theirs")
    assert own.project == "vision"
    assert "energyctl.total_joules" in own.summary
    assert "learning_rate" not in own.config
    assert all("loss" not in row for row in own.history)
    assert [*log(offline).runs.values()] == ["there"] * 3
    assert len(runs(offline)) == 3
    # What was cut off, or has changed, is kept anew in the place of what was kept before.
    good["energy"]["total_joules"] = 5.0
    (offline / f"{good['experiment_id']}.json").write_text(json.dumps(good))
    assert [*log(offline).runs.values()].count("updated") == 1
    (again,) = (one for one in runs(offline) if one.name == good["experiment_id"])
    assert (again.run_id, again.summary["energyctl.total_joules"]) == (run.run_id, 5.0)


def test_without_a_key_nobody_is_asked_for_one(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(offline / "none"))
    with pytest.raises(SettingsError, match=r"W&B has no key for https://api\.wandb\.ai: set"):
        WandbStore(Target("wandb"), offline, print)


def test_the_page_is_a_run_of_its_own(offline: Path) -> None:
    write(offline, 0)
    records = [record_of(run, "wandb") for run in load(offline)]
    page = offline / "report.html"
    page.write_text("page")
    store = WandbStore(Target("wandb"), offline, print)
    assert store.log_page(records, lambda: page) == "logged"
    assert store.log_page(records, lambda: page) == "there"
    store.close()
    (run,) = runs(offline)
    assert run.files == ["report.html"]
