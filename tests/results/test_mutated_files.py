"""Whatever a file holds at whatever place: it is read, or refused by name, in time."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energyctl import cli
from energyctl.campaign.estimates import typical_seconds
from energyctl.campaign.journal import Journal, find_journal
from energyctl.campaign.status import status_of
from energyctl.campaign.status_file import read_published
from energyctl.campaign.watcher import Watcher
from energyctl.cli.output import watch
from energyctl.cli.output.console import LineConsole
from energyctl.cli.output.ending import show_report
from energyctl.cli.output.status import status_lines
from energyctl.config.plan import Run, Training
from energyctl.errors import EnergyctlError
from energyctl.results import api, ledger
from energyctl.results.folder import ResultsFolder
from energyctl.results.reader import read_result
from energyctl.results.tables.part import NoResult
from energyctl.system import workspace
from energyctl.system.lock import lock_holder
from energyctl.system.workspace import Workspace
from written_results import write_runs, write_shared_pair

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with results, a journal, a state, a ledger and the note of a lock."""
    root = tmp_path_factory.mktemp("odd")
    env = {"ENERGYCTL_LOCK": str(root / "lock"), "ENERGYCTL_PRIVATE": str(root)[:51]}
    before = {name: os.environ.get(name) for name in env}
    os.environ.update(env)
    workspace.init(root)
    write_runs(root / "results", "default", [5.0, 6.0])
    yield root
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


ODD_VALUES = st.sampled_from(
    [None, True, "", "abc", "\0", "\ud800", "../..", "nan", -1, 0, 1e300, -1e300, 1e308, 1e-320,
     float("nan"), float("inf"), 10**5000, 2**63, [], {}, [[]], {"a": []}, [None], "x" * 10_000]
)  # fmt: skip


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in it."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(items):
        yield data, key
        if isinstance(value, dict | list):
            yield from places(value)


@st.composite
def mutated(draw: st.DrawFn, good: Any) -> bytes:
    """JSON with another value, or without one, at any place; or with other bytes."""
    data = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(data))
        if not every:
            break
        container, key = draw(st.sampled_from(every))
        if isinstance(container, dict) and draw(st.booleans()):
            del container[key]
        else:
            container[key] = copy.deepcopy(draw(ODD_VALUES))
    return spoiled(draw, dumped(data))


def dumped(data: Any) -> bytes:
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(data).encode()
    finally:
        sys.set_int_max_str_digits(most)


def spoiled(draw: st.DrawFn, text: bytes) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.binary(max_size=20)) + text[start + draw(st.integers(0, 9)) :]
    return text


RESULT: dict[str, Any] = json.loads(
    (SAMPLES / "attempts_from_1/20261129_093100_front_small_parallel.json").read_text()
)
RUN = Run(1, 0, 1, "parallel", Training("front", "small", {"lr": 0.1}), ("lr",), (), None, None)
JOURNAL: list[dict[str, Any]] = [
    {"event": "campaign", "time": 1.9e9, "schema": 1, "name": "trial", "seed": 7,
     "settings_name": "x.json", "settings": "{}", "registry": {"models": {}}, "rendered": None,
     "workspace": "/w", "invalid": False, "runs": [RUN.to_json()],
     "cluster": {"kind": "slurm", "runs_per_task": 1, "modules": []}},
    {"event": "started", "time": 1.9e9, "run": 1, "experiment_id": "E", "node": "n", "task": 0},
    {"event": "finished", "time": 1.9e9, "run": 1, "experiment_id": "E", "status": "succeeded"},
    {"event": "task_interrupted", "time": 1.9e9, "signal": 10, "runs": {"1": "interrupted"}},
    {"event": "refused", "time": 1.9e9, "task": 0, "node": "n", "reason": "busy"},
    {"event": "ended", "time": 1.9e9, "signal": None, "runs": {"1": "succeeded"}},
]  # fmt: skip
STATE: dict[str, Any] = {
    "time": 1.9e9, "pid": 1, "runs": 3, "results": "", "ends": 1.9e9, "index": 1,
    "experiment_id": "E", "title": "a / b", "attempt": 0, "phase": "foreground",
    "phase_since": 1.9e9, "watts": {"gpu-0": 5.0}, "estimated": False,
    "jobs": [{"name": "j", "iterations": 1, "failures": 0, "running": True, "coverage": 0.5,
              "progress": [1.0, 5.0], "unit": "samples"}],
    "gpus": [{"name": "gpu-0", "utilization_percent": 98.0, "sm_mhz": 1290.0, "limits": ["heat"]}],
    "joules": {"gpu-0": 50.0}, "warnings": ["gap of 5 ms"],
    "last_line": "loss", "moving": None, "progress": [1.0, 5.0], "until": 1.9e9, "log": None,
    "series": None,
}  # fmt: skip
ODD_BYTES = st.sampled_from([b"", b"nan", b"1e999", b"\0", b'"', b"9" * 5000, b"\n,"])
NOTE = {"pid": 1, "user": "u", "campaign": "c", "workspace": "/w", "since": 1.9e9}
LEDGER = b"""job,run,pid,started,ended,exit_code,signal
j,1,5,1.9e9,1900000001.5,0,
j,2,6,1.9e9,2e9,,15
"""
EXAMPLES = settings(
    max_examples=60,
    derandomize=True,
    deadline=20_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def called(world: Path, *arguments: str) -> int:
    """The exit code of `energyctl …`, which does not end by an error of its own."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = cli.run(["-C", str(world), *arguments])
    assert "internal error" not in said.getvalue()
    return code


@EXAMPLES
@given(text=mutated(RESULT))
def test_a_result_is_read_or_refused(world: Path, text: bytes) -> None:
    path = world / "results" / "20300317_180000_odd.json"
    path.write_bytes(text)
    with contextlib.suppress(NoResult):
        read_result(path)
    named: list[str] = []
    folder = ResultsFolder(world / "results", named.append)
    typical_seconds(folder.all())
    runs = api.load_files(sorted(folder.root.glob("*.json")), named.append, lambda *_: None)
    show_report(LineConsole(file=io.StringIO(), width=120), runs, [])
    for command in (["plan", "quickstart.json"], ["report"]):
        assert called(world, *command) in (0, 1)
    path.unlink()


@EXAMPLES
@given(number=st.integers(0, 1), data=st.data())
def test_a_result_of_a_pair_is_read_or_refused(
    world: Path, number: int, data: st.DataObject
) -> None:
    folder = world / "pairs"
    pair = write_shared_pair(folder, 1)
    write_shared_pair(folder, 2, started=1.8e9 + 1000)
    path = folder / f"{pair[number]['experiment_id']}.json"
    path.write_bytes(data.draw(mutated(pair[number])))
    for more in ([], ["--json"]):
        assert called(world, "attribute", str(folder), *more) in (0, 1)


@EXAMPLES
@given(texts=st.tuples(*(mutated(line) for line in JOURNAL)))
def test_a_journal_is_read_or_refused(world: Path, texts: tuple[bytes, ...]) -> None:
    folder = ResultsFolder(world / "results")
    folder.campaigns.mkdir(exist_ok=True)
    path = folder.campaigns / "odd.jsonl"
    path.write_bytes(b"\n".join(texts) + b"\n")
    try:
        journal = find_journal(folder, "odd")
        assert journal.head()["schema"] == 1
        journal.runs()
        journal.resume_command  # noqa: B018
    except EnergyctlError:
        pass
    for look in (Journal.finished, Journal.started, Journal.unfinished, Journal.last_finished):
        look(Journal(path, folder))
    assert called(world, "status") == 0
    assert called(world, "watch", "--once") in (0, 1, 2)
    path.unlink()


@EXAMPLES
@given(text=mutated(STATE))
def test_a_state_is_read_or_refused(world: Path, text: bytes) -> None:
    watcher = Watcher(Workspace(world))
    watcher._runtime.mkdir(parents=True, exist_ok=True)
    path = watcher._runtime / "state.json"
    path.write_bytes(text)
    read_published(path)
    scene = watcher.look()
    console = LineConsole(file=io.StringIO(), width=80)
    console.print(watch.screen(scene, 80, 40))
    console.print(watch.screen(scene, 80, 40, "jobs"))
    watch.plain(scene)
    path.unlink()
    watcher._runtime.rmdir()


@EXAMPLES
@given(data=st.data())
def test_a_ledger_is_read_as_far_as_it_is_one(data: st.DataObject) -> None:
    text = LEDGER
    for _ in range(3):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(ODD_BYTES) + text[start + 1 :]
    rows = ledger.parse(text.decode(errors="replace"))
    jobs: dict[str, ledger.JobLedger] = {}
    for row in rows:
        jobs.setdefault(row.job, ledger.JobLedger()).add(row)
    for job in jobs.values():
        job.presence(1.9e9, 2e9)


@EXAMPLES
@given(text=mutated(NOTE))
def test_the_note_of_a_lock_is_shown_whatever_it_holds(world: Path, text: bytes) -> None:
    with open(world / "lock", "wb") as file:
        file.write(text)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        holder = lock_holder()
        assert holder is not None
        assert called(world, "status") == 0
    status_lines({**status_of(world), "campaign": holder})
