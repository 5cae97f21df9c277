"""Runs that are logged while a campaign goes on, by the real process that does it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from benchmarks.tracking import stored, write_result
from energyctl.campaign.observer import View
from energyctl.errors import SettingsError
from energyctl.integrations import log_to, store
from energyctl.integrations.log_to import RunLogger
from energyctl.integrations.store import Target
from energyctl.system.workspace import Workspace

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


class Listener:
    """An observer that writes down what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def view(self, view: View) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)

    def finished(self, index: int, result: Any) -> None:
        pass


class Stage:
    """What a campaign does with a logger, run by run."""

    def __init__(self, root: Path, uri: str | None = None) -> None:
        self.results, self.uri = root / "results", uri or f"file:{root}/store"
        self.results.mkdir()
        self.listener = Listener()
        target, workspace = Target("mlflow", self.uri), Workspace(root)
        self.logger = RunLogger(self.listener, target, workspace, self.results, always=False)
        self.number = 0

    def run(self) -> str:
        """A run that ends; returns its name."""
        result = write_result(self.results, self.number, random.Random(self.number))
        self.number += 1
        self.logger.finished(self.number, result)  # type: ignore[arg-type]
        return str(result["experiment_id"])

    def phase(self, name: str, seconds: float | None = None) -> None:
        until = None if seconds is None else time.time() + seconds
        self.logger.view(View(1, "x", "x", 0, name, time.time(), until=until))

    def hears(self, condition: Callable[[], Any], what: str) -> None:
        def heard() -> Any:
            self.logger._hear()
            return condition()

        wait_for(heard, what)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return Stage(tmp_path)


def test_a_run_is_logged_in_the_next_rest_and_a_store_that_was_away_gets_all(
    stage: Stage, tmp_path: Path
) -> None:
    folder, away = tmp_path / "store", tmp_path / "away"
    with stage.logger:
        assert not stage.listener.said
        first = stage.run()
        for phase in ("idle", "foreground"):
            stage.phase(phase)
            time.sleep(0.2)
        stage.logger._hear()
        assert not stage.logger.logged
        stage.phase("cooldown", 60.0)
        stage.hears(lambda: stage.logger.logged == {first}, "the first run to be logged")
        folder.rename(away)
        folder.touch()
        second, began = stage.run(), time.monotonic()
        assert time.monotonic() - began < 0.5
        stage.hears(lambda: stage.listener.said, "the store to be away")
        assert "runs are logged once it answers" in stage.listener.said[0]
        folder.unlink()
        away.rename(folder)
        stage.phase("foreground")
        third = stage.run()
        stage.logger.end(patient=True)
    assert stage.logger.logged == {first, second, third}
    assert stage.listener.said[1:] == ["logging 2 runs to MLflow"]
    assert set(stored(stage.uri)) == {first, second, third}


def test_what_a_store_that_stays_away_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(log_to, "END_SECONDS", 1.0)
    stage = Stage(tmp_path, "http://127.0.0.1:9")
    with stage.logger:
        name = stage.run()
        assert stage.logger._process is not None
        words = Path(f"/proc/{stage.logger._process.pid}/cmdline").read_bytes()
        assert (
            b"log-follow" in words
        )  # and anybody may read them: no URI, which may hold a password
        assert b"127.0.0.1" not in words
        stage.logger.end(lambda: ["20300317_earlier"], patient=True)
    first, *_, last = stage.listener.said
    assert "MLflow at http://127.0.0.1:9: [Errno 111] Connection refused" in first
    files = " ".join(f"{stage.results}/{one}.json" for one in (name, "20300317_earlier"))
    assert last.startswith("warning: 2 runs not in MLflow yet (MLflow at")
    assert last.endswith(
        f"log them with: energyctl log {files} --to mlflow --uri http://127.0.0.1:9"
    )


def test_the_campaign_goes_on_without_a_logger_that_has_crashed(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "crashes.py"
    program.write_text('import sys; print(\'{"ready": "x"}\', flush=True); sys.stdin.readline()')
    monkeypatch.setattr(log_to, "PROGRAM", program)
    with stage.logger:
        name = stage.run()
        stage.hears(lambda: stage.listener.said, "the crash to be seen")
        stage.phase("cooldown", 60.0)
        stage.logger.end(patient=True)
    assert stage.listener.said[0] == (
        "warning: runs are not logged to MLflow any more: it has ended"
    )
    assert f"{name}.json --to mlflow" in stage.listener.said[-1]


def test_the_end_is_told_where_the_results_are_gone(stage: Stage) -> None:
    def gone() -> list[str]:
        raise SettingsError("no such campaign")

    with stage.logger:
        stage.phase("cooldown", 60.0)
        name = stage.run()
        stage.hears(lambda: stage.logger.logged == {name}, "the run to be logged")
        (stage.results / f"{name}.json").unlink()
        stage.logger.end(gone, patient=True)
    assert [line for line in stage.listener.said if "not logged" in line or "not in" in line] == []


def test_a_library_that_is_missing_is_said_before_the_campaign(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.importlib.util, "find_spec", lambda name: None)
    front = [{"repo": "front", "model": "small", "mode": "default"}]
    name = bench.settings(experiments=front, log_to="mlflow")
    line = "log_to: MLflow: mlflow is not installed: "
    for command in (["validate", name], ["run", name, "--dry-run"], ["run", name]):
        done = bench.look(*command)
        assert done.returncode == SettingsError.exit_code, done
        assert line in done.stderr


def test_a_campaign_logs_its_runs(bench: Bench, tmp_path: Path) -> None:
    uri = f"file:{tmp_path}/store"
    front = {"repo": "front", "model": "small", "mode": "default", "runs_per_config": 2}
    to = {"to": "mlflow", "uri": uri, "experiment": "made up"}
    done = bench.run("run", bench.settings(experiments=[front], log_to=to, control=None))
    assert done.returncode == 0, done.stderr
    runs = stored(uri)
    assert set(runs) == {one["experiment_id"] for one in bench.results()}
    for result in bench.results():
        metrics = runs[result["experiment_id"]].data.metrics
        assert metrics["energyctl.total_joules"] == result["energy"]["total_joules"]
        assert metrics["accuracy"] == 91.5
    again = bench.look("log", "--to", "mlflow", "--uri", uri, "--experiment", "made up")
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == f"MLflow, {uri}: 0 runs logged, 2 there already"
