"""Figures over time: steady, or still on their way; and the jobs that are waited for."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl.background.info import coverage_warnings
from energyctl.background.job_view import JobView
from energyctl.background.steady_state import FEWEST, Steadiness, trend
from energyctl.campaign.settle import FAILURES, JobWatch
from hardware import nvml

RANDOM = random.Random(3)
NOISE = [RANDOM.gauss(0, 1) for _ in range(1000)]


def watched(
    value: Callable[[int], float], name: str, count: int = 41, seconds: float = 10.0
) -> str | None:
    """What is said after *count* looks, four a second."""
    steadiness = Steadiness(seconds)
    for number in range(count):
        steadiness.add(1000 + number / 4, {name: value(number)})
    return steadiness.moving()


@pytest.mark.parametrize(
    ("figure", "name", "moves"),
    [
        (lambda n: 250.0, "GPU 0 watts", False),
        (lambda n: 0.0, "a cores", False),
        (lambda n: 100.0 + 5 * n, "GPU 0 watts", True),
        (lambda n: 300.0 - 5 * n, "GPU 0 watts", True),  # falling is no steadier than rising
        (lambda n: 0.0 if n < 20 else 250.0, "GPU 0 watts", True),  # it has just begun
        (lambda n: 250.0 + 0.2 * n, "GPU 0 watts", False),  # 8 W of 250
        (lambda n: 10.0 + 0.1 * n, "GPU 0 watts", False),  # 4 W are nothing
        (lambda n: 0.002 * n, "a cores", False),
        (lambda n: 1.0 + 0.05 * n, "a cores", True),
        (lambda n: 100.0 + 20 * NOISE[n], "GPU 0 watts", False),
        (lambda n: 3 + NOISE[n], "a cores", False),
        (lambda n: 100.0 + 5 * n + 5 * NOISE[n], "GPU 0 watts", True),
        (lambda n: 80.0 if n % 2 else 300.0, "GPU 0 watts", False),  # batches: a load with a period
        (lambda n: 80.0 if n // 4 % 2 else 300.0, "GPU 0 watts", False),
    ],
)
def test_what_counts_as_moving(figure: Callable[[int], float], name: str, moves: bool) -> None:
    assert (watched(figure, name) is not None) is moves


def test_what_moves_is_named_with_its_drift() -> None:
    assert watched(lambda n: 100.0 + 5 * n, "GPU 0 watts") == (
        "GPU 0 watts drifts by +2e+02 (now 300)"
    )


def test_nothing_is_steady_before_the_window_is_full() -> None:
    assert watched(lambda n: 5.0, "a cores", count=40) == "not watched for long enough yet"
    assert watched(lambda n: 5.0, "a cores", count=41) is None
    assert watched(lambda n: 5.0, "a cores", count=0) == "not watched for long enough yet"


def test_a_window_has_looks_enough_however_short_it_is() -> None:
    assert watched(lambda n: 5.0, "a cores", count=FEWEST - 1, seconds=0) is not None
    assert watched(lambda n: 5.0, "a cores", count=FEWEST, seconds=0) is None


def test_the_rise_at_the_start_is_forgotten_once_it_is_out_of_the_window() -> None:
    ramp = [min(250.0, 10.0 * number) for number in range(80)]
    assert watched(lambda n: ramp[n], "GPU 0 watts", count=45) is not None
    assert watched(lambda n: ramp[n], "GPU 0 watts", count=70) is None


def test_a_restart_begins_a_new_window() -> None:
    steadiness = Steadiness(10)
    for number in range(50):
        steadiness.add(number, {"a cores": 1.0})
    assert steadiness.moving() is None
    steadiness.restart()
    assert steadiness.moving() == "not watched for long enough yet"
    assert steadiness.trends() == {}
    assert steadiness.span_seconds == 0.0


def test_one_of_several_figures_is_enough_to_be_moving() -> None:
    steadiness = Steadiness(10)
    for number in range(41):
        steadiness.add(number / 4, {"a cores": 1.0, "b cores": number / 10})
    assert str(steadiness.moving()).startswith("b cores drifts")


def test_trend_is_the_drift_over_the_whole_span() -> None:
    drift, noise = trend([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    assert (drift, noise) == pytest.approx((6.0, 0.0))
    assert trend([0.0, 1.0], [0.0, 9.0]) == (0.0, float("inf"))
    assert trend([5.0] * 4, [0.0, 9.0, 3.0, 1.0]) == (0.0, float("inf"))


def test_a_figure_that_has_just_begun_is_not_steady() -> None:
    steadiness = Steadiness(10)
    for number in range(81):
        told = {"b percent": 80.0} if number >= 56 else {}
        steadiness.add(number / 4, {"a cores": 1.0, **told})
        if number in (56, 70):
            assert steadiness.moving() == "b percent was seen only recently (now 80)"
    for number in range(81, 100):
        steadiness.add(number / 4, {"a cores": 1.0, "b percent": 80.0})
    assert steadiness.moving() is None


def test_a_figure_that_is_not_told_once_is_not_taken_for_nothing() -> None:
    steadiness = Steadiness(10)
    for number in range(42):
        steadiness.add(number / 4, {"a cores": 4.0} if number not in (1, 2, 3) else {})
    assert steadiness.moving() is None
    assert steadiness.trends()["a cores"].mean == 4.0


def test_without_any_figure_nothing_is_steady() -> None:
    steadiness = Steadiness(0)
    for number in range(FEWEST):
        steadiness.add(number, {})
    assert steadiness.moving() == "waiting for the first figures"


@pytest.mark.parametrize(
    ("iteration", "busy", "rounds"), [(0.3, 0.2, 20), (0.7, 0.5, 20), (2.0, 1.0, 20), (4.0, 2.5, 8)]
)
def test_a_load_with_a_period_within_the_window_becomes_steady(
    iteration: float, busy: float, rounds: int
) -> None:
    """Iterations that load data and then work; CPU time so far, as the looks see it."""

    def cores(begin: float, end: float) -> float:
        def spent(time: float) -> float:
            whole, rest = divmod(time, iteration)
            return whole * busy + max(0.0, rest - (iteration - busy))

        return (spent(end) - spent(begin)) / (end - begin)

    steadiness, steady_at = Steadiness(10), None
    for number in range(1, 2 * 40):
        time = number / 2
        steadiness.add(time, {"a cores": cores(time - 0.5, time)})
        if steadiness.moving() is None and steady_at is None:
            steady_at = time
    assert steady_at is not None
    assert steady_at <= 20


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
print("loss: 1.0", "Accuracy: 1", flush=True)
if "gpu" in sys.argv:
    with open(os.environ["FAKE_UTILIZATION"], "a") as file:
        file.write(f"0 {{os.getpid()}} 60 {{time.time()}} 0\\n")
end = time.monotonic() + float(sys.argv[sys.argv.index("--seconds") + 1])
while time.monotonic() < end:
    if "cpu" not in sys.argv:
        time.sleep(0.01)
"""


def test_a_gpu_job_and_a_cpu_job_are_loaded_and_one_that_only_fails_does_not_hold_them_up(
    bench: Bench, tmp_path: Path
) -> None:
    (bench.root / "repos" / "back" / "train.sh").write_text(TRAIN)
    (tmp_path / "library").mkdir()
    library = nvml.build(tmp_path / "library")
    found = nvml.environment(
        library, GPUS="1", UTILIZATION=str(tmp_path / "busy"), WAVE="square 200 200"
    )
    behaviours = {"gpu": 60.0, "cpu": 0.5, "fails": 0.1}
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
    figures = {"back_large_1 percent", "back_large_2 cores", "back_large_3 cores", "gpu-0 watts"}
    assert settle["figures"].keys() == figures
    assert settle["figures"]["back_large_1 percent"] == pytest.approx(60, abs=12)
    assert settle["trends"].keys() == figures - {"back_large_3 cores"}
    assert settle["trends"]["gpu-0 watts"] == {
        "mean": pytest.approx(200),
        "drift": pytest.approx(0, abs=1),
    }

    gpu, cpu, failing = info["jobs"]
    assert (gpu["load"] > 0.9, gpu["utilization"]["source"]) == (True, "nvml")
    assert gpu["utilization"]["gpu_percent"] == pytest.approx(60, abs=6)
    assert gpu["missing"] == {}
    assert (cpu["load"] > 0.7, cpu["utilization"]["source"]) == (True, "cpu")
    assert cpu["utilization"]["cpu_cores"] > 0.1  # of a machine that others load, too
    assert cpu["utilization"]["gpu_percent"] is None
    assert cpu["missing"] == {"gpu_percent": "it was not seen on a metered GPU"}
    assert failing["load"] < 0.5
    assert not any("for the most part" in text for text in result["warnings"])


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


def test_copies_that_were_away_have_one_warning_together() -> None:
    copies = [job(f"a_{number}", 0.9, 0.9 + number / 1000) for number in range(1, 51)]
    copies[7] |= {"coverage": 0.25, "max_gap_seconds": 9.0}
    copies[8] |= {"failures": 3, "iterations": 5}
    other = job("b", 0.9, 1.0, learning_rate=0.2)
    away, failed = coverage_warnings({"jobs": [*copies, other]})
    assert "a_8 and 49 more of 50 copies ran for at least 25.0 %" in away
    assert "longest gap 9 s" in away
    assert "background a_9: 3 of 5 iterations failed; see a_9" in failed
    copies[2] |= {"failures": 1, "iterations": 5}
    _, failed = coverage_warnings({"jobs": copies})
    assert "a_9 and 1 more of 50 copies: 4 of 10 iterations failed; see a_9" in failed
