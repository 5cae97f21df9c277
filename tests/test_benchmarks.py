"""The benchmarks run, and print figures that make sense; the figures themselves are not judged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hardware.compiled import program

BENCHMARKS = Path(__file__).parent / "benchmarks"


def printed(name: str, *arguments: str, codes: tuple[int, ...] = (0, 1)) -> str:
    """What a benchmark prints; it may miss its bars, but not break."""
    program("foreground")  # skips the test where nothing can be compiled
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in codes, done.stderr
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
    output = printed("cost", "--seconds", "1", "--settling", "2", "--intervals", "1")
    figures = [float(n) for n in re.findall(r": ([0-9.]+) s of CPU", output)]
    assert len(figures) == 3
    assert all(0 < figure < 60 for figure in figures)


def test_memory_prints_growth_beside_what_the_samples_need() -> None:
    output = printed("memory", "--hours", "0.05", "--intervals", "1")
    assert re.search(r"\d+ samples of 9 domains .* grew by [-0-9.]+ MiB", output)


@pytest.mark.parametrize("name", ["accuracy", "cost", "memory", "peers"])
def test_each_benchmark_says_what_it_does(name: str) -> None:
    assert "python tests/benchmarks/" in printed(name, "--help", codes=(0,))
