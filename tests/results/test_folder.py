"""Names of a run's files, whole files or none, the ledger as it grows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from energyctl.background.ledger_reader import LedgerFile
from energyctl.campaign import estimates
from energyctl.config.plan import Run, Training
from energyctl.errors import MachineError, SettingsError
from energyctl.results.folder import ResultsFolder, read_text, to_text
from energyctl.system import processes
from energyctl.system.files import write_atomic
from supervised import job, make_run

NOW = 1_900_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    made = ResultsFolder(tmp_path / "results")
    made.prepare()
    return made


def single(repo: str = "front", model: str = "small") -> Run:
    return Run(1, 0, 1, "default", Training(repo, model, {}))


# -- whole or not at all ---------------------------------------------------------------------


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "one")
    with open(path) as still_open:
        write_atomic(path, "zwei ü")
        assert still_open.read() == "one"
    assert path.read_text(encoding="utf-8") == "zwei ü"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "one")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "two")
    monkeypatch.undo()
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "folder", "two")
    assert sorted(os.listdir(tmp_path)) == ["a.json", "folder"]
    assert path.read_text() == "one"


def test_text_that_cannot_be_encoded_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_atomic(tmp_path / "a.json", "half a pair: \ud83d")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_json_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_text({"a": [number]})


def test_json_keeps_every_digit_and_letter() -> None:
    import json

    data = {"é": 0.1 + 0.2, "tiny": 5.12e-06, "none": None}
    text = to_text(data)
    assert "é" in text
    assert json.loads(text) == data


# -- names -----------------------------------------------------------------------------------


def test_names_are_those_of_the_contract(folder: ResultsFolder) -> None:
    files = folder.new_run(make_run(job("large")), NOW)
    stamp = files.timestamp
    assert files.experiment_id == f"{stamp}_quiet_model_parallel"
    assert files.foreground_id == f"{stamp}_quiet_model"
    assert files.result.name == f"{stamp}_quiet_model_parallel.json"
    assert files.entries.name == f"background_training_{files.experiment_id}.conf"
    assert files.script.name == f"background_training_{files.experiment_id}.sh"
    assert files.energy(2).name == f"energy_{files.experiment_id}_attempt2"
    assert files.training_log(0).name == f"training_quiet_model_{stamp}.log"
    assert files.training_log(1).name == f"training_quiet_model_{stamp}_attempt1.log"
    assert folder.new_run(single(), NOW).experiment_id == f"{stamp}_front_small"


@pytest.mark.parametrize("taken", ["result", "script", "log", "energy"])
def test_names_that_are_taken_are_numbered(folder: ResultsFolder, taken: str) -> None:
    names = []
    for _ in range(3):
        files = folder.new_run(make_run(job("large")), NOW)
        names.append(files.experiment_id)
        paths = {
            "result": files.result,
            "script": files.script,
            "log": files.training_log(0),
            "energy": files.energy(0),
        }
        paths[taken].write_text("")
    stem = names[0].removesuffix("_parallel")
    assert names == [f"{stem}_parallel", f"{stem}_2_parallel", f"{stem}_3_parallel"]


def test_hostile_names_stay_in_the_results_folder(folder: ResultsFolder) -> None:
    files = folder.new_run(single("../../etc", "a/b\nc ü%"), NOW)
    for path in (files.result, files.training_log(0), files.energy(0), files.background_logs):
        assert path.parent == folder.root
        assert path.name.isascii()
        assert path.name.isprintable()
    files.result.write_text("{}")


# -- the folder ------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = ResultsFolder(tmp_path / "file" / "results")
    with pytest.raises(MachineError, match="--results DIR") as caught:
        broken.prepare()
    assert str(broken.root) in str(caught.value)


def test_preparing_leaves_no_probe(folder: ResultsFolder) -> None:
    assert os.listdir(folder.root) == ["campaigns"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 99}', "\ufeff", '"x"'])
def test_a_file_that_is_no_result_is_passed_over(folder: ResultsFolder, text: str) -> None:
    (folder.root / "E.json").write_text(text)
    assert folder.load("E") is None
    assert folder.load("gone") is None
    assert list(folder.all()) == []


def test_results_are_read_back(folder: ResultsFolder) -> None:
    for number in (2, 1):
        data: dict[str, Any] = {"schema": 1, "experiment_id": f"E{number}"}
        folder.write(folder.root / f"E{number}.json", to_text(data))
    assert [found["experiment_id"] for found in folder.all()] == ["E1", "E2"]


def test_typical_durations_are_of_successful_runs_of_a_kind() -> None:
    def result(status: str, duration: float | None, mode: str = "parallel") -> dict[str, Any]:
        training = {"repo": "r", "model": "m", "duration": duration}
        return {"status": status, "mode": mode, "foreground_result": training}

    found = [
        result("succeeded", 10.0),
        result("succeeded", 20.0),
        result("succeeded", 5.0, "mutation"),
        result("failed", 1000.0),
        result("succeeded", None),
        {"status": "succeeded"},
    ]
    assert estimates.typical_seconds(iter(found)) == {
        ("r", "m", True): 15.0,
        ("r", "m", False): 5.0,
    }


def test_a_file_of_the_user_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        read_text(tmp_path / "latin", "a rendered file")
    with pytest.raises(SettingsError, match="cannot read a rendered file"):
        read_text(tmp_path / "gone", "a rendered file")


# -- the ledger as it grows --------------------------------------------------------------------


def test_the_ledger_is_read_on_as_it_grows(tmp_path: Path) -> None:
    ledger = LedgerFile(tmp_path)
    assert ledger.new_rows() == []
    path = tmp_path / "iterations.csv"
    path.write_text("job,run,pid,started,ended,exit_code,signal\na,1,10,1.0,2.0,0,\na,2,1")
    rows = ledger.new_rows()
    assert [item.run for item in rows] == [1]
    with open(path, "a") as file:
        file.write("1,2.0,3.0,0,\n")
    rows += ledger.new_rows()
    assert [(item.run, item.pid) for item in rows] == [(1, 10), (2, 11)]
    rows += ledger.new_rows()
    assert [item.run for item in rows] == [1, 2]


def test_a_running_iteration_is_there_until_its_row_is(tmp_path: Path) -> None:
    ledger = LedgerFile(tmp_path)
    launcher = processes.identify(os.getpid())
    assert launcher is not None
    note = tmp_path / f".a.{launcher.pid}.running"
    note.write_text("")
    assert ledger.look() == {}
    note.write_text(f"a,1,77,1.0,{launcher.ticks}")
    (running,) = ledger.look()["a"].running
    assert (running.run, running.ended) == (1, None)
    assert ledger.look()["a"].iterations == 1
    (tmp_path / "iterations.csv").write_text("a,1,77,1.0,2.0,0,\n")
    ended = ledger.look()["a"]
    assert (ended.iterations, ended.running, ended.last_end) == (1, [], 2.0)


@pytest.mark.parametrize("launcher", [2**22 + 1, os.getpid()], ids=["gone", "another"])
def test_an_iteration_whose_launcher_was_killed_covers_nothing_and_failed(
    tmp_path: Path, launcher: int
) -> None:
    """Also where another process has its pid by now."""
    (tmp_path / f".a.{launcher}.running").write_text(f"a,1,{os.getpid()},1.0,7")
    (lost,) = LedgerFile(tmp_path).look()["a"].running
    assert lost.ended == lost.started
    assert lost.failed
