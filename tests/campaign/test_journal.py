"""The journal of a campaign after crashes of every kind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from energyctl.campaign.journal import Journal, create_journal, find_journal
from energyctl.campaign.status import status_of
from energyctl.cli.output.status import status_lines
from energyctl.config.plan import BackgroundJob, Run, Training
from energyctl.errors import SettingsError
from energyctl.results.folder import ResultsFolder, to_text


def run(index: int) -> Run:
    training = Training("front", "small", {"learning_rate": 5.12e-06 * index, "note": "é"})
    return Run(
        index=index,
        experiment=0,
        repetition=index,
        mode="parallel",
        foreground=training,
        mutated=("learning_rate",),
        background=(BackgroundJob(training, 2, 0.5, 0.25),),
        timeout_seconds=60.0,
        description="a 'b'\n",
    )


RUNS = [run(index) for index in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    made = ResultsFolder(tmp_path / "results")
    made.prepare()
    return made


def create(folder: ResultsFolder, name: str = "trial", **fields: Any) -> Journal:
    facts: dict[str, Any] = {
        "settings": '{"experiments": []}',
        "settings_name": "x.json",
        "registry": {"models": {}},
        "runs": [run.to_json() for run in RUNS],
        "seed": 7,
        "rendered": None,
        "workspace": str(folder.root.parent),
    }
    return create_journal(folder, name, **{**facts, **fields})


def finish(folder: ResultsFolder, experiment_id: str, status: str) -> None:
    data = {"schema": 1, "experiment_id": experiment_id, "status": status}
    folder.write(folder.root / f"{experiment_id}.json", to_text(data))


def test_the_first_line_holds_all_that_is_needed_to_go_on(folder: ResultsFolder) -> None:
    made = create(folder)
    again = Journal(made.path, folder)
    assert again.runs() == RUNS
    head = again.head()
    assert (head["seed"], head["settings"], head["registry"]) == (
        *(7, '{"experiments": []}', {"models": {}}),
    )
    assert len(made.path.read_bytes().split(b"\n")) == 2


@pytest.mark.parametrize(
    "separator",
    [
        *("\x1c", "\x0b", "\x0c", "\r", "\n", "\x85", "\u2028", "\u2029"),
    ],
)
def test_a_line_is_a_line_whatever_the_settings_hold(folder: ResultsFolder, separator: str) -> None:
    made = create(folder, settings=f"a{separator}b")
    assert made.head()["settings"] == f"a{separator}b"


def test_a_torn_last_line_is_passed_over_and_the_next_one_is_whole(folder: ResultsFolder) -> None:
    made = create(folder)
    made.append("started", run=1, experiment_id="E1")
    with open(made.path, "ab") as file:
        file.write(b'{"event": "finished", "run": 1, "exp\xc3')
    assert [event["event"] for event in made.events()] == ["campaign", "started"]
    made.append("started", run=2, experiment_id="E2")
    assert [event["event"] for event in made.events()] == ["campaign", "started", "started"]
    assert made.unfinished() == [(1, "E1"), (2, "E2")]


@pytest.mark.parametrize(
    "torn",
    [
        *("[]", "null", "7", "{", "\0\0\0", "{}", '{"time": 5}'),
    ],
)
def test_a_strange_line_harms_nothing(folder: ResultsFolder, torn: str) -> None:
    made = create(folder)
    made.append("started", run=1, experiment_id="E1")
    with open(made.path, "a") as file:
        file.write(torn + "\n")
    finish(folder, "E1", "succeeded")
    assert made.finished() == {1: "E1"}
    assert made.unfinished() == []


def test_a_result_without_its_line_counts_and_a_line_without_its_result_does_not(
    folder: ResultsFolder,
) -> None:
    made = create(folder)
    made.append("started", run=1, experiment_id="E1")
    finish(folder, "E1", "succeeded")  # a crash came between the result and its line
    made.append("started", run=2, experiment_id="E2")
    made.append("finished", run=2, experiment_id="E2", status="succeeded")
    assert made.finished() == {1: "E1"}
    assert made.unfinished() == [(2, "E2")]


@pytest.mark.parametrize(
    ("status", "again"), [("succeeded", False), ("failed", False), ("interrupted", True)]
)
def test_what_is_run_again(folder: ResultsFolder, status: str, again: bool) -> None:
    made = create(folder)
    made.append("started", run=1, experiment_id="E1")
    finish(folder, "E1", status)
    assert (1 not in made.finished()) is again
    assert made.unfinished() == []


def test_the_last_of_several_attempts_at_a_run_counts(folder: ResultsFolder) -> None:
    made = create(folder)
    for experiment_id, status in (("E1", "interrupted"), ("E1_2", "succeeded")):
        made.append("started", run=1, experiment_id=experiment_id)
        finish(folder, experiment_id, status)
    assert made.finished() == {1: "E1_2"}


@pytest.mark.parametrize("text", ["", "{}\n", "torn", '{"event": "campaign", "schema": 99}\n'])
def test_what_is_no_journal_is_refused_by_name(folder: ResultsFolder, text: str) -> None:
    path = folder.campaigns / "x.jsonl"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"x\.jsonl: not a campaign's journal"):
        Journal(path, folder).head()


def test_campaigns_of_one_name_have_a_journal_each(folder: ResultsFolder) -> None:
    names = {create(folder, "a b/../ü%").path.name for _ in range(3)}
    assert len(names) == 3
    assert {path.name for path in folder.campaigns.iterdir()} == names
    assert all(name.isascii() and "/" not in name for name in names)


def test_resume_finds_the_newest_or_the_one_that_is_named(
    folder: ResultsFolder, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="start one with energyctl run"):
        find_journal(folder, None)
    made = {name: create(folder, name) for name in ("one", "two", "three")}
    for age, name in enumerate(["two", "three", "one"]):
        os.utime(made[name].path, (1000 - age, 1000 - age))
    assert find_journal(folder, None).path == made["two"].path
    assert find_journal(folder, "one").path == made["one"].path
    assert find_journal(folder, made["three"].name).path == made["three"].path
    assert find_journal(folder, str(made["three"].path)).path == made["three"].path
    with pytest.raises(SettingsError, match="no campaign 'four'") as caught:
        find_journal(folder, "four")
    assert made["one"].path.stem in str(caught.value)


def test_every_line_is_json(folder: ResultsFolder) -> None:
    made = create(folder)
    made.append("ended", signal=None, runs={"1": "succeeded"})
    lines = [json.loads(line) for line in made.path.read_bytes().splitlines()]
    assert [line["event"] for line in lines] == ["campaign", "ended"]
    assert all(line["time"] > 0 for line in lines)


@pytest.mark.parametrize(
    ("statuses", "invalid", "succeeded"),
    [
        (("succeeded", "succeeded", "succeeded"), False, True),
        (("succeeded", "succeeded", "succeeded"), True, False),
        (("succeeded", "failed", "succeeded"), False, False),
        (("succeeded", "interrupted", "succeeded"), False, False),
        (("succeeded", "succeeded"), False, False),
        ((), False, False),
    ],
)
def test_a_campaign_succeeded_where_each_of_its_runs_did(
    folder: ResultsFolder, statuses: tuple[str, ...], invalid: bool, succeeded: bool
) -> None:
    journal = create(folder, invalid=invalid)
    for index, status in reversed([*enumerate(statuses, 1)]):
        journal.append("started", run=index, experiment_id=f"e{index}")
        finish(folder, f"e{index}", status)
    assert journal.succeeded() is succeeded
    names = [f"e{i}" for i, status in enumerate(statuses, 1) if status != "interrupted"]
    assert [result["experiment_id"] for result in journal.results()] == names


def test_status_names_the_unfinished_campaign_and_how_to_go_on(
    folder: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYCTL_LOCK", str(tmp_path / "lock"))
    monkeypatch.setenv("ENERGYCTL_PRIVATE", f"/tmp/energyctl-{os.getpid()}-status")
    made = create(folder)
    made.append("started", run=1, experiment_id="E1")
    finish(folder, "E1", "succeeded")
    made.append("finished", run=1, experiment_id="E1", status="succeeded")
    found = status_of(tmp_path)
    text = "\n".join(status_lines(found))
    assert "campaign    none is running" in text
    assert "unfinished  trial died, 1 of 3 runs finished; go on with: energyctl" in text
    assert "resume" in text
    made.append("finished", run=2, experiment_id="E2", status="interrupted")  # is to be done again
    made.append("interrupted")
    assert "trial was interrupted, 1 of 3" in "\n".join(status_lines(status_of(tmp_path)))
    made.append("ended")
    assert status_of(tmp_path)["unfinished"] is None
    assert "unfinished" not in "\n".join(status_lines(status_of(tmp_path)))


def test_status_leaves_out_what_it_does_not_know() -> None:
    job = {"job": "back", "state": "STARTING", "pid": None, "iterations": None, "failures": None,
           "coverage": None, "max_gap_seconds": None, "load": None}  # fmt: skip
    run = {"index": 1, "of": 3, "experiment_id": "E1", "attempt": 0, "phase": "background_start",
           "phase_seconds": 4.0, "last_line": "", "moving": "waiting for back to run",
           "condition": None, "block": None, "trial": None}  # fmt: skip
    found = {"workspace": "/w", "daemon": {"pid": 7}, "campaign": {"campaign": "c"}, "run": run,
             "jobs": [job], "power_watts": {"cpu": None}, "power_estimated": True,
             "leftovers": [], "unfinished": None}  # fmt: skip
    text = "\n".join(status_lines(found))
    assert "pid None" not in text
    assert "power" not in text
    assert "background  back  STARTING" in text
    assert "phase       load coming up for 4.0 s" in text
    assert "condition" not in text
    assert "run         control" in "\n".join(
        status_lines({**found, "run": {**run, "index": 0, "experiment_id": "control"}})
    )
    run |= {"condition": "beside back", "block": 2}
    assert "condition   beside back, block 2" in "\n".join(status_lines(found))
    run["trial"] = "trial 7 of 40"
    assert "condition   beside back, trial 7 of 40" in "\n".join(status_lines(found))
    assert "load        waiting for back to run" in text
