"""The jobs that are waited for, and real backgrounds that come up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl.analysis.report.summary import grouped
from energyctl.background.info import coverage_warnings
from energyctl.background.job_view import JobView
from energyctl.campaign.settle import FAILURES, JobWatch
from hardware import nvml

# -- who is waited for --------------------------------------------------------------------------


def view(name: str, iterations: int, failures: int, running: bool) -> JobView:
    return JobView(name, iterations, failures, running)


def seen(*looks: tuple[float, int, int, bool]) -> tuple[list[str], dict[str, int]]:
    """Away and failing after these looks at one job: (time, iterations, failures, running)."""
    attendance = JobWatch(seconds=10)
    for time, *rest in looks:
        attendance.see([view("a", *rest)], time)
    return attendance.away, attendance.failing


AWAY, THERE = (["a"], {}), ([], {})


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0, 0, 0, False)], AWAY),  # a copy that is to start later
        ([(0, 1, 0, True)], THERE),
        ([(0, 1, 0, True), (1, 1, 0, False)], THERE),  # between two good ones
        ([(0, 1, 1, False)], AWAY),
        ([(0, 1, 1, False), (5, 2, 1, True)], THERE),
        ([(0, 5, 0, False), (1, 6, 1, False)], AWAY),  # good ones before do not count
        ([(0, 6, 1, False), (1, 7, 1, False)], THERE),
        ([(0, 3, 3, False)], ([], {"a": 3})),
        ([(0, 3, 3, False), (5, 4, 3, True)], ([], {"a": 3})),
        ([(0, 3, 3, False), (5, 4, 3, True), (15, 4, 3, True)], THERE),  # this one stays
        ([(0, 9, 2, False), (1, 12, 5, False)], ([], {"a": 3})),
        ([(0, 3, 3, False), (5, 4, 3, False)], THERE),
    ],
)
def test_a_job_is_waited_for_until_it_runs_or_does_nothing_but_fail(
    looks: list[tuple[float, int, int, bool]], expected: tuple[list[str], dict[str, int]]
) -> None:
    assert seen(*looks) == expected


# -- a real run ---------------------------------------------------------------------------------

TRAIN = f"""#!{sys.executable} -S
import os, sys, time
if "fails" in sys.argv:
    sys.exit(3)
seconds = float(sys.argv[sys.argv.index("--seconds") + 1])
def work(seconds, idle):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if idle:
            time.sleep(0.01)
if "gpu" in sys.argv:
    work(seconds / 2, idle=False)  # imports
    with open(os.environ["FAKE_UTILIZATION"], "a") as file:
        now = time.time()
        file.write(f"0 {{os.getpid()}} 60 {{now}} {{now + seconds / 2}}\\n")
    work(seconds / 2, idle=True)
else:
    work(seconds, idle="cpu" not in sys.argv)
print("loss: 1.0", "Accuracy: 1", flush=True)
"""


@pytest.mark.alone
def test_a_gpu_job_and_a_cpu_job_are_loaded_and_one_that_only_fails_does_not_hold_them_up(
    bench: Bench, tmp_path: Path
) -> None:
    (bench.root / "repos" / "back" / "train.sh").write_text(TRAIN)
    (tmp_path / "library").mkdir()
    library = nvml.build(tmp_path / "library")
    found = nvml.environment(
        library, GPUS="1", UTILIZATION=str(tmp_path / "busy"), WAVE="square 200 200"
    )
    behaviours = {"gpu": 2.0, "cpu": 0.5, "fails": 0.1}
    background = [
        {
            "repo": "back",
            "model": "large",
            "hyperparameters": {"seconds": seconds, "behaviour": behaviour},
        }
        for behaviour, seconds in behaviours.items()
    ]
    done = bench.run(
        "run",
        bench.parallel(
            foreground={"hyperparameters": {"seconds": 2.5}},
            background=background,
            settle={"seconds": 1, "timeout_seconds": 300},
        ),
        env={key: found[key] for key in found if key.startswith(("FAKE_", "LD_"))},
    )
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    info = result["background_info"]

    settle = info["settle"]
    assert settle["seconds"] < 60
    assert not settle["steady"]
    assert settle["moving"] == f"back_large_3 failed {FAILURES} times in a row"
    assert any(settle["moving"] in text for text in result["warnings"])
    assert {"back_large_2 cores", "gpu-0 watts"} <= settle["figures"].keys()
    assert settle["loaded"]["back_large_1"] >= 1.0  # not while it imports
    assert settle["loaded"]["back_large_3"] is None
    assert (settle["iterations"], settle["iteration_is"]) == (3, "iteration")
    assert settle["iteration_seconds"] == pytest.approx(2.2, abs=0.5)
    assert settle["window_seconds"] == pytest.approx(3 * settle["iteration_seconds"], rel=0.3)
    assert settle["trends"]["gpu-0 watts"] == {
        "mean": pytest.approx(200, rel=0.03),
        "drift": pytest.approx(0, abs=20),  # each half is one iteration, its ends to 0.1 s
    }

    gpu, cpu, failing = info["jobs"]
    assert (gpu["load"] > 0.2, gpu["utilization"]["source"]) == (True, "nvml")
    assert 10 < gpu["utilization"]["gpu_percent"] < 60
    assert gpu["missing"] == {}
    assert (cpu["load"] > 0.7, cpu["utilization"]["source"]) == (True, "cpu")
    assert cpu["utilization"]["cpu_cores"] > 0.1  # of a machine that others load, too
    assert cpu["utilization"]["gpu_percent"] is None
    assert cpu["missing"] == {"gpu_percent": "it was not seen on a metered GPU"}
    assert failing["load"] < 0.5
    assert not any("for the most part" in text for text in result["warnings"])


def test_a_load_of_which_no_iteration_ends_in_time_is_not_known_to_be_steady(bench: Bench) -> None:
    """It is waited for once: the campaign's second run is not held up by it."""
    background = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 60.0}}
    settle = {"seconds": 0.2, "timeout_seconds": 3}
    done = bench.run("run", bench.parallel(background=background, settle=settle, runs_per_config=2))
    assert done.returncode == 0, done.stderr
    results = bench.results()
    for result in results:
        seen = result["background_info"]["settle"]
        assert (seen["steady"], seen["iterations"], seen["iteration_seconds"]) == (None, 0, None)
        (line,) = [text for text in result["warnings"] if seen["moving"] in text]
        assert line.startswith("it is not known whether the background is steady after ")
        assert "whole iteration of back_large was seen (" in line
        assert "settle.timeout_seconds" in line
    first, second = (result["background_info"]["settle"]["seconds"] for result in results)
    assert second < 3 <= first


def job(name: str, load: float | None, coverage: float, learning_rate: float = 0.1) -> Any:
    training = {"repo": "r", "model": "m", "hyperparameters": {"lr": learning_rate}}
    figures = {"load": load, "coverage": coverage, "max_gap_seconds": 0.0}
    return {"job": name, **training, **figures, "failures": 0, "error": None, "logs": name}


@pytest.mark.parametrize(
    ("jobs", "named"),
    [
        ([job("a", 0.4, 1.0)], ["a 40 %"]),
        ([job("a", 0.6, 1.0)], []),
        ([job("a", None, 1.0)], []),
        ([job("a_1", 0.4, 1.0), job("a_2", 0.4, 1.0)], []),  # one is busy while the other starts
        ([job("a_1", 0.2, 1.0), job("a_2", 0.1, 1.0)], ["a_1 20 %, a_2 10 %"]),
        ([job("a", 0.9, 1.0), job("b", 0.1, 1.0, learning_rate=0.2)], ["b 10 %"]),
        ([job("a", 0.4, 0.5)], []),  # that it was away says enough
        ([job(f"a_{n}", 0.01, 1.0) for n in range(6)], ["a_3 1 % and 2 more copies of the"]),
    ],
)
def test_a_training_that_ran_and_was_idle_has_a_warning(jobs: list[Any], named: list[str]) -> None:
    found = [text for text in coverage_warnings({"jobs": jobs}) if "was mostly idle" in text]
    assert len(found) == len(named)
    for text, name in zip(found, named, strict=True):
        assert name in text
        assert "stagger_seconds" in text


def test_warnings_of_one_kind_are_one_to_a_report_whatever_job_they_are_of() -> None:
    lines = []
    for name, coverage, failures in (("back_a", 0.5, 3), ("other", 0.25, 12)):
        one = job(name, 0.9, coverage)
        one |= {"failures": failures, "iterations": 20}
        lines += [(name, line) for line in coverage_warnings({"jobs": [one]})]
    assert len(lines) == 4
    assert [group.runs for group in grouped(lines)] == [2, 2]


def test_copies_that_were_away_have_one_warning_together() -> None:
    copies = [job(f"a_{number}", 0.9, 0.9 + number / 1000) for number in range(1, 51)]
    copies[7] |= {"coverage": 0.25, "max_gap_seconds": 9.0}
    copies[8] |= {"failures": 3, "iterations": 5}
    other = job("b", 0.9, 1.0, learning_rate=0.2)
    away, failed = coverage_warnings({"jobs": [*copies, other]})
    assert "a_8 and 49 more of 50 copies ran for at least 25.0 %" in away
    assert "longest gap 9 s" in away
    assert "iterations of the background failed: a_9, 3 of 5; see a_9" in failed
    copies[2] |= {"failures": 1, "iterations": 5}
    _, failed = coverage_warnings({"jobs": copies})
    assert "failed: a_9 and 1 more of 50 copies, 4 of 10; see a_9" in failed
