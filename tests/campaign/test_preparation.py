"""What fetches data before a campaign's first run: real campaigns of a stand-in clone."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import DEADLINE_SECONDS, Bench, wait_for

FETCH = """
import os, pathlib, sys
print("fetching as", os.environ["ENERGYCTL_RUN"].rpartition("/")[2], "in", os.getcwd(), flush=True)
with open("fetched.txt", "a") as file:
    file.write("once\\n")
if os.path.exists("broken"):
    print("no route to host", flush=True)
    sys.exit(4)
data = pathlib.Path(sys.argv[1])
data.mkdir(exist_ok=True)
(data / "images").write_bytes(b"x" * 12_000_000)
"""

TRAIN = """
import os, pathlib, sys, time
assert pathlib.Path("../data/images").stat().st_size == 12_000_000
with open(os.environ["TRIALS"], "a") as file:
    file.write('{"role": "trained"}\\n')
time.sleep(float(sys.argv[1]))
"""


def entry(**fields: Any) -> dict[str, Any]:
    return {
        "path": "repos/front",
        "models": ["small", "large"],
        "command": [sys.executable, "-S", "net.py", "{seconds}", "{model}"],
        "prepare": [sys.executable, "-S", "fetch.py", "{data}"],
        "workspace": {"kind": "links", "shared": ["../data"]},
        "data": "repos/data",
        "supported_hyperparams": {"seconds": {"type": "float", "default": 0.3}},
        **fields,
    }


def clone(bench: Bench, **fields: Any) -> Path:
    """The registry with that entry, changed by *fields*; the clone, without any data."""
    registry = {"models": {"front": entry(**fields)}}
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    folder = bench.root / "repos" / "front"
    (folder / "fetch.py").write_text(FETCH)
    (folder / "net.py").write_text(TRAIN)
    return folder


def experiment(model: str, seconds: float = 0.3) -> dict[str, Any]:
    values = {"seconds": seconds}
    return {"mode": "default", "repo": "front", "model": model, "hyperparameters": values}


def fetched(folder: Path) -> int:
    """How often its `prepare` was run."""
    path = folder / "fetched.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_it_runs_once_before_the_first_run_and_is_in_no_measurement(bench: Bench) -> None:
    folder = clone(bench)
    name = bench.settings(experiments=[experiment("small"), experiment("large")])
    assert bench.look("run", name, "--dry-run").returncode == 0
    assert bench.look("validate", name).returncode == 0
    assert "not ready" not in bench.look("plan", name).stdout
    assert fetched(folder) == 0
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    assert fetched(folder) == 1
    assert len(bench.trials) == 2
    (log,) = (bench.root / "results").glob("prepare_front_*.log")
    assert log.read_text() == f"fetching as foreground in {folder}\n"
    for result in bench.results():
        said = "\n".join(result["warnings"])
        assert "clone changed during the run" not in said
        assert "no output" not in said


def test_where_it_fails_nothing_is_run_until_it_is_resumed(bench: Bench) -> None:
    folder = clone(bench)
    (folder / "broken").touch()
    done = bench.look("run", bench.settings(experiments=[experiment("small")]))
    assert done.returncode == 2
    (log,) = (bench.root / "results").glob("prepare_front_*.log")
    failed = f"front: prepare failed: it ended with exit code 4; no run was started; its log: {log}"
    assert failed in done.stderr
    assert "> no route to host" in done.stderr
    assert "Traceback" not in done.stderr
    assert bench.trials == bench.results() == []
    (folder / "broken").unlink()
    done = bench.run("resume")
    assert done.returncode == 0, done.stderr
    assert (fetched(folder), len(bench.trials)) == (2, 1)


def test_one_that_takes_too_long_or_brings_nothing_is_a_failure(bench: Bench) -> None:
    slow = [sys.executable, "-S", "-c", "import time; time.sleep(100)"]
    clone(bench, prepare={"command": slow, "timeout_seconds": 0.3})
    name = bench.settings(experiments=[experiment("small")])
    done = bench.look("run", name)
    assert done.returncode == 2
    assert "front: prepare failed: timeout after 0.3 s (timeout_seconds)" in done.stderr
    clone(bench, prepare=[sys.executable, "-S", "-c", ""])
    done = bench.look("run", name)
    assert done.returncode == 2
    assert "front: its data is missing; put it at" in done.stderr
    assert "although it was prepared" in done.stderr
    assert bench.trials == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_resumed_campaign_repeats_it_only_where_something_is_gone(
    bench: Bench, gone: bool
) -> None:
    folder = clone(bench, preflight={"files": ["{data}/images"]})
    name = bench.settings(experiments=[experiment("small"), experiment("large", 60.0)])
    popen = bench.start("run", name)
    wait_for(lambda: len(bench.trials) == 2, "the second run")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(DEADLINE_SECONDS) == 130
    if gone:
        (bench.root / "repos" / "data" / "images").unlink()
    popen = bench.start("resume")
    wait_for(lambda: len(bench.trials) == 3, "the second run once more")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(DEADLINE_SECONDS) == 130
    assert fetched(folder) == (2 if gone else 1)


def test_an_interrupt_ends_it(bench: Bench) -> None:
    waits = "import time; open('fetched.txt', 'w').write('once'); time.sleep(100)"
    folder = clone(bench, prepare=[sys.executable, "-S", "-c", waits])
    popen = bench.start("run", bench.settings(experiments=[experiment("small")]))
    wait_for(lambda: fetched(folder), "the preparation")
    popen.send_signal(signal.SIGINT)
    assert popen.wait(DEADLINE_SECONDS) == 130
    assert bench.trials == bench.results() == []


def test_a_trial_prepares_too(bench: Bench) -> None:
    folder = clone(bench)
    tried = bench.run("models", "--test", "front/small")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert fetched(folder) == 1
    assert "warning" not in tried.stdout
    (folder / "broken").touch()
    tried = bench.run("models", "--test", "front/small")
    assert tried.returncode == 1
    assert "problem: prepare failed: it ended with exit code 4" in tried.stdout
    assert "> no route to host" in tried.stdout
    assert len(bench.trials) == 1
