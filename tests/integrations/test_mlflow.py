"""Runs in a real MLflow store: a folder, which the extra `mlflow` alone can keep."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tracking import differences, stored, write_result
from energyctl.integrations.logging_runs import Logged, log_runs
from energyctl.integrations.mlflow import MlflowStore
from energyctl.integrations.mlflow_part import PAGE_OF, MlflowPart
from energyctl.integrations.store import StoreAway, Target
from energyctl.integrations.tracking import record_of
from energyctl.results.api import load

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


class Bench:
    def __init__(self, root: Path) -> None:
        self.results, self.uri = root / "results", f"file:{root}/store"
        self.results.mkdir()
        self.said: list[str] = []

    @property
    def store(self) -> MlflowStore:
        """Opened anew, as by another process."""
        return MlflowStore(Target("mlflow", self.uri), self.said.append)

    def write(self, number: int, **training: Any) -> dict[str, Any]:
        result = write_result(self.results, number, random.Random(number))
        result["foreground_result"] |= training
        self.rewrite(result)
        return result

    def rewrite(self, result: dict[str, Any]) -> None:
        (self.results / f"{result['experiment_id']}.json").write_text(json.dumps(result))

    def log(self) -> Logged:
        return log_runs(self.store, load(self.results), "mlflow", self.said.append)

    @property
    def runs(self) -> dict[str, Any]:
        return stored(self.uri)

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return Bench(tmp_path)


def test_a_run_is_read_back_equal_and_is_not_logged_twice(bench: Bench) -> None:
    results = [bench.write(number) for number in (0, 9)]
    assert [*bench.log().runs.values()] == ["logged", "logged"]
    runs = bench.runs
    for result in results:
        run = runs[result["experiment_id"]]
        assert not differences(result, run)
        (file,) = bench.client.list_artifacts(run.info.run_id)
        assert file.path == f"{result['experiment_id']}.json"
        assert run.data.tags["energyctl.warnings"] == "\n".join(result["warnings"])
    assert runs[results[1]["experiment_id"]].info.status == "FAILED"
    assert [*bench.log().runs.values()] == ["there", "there"]
    again = bench.runs
    assert {name: one.history for name, one in again.items()} == {
        name: one.history for name, one in runs.items()
    }


@pytest.mark.parametrize("fails", ["_put", "_seal"])
def test_logging_that_was_cut_off_is_completed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    result, calls = bench.write(0), list[str]()

    def cut(*_: Any, **__: Any) -> None:
        calls.append(fails)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowPart, fails, cut)
        with pytest.raises(KeyboardInterrupt):
            bench.log()
    assert calls
    assert "energyctl.sha256" not in next(iter(bench.runs.values())).data.tags
    assert [*bench.log().runs.values()] == ["logged"]
    (run,) = bench.runs.values()
    assert not differences(result, run)


def test_a_changed_result_changes_its_run(bench: Bench) -> None:
    result = bench.write(0)
    bench.log()
    result["energy"]["total_joules"] -= 1000.0
    result["foreground_result"]["metric_series"]["loss"]["values"][3] = 0.125
    result["warnings"] = ["another one"]
    bench.rewrite(result)
    assert [*bench.log().runs.values()] == ["updated"]
    (run,) = bench.runs.values()
    assert run.data.metrics["energyctl.total_joules"] == result["energy"]["total_joules"]
    assert run.data.tags["energyctl.warnings"] == "another one"
    assert [value for step, _, value in run.history["loss"] if step == 3][-1] == 0.125
    assert [*bench.log().runs.values()] == ["there"]


def own_run(bench: Bench, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """A run that a training has made itself, and how its result names it."""
    client = bench.client
    run = client.create_run(client.create_experiment("vision"), run_name="mine")
    client.log_param(run.info.run_id, "lr", "0.5")
    return run.info.run_id, [{"to": "mlflow", "run_id": run.info.run_id, "uri": None, **more}]


def test_energies_go_into_the_training_s_own_run(bench: Bench) -> None:
    run_id, named = own_run(bench)
    result = bench.write(0, tracking=named)
    assert [*bench.log().runs.values()] == ["logged"]
    run = bench.client.get_run(run_id)
    assert run.data.metrics["energyctl.total_joules"] == result["energy"]["total_joules"]
    assert len(bench.client.get_metric_history(run_id, "energyctl.epoch_joules")) == 20
    assert run.data.tags["energyctl.condition"] == "loaded"
    assert run.data.params == {"lr": "0.5"}
    assert "loss" not in run.data.metrics
    assert (run.info.status, run.info.run_name) == ("RUNNING", "mine")
    assert bench.client.get_experiment_by_name("made up") is None
    assert [*bench.log().runs.values()] == ["there"]


def test_runs_that_name_one_run_are_nested_in_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, named = own_run(bench)
    results = [bench.write(number, tracking=named) for number in (0, 1)]
    bench.log()
    experiment = bench.client.get_run(run_id).info.experiment_id
    nested = bench.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert {run.info.run_name for run in nested} == {one["experiment_id"] for one in results}
    assert not bench.client.get_run(run_id).data.metrics
    assert [*bench.log().runs.values()] == ["there", "there"]
    # One at a time, as a campaign logs them, it is told by the environment that all inherit.
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    third = bench.write(2, tracking=named)
    run = load(bench.results)[third["experiment_id"]]
    log_runs(bench.store, [run], "mlflow", bench.said.append)
    assert not bench.client.get_run(run_id).data.metrics


def test_an_own_run_that_is_not_there_is_named(bench: Bench) -> None:
    bench.write(0, tracking=[{"to": "mlflow", "run_id": "0" * 32, "uri": None}])
    bench.log()
    assert f"own run {'0' * 32} is passed over, it is not in file:" in bench.said[0]
    assert len(bench.runs) == 1


def test_no_run_waits_for_the_store_of_another_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    bench.write(0, tracking=[{"to": "mlflow", "run_id": "0" * 32, "uri": "http://127.0.0.1:9"}])
    second = bench.write(1)
    logged = bench.log()
    assert list(logged.runs) == list(bench.runs) == [second["experiment_id"]]
    assert "is not logged: the training's own run is in another store" in logged.problems[0]


def test_credentials_are_told_no_other_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    named = {"to": "mlflow", "run_id": "0" * 32, "uri": "http://127.0.0.1:9"}
    bench.write(0, tracking=[named])
    bench.log()
    assert "shall not be told the credentials" in bench.said[0]
    assert len(bench.runs) == 1


def test_a_page_is_replaced_by_one_of_no_fewer_runs(bench: Bench, tmp_path: Path) -> None:
    for number in (0, 1):
        bench.write(number)
    records = [record_of(run, "mlflow") for run in load(bench.results)]
    page = tmp_path / "report.html"
    page.write_text("both")
    drawn = list[str]()

    def draw(text: str) -> Callable[[], Path]:
        def page_of() -> Path:
            drawn.append(text)
            page.write_text(text)
            return page

        return page_of

    assert bench.store.log_page(records, draw("two")) == "logged"
    assert bench.store.log_page(records, draw("two again")) == "there"
    assert bench.store.log_page(records[:1], draw("one")) == "there"
    changed = [replace(records[0], sha256="f" * 64), records[1]]
    assert bench.store.log_page(changed, draw("changed")) == "updated"
    assert drawn == ["two", "changed"]
    experiment = bench.client.get_experiment_by_name("made up").experiment_id
    (run,) = bench.client.search_runs([experiment], f"tags.`{PAGE_OF}` = '20300317_made_up'")
    local = bench.client.download_artifacts(run.info.run_id, "report.html", str(tmp_path))
    assert Path(local).read_text() == "changed"


def test_a_server_that_does_not_answer_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    bench.uri = "http://me:p@ss@127.0.0.1:9"  # a password is nothing for a message
    bench.write(0)
    with pytest.raises(StoreAway, match=r"MLflow at http://127\.0\.0\.1:9: .*Connection refused"):
        bench.log()
    assert bench.store.place == "http://127.0.0.1:9"
    assert "p@ss" not in Target("mlflow", bench.uri).command([])
