"""Work of the background beside a foreground that slows it down, against what it notes itself.

Real daemons and trainings: each unit of work takes a known time, longer while the foreground runs.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_right
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from benchmarks.work import figures
from energyctl.results import ledger

UNIT_SECONDS = 0.02
UNITS = 60
"""Of an iteration."""

SLOWER = 1.6

MOST_HELD_UP = 4
"""Units: a busy machine lets a training go on that much later, now and then."""

MOST_STILL_SECONDS = 0.5
"""So long may a training that is stopped take to end, on a busy machine, after its last unit."""

TRAIN = """#!{python} -S
import os, sys, time
busy, truth, print_every, flags = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
if print_every < 0:  # the foreground
    open(busy, "w").close()
    time.sleep({seconds})
    os.unlink(busy)
    sys.exit()
with open(truth, "a", buffering=1) as done:
    # From the start of the process on: of what Python takes for its own, nothing is to be seen.
    ticks = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    due = time.monotonic() - age
    for unit in range(1, {units} + 1):
        due += {unit} * ({slower} if os.path.exists(busy) else 1)
        time.sleep(max(0.0, due - time.monotonic()))
        done.write(f"{{time.time():.6f}}\\n")
        if print_every and unit % print_every == 0:
            print(f"step {{unit}}/{units} loss 0.1", flush=True)
"""


def training(bench: Bench, every: int, **fields: Any) -> dict[str, Any]:
    root = bench.root
    argv = [str(root / "busy"), "truth", str(every)]
    return {
        "command": ["{workspace}/train.py", *argv, "{params}"],
        "models": ["small"],
        "supported_hyperparams": {},
        "performance_metrics": {},
        **fields,
    }


@pytest.fixture
def rated(bench: Bench) -> Bench:
    """With a foreground, and backgrounds that print what the registry knows, or nothing."""
    models = {
        "front": training(bench, -1),
        "lines": training(bench, 5, progress="step {number}/{number}"),
        "steps": training(bench, 7, work={"pattern": "step {number}/{number}", "unit": "steps"}),
        "silent": training(bench, 0),
    }
    for name in models:
        argv = models[name]["command"]
        argv[2] = f"{{workspace}}/truth_{name}"
    (bench.root / "settings" / "models_config.json").write_text(json.dumps({"models": models}))
    return bench


def prepared(bench: Bench, foreground_seconds: float) -> None:
    script = bench.root / "train.py"
    values = {"units": UNITS, "unit": UNIT_SECONDS, "slower": SLOWER, "seconds": foreground_seconds}
    script.write_text(TRAIN.format(python=sys.executable, **values))
    script.chmod(0o755)


class Truth:
    """What a background did until any instant, by its own notes of units that it finished.

    last: when it finished the last one.
    """

    def __init__(self, path: Path) -> None:
        self._times = [float(line) for line in path.read_text().split()]
        self.last = self._times[-1]

    def between(self, start: float, end: float) -> float:
        return self._until(end) - self._until(start)

    def _until(self, time: float) -> float:
        place = bisect_right(self._times, time)
        if place in (0, len(self._times)):
            return place
        before, after = self._times[place - 1], self._times[place]
        return place + min(1.0, (time - before) / (after - before))


def test_work_in_each_phase_is_what_trainings_noted(rated: Bench) -> None:
    """Each amount within its band; slowdown and lost work to 1 % of those that print lines."""
    prepared(rated, foreground_seconds=15)
    background = [{"repo": repo, "model": "small"} for repo in ("lines", "steps", "silent")]
    foreground = {"repo": "front", "model": "small", "mode": "default"}
    name = rated.settings(
        settle={"seconds": 10, "timeout_seconds": 60},
        experiments=[{"mode": "parallel", "foreground": foreground, "background": background}],
    )
    done = rated.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = rated.results()
    (rows,) = (rated.root / "results").glob("background_logs_*/iterations.csv")
    ended = {row.job: row.ended for row in ledger.parse(rows.read_text())}
    phases = [phase for phase in result["phases"] if phase["name"] != "idle"]
    for job in result["background_info"]["jobs"]:
        work, truth = job["work"], Truth(rated.root / f"truth_{job['repo']}")
        names, seconds = [one["phase"] for one in work], [one["seconds"] for one in work]
        assert names == [phase["name"] for phase in phases]
        assert {one["unit"] for one in work} == {
            "steps" if job["repo"] == "steps" else "iterations"
        }
        per = 1 if job["repo"] == "steps" else UNITS
        noted = [truth.between(phase["start"], phase["end"]) / per for phase in phases]
        for one, amount in zip(work, noted, strict=True):
            held_up = MOST_HELD_UP
            if one["phase"] == "background_stop":  # it worked no more, but had not ended
                still = min(MOST_STILL_SECONDS, ended[job["job"]] - truth.last)
                held_up = max(held_up, still / UNIT_SECONDS)
            assert abs(one["amount"] - amount) <= one["uncertainty"] + held_up / per, one
        measured, known = (
            figures(names, seconds, amounts) for amounts in ([one["amount"] for one in work], noted)
        )
        assert 1.3 < known.slowdown < 1.9  # the stand-in did what it is for
        if job["repo"] == "silent":
            continue
        assert measured.slowdown == pytest.approx(known.slowdown, rel=0.01), job["job"]
        assert measured.lost == pytest.approx(known.lost, abs=0.01 * known.expected), job["job"]
