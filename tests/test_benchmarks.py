"""The benchmarks run, and print figures that make sense; the figures themselves are not judged."""

from __future__ import annotations

import re
import subprocess
import sys
from math import inf
from pathlib import Path

import pytest

from benchmarks.loads import LOADS
from benchmarks.metering import judged
from hardware.compiled import program
from hardware.world import world

BENCHMARKS = Path(__file__).parent / "benchmarks"


def printed(
    name: str, *arguments: str, codes: tuple[int, ...] = (0, 1), seconds: float = 120.0
) -> str:
    """What a benchmark prints; it may miss its bars, but not break."""
    program("foreground")  # skips the test where nothing can be compiled
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode in codes, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_accuracy_prints_a_row_for_each_kind_of_run() -> None:
    seconds = "--seconds", "1", "--repeats", "1"
    output = printed("accuracy", *seconds, "--intervals", "0.1", "--waves", "constant")
    row = re.search(r"^\| constant \| 1 \| 0\.1 \| ([01]) \|(.*)$", output, re.MULTILINE)
    assert row
    if row[1] == "1":  # the machine was not too busy
        worst = [float(n) for n in re.findall(r"([0-9.]+) \([0-9.]+\)", row[2])[:2]]
        assert len(worst) == 2
        assert all(error < 20 for error in worst)
    assert "missed by" in output


def test_cost_prints_seconds_of_cpu() -> None:
    output = printed(
        "cost", "--seconds", "1", "--settling", "1", "--starts", "1", "--intervals", "1"
    )
    figures = [float(n) for n in re.findall(r": ([0-9.]+) s of CPU", output)]
    assert len(figures) == 3
    assert all(0 < figure < 60 for figure in figures)


def test_memory_prints_growth_beside_what_the_samples_need() -> None:
    output = printed("memory", "--hours", "0.05", "--intervals", "1")
    assert re.search(r"\d+ samples of 9 domains .* grew by [-0-9.]+ MiB", output)


def test_gaps_prints_the_gaps_that_trainings_noted() -> None:
    output = printed("gaps", "--only", "gaps", "--restarts", "4", "--jobs", "2")
    row = re.search(r"median ([0-9.]+), p95 ([0-9.]+), max ([0-9.]+) ms .* (\d+) restarts", output)
    assert row, output
    median, p95, worst = (float(row[i]) for i in (1, 2, 3))
    assert 0 < median <= p95 <= worst < 1000


def test_stops_finds_nothing_left_of_a_daemon_without_an_environment() -> None:
    """Nor of any other kind; the benchmark itself tries them all, twenty times each."""
    survivors = "--only", "survivors", "--trials", "2", "--others", "20", "--kinds", "empty"
    output = printed("stops", *survivors, codes=(0,))
    assert "0 left of 2 as background and 2 as foreground, 0 of 6 strangers harmed" in output


def test_stops_prints_how_long_an_end_took() -> None:
    output = printed("stops", "--only", "time", "--repeats", "1", "--others", "20", "--obeying")
    row = re.search(r"^obeying TERM: median ([0-9.]+), max", output, re.MULTILINE)
    assert row, output
    assert 0 < float(row[1]) < 10


def test_soak_prints_each_minute_and_what_a_day_would_be() -> None:
    output = printed("soak", "--minutes", "3", "--length", "2")
    assert re.search(
        r"^minute   3: energyctl [0-9.]+ s of CPU, [0-9.]+ MiB; .* [1-9]\d* iter", output, re.M
    )
    for what in ("energyctl", "supervisord"):
        assert re.search(rf"^CPU of {what}: .* after a day -?[0-9.]+ ± [0-9.]+ s", output, re.M)
    assert re.search(r"^memory of energyctl: .* in a day it grows by -?\d+ MiB", output, re.M)


def test_no_crash_leaves_anything_behind_or_loses_a_run() -> None:
    output = printed("crashes", "--kills", "25", codes=(0,), seconds=400)
    assert "25 kills" in output
    assert re.search(r"^0 violations", output, re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["accuracy", "cost", "memory", "peers", "gaps", "stops", "crashes", "soak"]
)
def test_each_benchmark_says_what_it_does(name: str) -> None:
    assert "python tests/benchmarks/" in printed(name, "--help", codes=(0,))


def test_a_figure_that_is_false_or_none_is_judged_so() -> None:
    with world(LOADS["square"]()) as place:
        start, end = place.mover.epoch, place.mover.epoch + 10
        truth = place.load.joules(start, end)
        told = {
            name: {"name": name, "joules": joules, "uncertainty_joules": 0.004 * joules}
            for name, joules in truth.items()
        }
        energy = {"seconds": 10.0, "domains": list(told.values())}
        right = judged(place, energy, start, end, late=0.0)
        told["package-0"]["joules"] = 1.01 * truth["package-0"]
        told["gpu-1"] |= {"joules": None, "missing": "it is lost"}
        wrong = judged(place, energy, start, end, late=0.006)
    assert all(part.inside and abs(part.error) < 1e-9 for part in right.parts.values())
    assert right.parts["gpu"].uncertainty == pytest.approx(0.4)
    assert 0 < wrong.parts["cpu"].error < 1
    assert not wrong.parts["cpu"].inside
    assert (wrong.parts["gpu"].error, wrong.parts["gpu"].missing) == (inf, "gpu-1: it is lost")
    assert wrong.spoiled == "the sleep ended 6 ms late"
