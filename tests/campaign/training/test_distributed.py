"""Trainings of several ranks on one machine, below a launcher that behaves like torchrun.

It starts each rank in a session of its own, ends the others where one fails (TERM, a grace, KILL),
ends all where it gets TERM, and exits with 1 where not all have ended well.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from bench import REGISTRY, Bench
from energyctl.results.ledger import parse

RANKS = 2

LAUNCHER = f"""\
import os, signal, subprocess, sys, time
class Ended(BaseException):
    pass
def ended(*_):
    raise Ended
signal.signal(signal.SIGTERM, ended)
ranks, failed = [], False
try:
    for rank in range({RANKS}):
        told = {{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "{RANKS}"}}
        ranks.append(subprocess.Popen(
            [sys.executable, "-S", *sys.argv[1:]], env={{**os.environ, **told}},
            start_new_session=True,
        ))
    while any(rank.poll() is None for rank in ranks) and not failed:
        failed = any(rank.poll() for rank in ranks)
        time.sleep(0.01)
except Ended:
    failed = True
signal.signal(signal.SIGTERM, signal.SIG_IGN)
alive = [rank for rank in ranks if rank.poll() is None]
for rank in alive:
    os.killpg(rank.pid, signal.SIGTERM)
end = time.monotonic() + 30
for rank in alive:
    try:
        rank.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(rank.pid, signal.SIGKILL)
        rank.wait()
sys.exit(int(failed))
"""

RANK = """\
import json, os, signal, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
rank, behaviour = int(os.environ["RANK"]), flags.get("--behaviour", "")
def note(**more):
    role = os.environ["ENERGYCTL_RUN"].rpartition("/")[2]
    row = {"role": role, "rank": rank, "pid": os.getpid(), "session": os.getsid(0), **more}
    with open(os.environ["TRIALS"], "a") as file:
        file.write(json.dumps(row) + "\\n")
parent = os.getppid()
note(parent=parent)
while True:  # as ranks do, until all are there
    with open(os.environ["TRIALS"]) as file:
        rows = [json.loads(line) for line in file if line.endswith("\\n")]
    if sum(row.get("parent") == parent for row in rows) == int(os.environ["WORLD_SIZE"]):
        break
    time.sleep(0.01)
if behaviour == "hangs" and rank == 1:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)
if behaviour == "dies" and rank == 1:
    sys.exit(5)
if behaviour == "orphans" and rank == 1:
    os.kill(parent, signal.SIGKILL)
if behaviour in ("dies", "orphans", "hangs"):
    time.sleep(1000)
end = time.monotonic() + float(flags["--seconds"])
while time.monotonic() < end:
    pass
note(spent=time.process_time())
if rank == 0:
    print("loss: 1.25e-05", "Accuracy: 91.5", flush=True)
"""


@pytest.fixture
def spread(bench: Bench) -> Bench:
    """A workspace whose trainings have several ranks, but for those of ``plain``."""
    registry: dict[str, Any] = json.loads(json.dumps(REGISTRY))
    plain = json.loads(json.dumps(REGISTRY["models"]["back"]))
    for name, entry in registry["models"].items():
        folder = bench.root / "repos" / name
        (folder / "spread.py").write_text(LAUNCHER)
        (folder / "rank.py").write_text(RANK)
        del entry["train_script"], entry["model_flag"]
        entry["command"] = [sys.executable, "-S", "spread.py", "rank.py", "{params}"]
        entry["models"] = ["small"]
    registry["models"]["plain"] = plain
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    return bench


def back(**values: Any) -> dict[str, Any]:
    return {"repo": "back", "model": "small", "hyperparameters": values}


def ranks_of(bench: Bench, role: str) -> list[dict[str, Any]]:
    """The ranks that were started in that role."""
    return [row for row in bench.trials if row["role"] == role and "parent" in row]


def running(bench: Bench, role: str) -> list[int]:
    return [row["pid"] for row in ranks_of(bench, role) if os.path.exists(f"/proc/{row['pid']}")]


def test_all_ranks_are_measured_and_none_is_foreign(spread: Bench) -> None:
    name = spread.parallel(
        foreground={"hyperparameters": {"seconds": 2.5}}, background=back(seconds=0.5)
    )
    done = spread.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = spread.results()
    training = result["foreground_result"]
    assert training["performance_metrics"] == {"loss": 1.25e-05, "accuracy": 91.5}
    for role in ("foreground", "background"):
        ranks = ranks_of(spread, role)
        assert {row["rank"] for row in ranks} == set(range(RANKS))
        assert all(row["session"] == row["pid"] != row["parent"] for row in ranks)
    (attempt,) = training["attempts"]
    assert attempt["end_of_processes"]["survivors"] == []
    assert not [text for text in result["warnings"] if "still ran" in text]
    (job,) = result["background_info"]["jobs"]
    assert job["coverage"] > 0.5
    # Where the ranks were foreign, so would their CPU time be.
    foreign = result["foreign"]["foreground"]
    named = [one["command"] or "" for one in foreign["processes"]]
    assert not [command for command in named if "rank.py" in command or "spread.py" in command]
    spent = sum(r["spent"] for r in spread.trials if r["role"] == "foreground" and "spent" in r)
    cpus = os.cpu_count() or 1
    assert foreign["cpu_seconds"] < foreign["seconds"] * cpus - spent + 0.5


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("hangs", "timeout after 5 s"),
        ("dies", "the training ended with exit code 1"),
        ("orphans", "the training was ended by signal 9"),
    ],
)
def test_where_a_rank_fails_all_are_ended(spread: Bench, behaviour: str, error: str) -> None:
    foreground = {"hyperparameters": {"behaviour": behaviour}, "timeout_seconds": 5}
    background = {**back(seconds=0.3), "repo": "plain"}
    settle = {"seconds": 0.1, "timeout_seconds": 5}
    name = spread.parallel(foreground=foreground, background=background, settle=settle)
    done = spread.run("run", name)
    assert done.returncode == 1, done.stderr
    (result,) = spread.results()
    assert result["foreground_result"]["error"].startswith(error)
    assert {row["rank"] for row in ranks_of(spread, "foreground")} == set(range(RANKS))
    assert running(spread, "foreground") == []
    (attempt,) = result["foreground_result"]["attempts"]
    assert attempt["end_of_processes"]["left"] == []
    assert result["background_info"]["stop"]["left"] == []


@pytest.mark.parametrize(
    ("behaviour", "ending"), [("dies", (1, None)), ("orphans", (None, 9)), ("hangs", (None, 15))]
)
def test_a_load_whose_ranks_fail_leaves_none_behind(
    spread: Bench, behaviour: str, ending: tuple[int | None, int | None]
) -> None:
    name = spread.parallel(
        foreground={"hyperparameters": {"seconds": 1.0}},
        background=back(behaviour=behaviour),
        settle={"seconds": 0.5, "timeout_seconds": 4 if behaviour == "hangs" else 30},
    )
    done = spread.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = spread.results()
    assert running(spread, "background") == []
    assert result["background_info"]["stop"]["left"] == []
    ledger = spread.root / "results" / result["background_info"]["jobs"][0]["logs"]
    ended = {(row.exit_code, row.signal) for row in parse((ledger / "iterations.csv").read_text())}
    assert ending in ended
