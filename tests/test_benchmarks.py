"""The benchmarks run, and print figures that make sense; the figures themselves are not judged."""

from __future__ import annotations

import json
import os
import re
from math import inf
from pathlib import Path

import pytest

from benchmarks.loads import LOADS
from benchmarks.metering import judged
from benchmarks.running import printed
from hardware.compiled import library_folder
from hardware.nvml import environment
from hardware.world import world


@pytest.mark.alone
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
    assert len(figures) == 4
    assert all(0 < figure < 60 for figure in figures)


def test_memory_prints_growth_beside_what_the_samples_need() -> None:
    output = printed("memory", "--hours", "0.05", "--intervals", "1")
    assert re.search(r"\d+ samples of 9 domains .* grew by [-0-9.]+ MiB", output)


def test_plans_prints_what_a_plan_takes() -> None:
    output = printed("plans", "--runs", "300")
    row = r"^plan( --json)? of 300 runs: ([0-9.]+) s \(([0-9.]+) s of CPU\), (\d+) MB$"
    rows = re.findall(row, output, re.MULTILINE)
    assert [json for json, *_ in rows] == ["", " --json"]
    assert all(0 < float(cpu) < 60 and 10 < int(mb) < 500 for *_, cpu, mb in rows)


def test_logs_prints_durations_and_memory_with_and_without_patterns() -> None:
    quick = "--mebibytes", "1", "--long", "2", "--seconds", "0.3", "--signals", "1", "--kinds", "a"
    output = printed("logs", *quick)
    rows = re.findall(
        r"^1 MB of a, .*: ([0-9.]+) s, without ([0-9.]+) s .*; (\d+) MiB", output, re.M
    )
    assert len(rows) == 2
    assert all(0.3 <= float(seconds) < 60 and 10 < int(mib) < 500 for seconds, _, mib in rows)
    assert re.search(r"^1 times SIGINT: [0-9.]+ s, at most [0-9.]+ s", output, re.MULTILINE)


@pytest.mark.alone
def test_gaps_prints_the_gaps_that_trainings_noted() -> None:
    output = printed("gaps", "--only", "gaps", "--restarts", "4", "--jobs", "2")
    row = re.search(r"median ([0-9.]+), p95 ([0-9.]+), max ([0-9.]+) ms .* (\d+) restarts", output)
    assert row, output
    median, p95, worst = (float(row[i]) for i in (1, 2, 3))
    assert 0 < median <= p95 <= worst < 1000


@pytest.mark.alone
def test_stops_finds_nothing_left_of_a_daemon_without_an_environment() -> None:
    """Nor of any other kind; the benchmark itself tries them all, twenty times each."""
    survivors = "--only", "survivors", "--trials", "2", "--others", "20", "--kinds", "empty"
    output = printed("stops", *survivors, codes=(0,))
    assert "0 left of 2 as background and 2 as foreground, 0 of 6 strangers harmed" in output


@pytest.mark.alone
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


@pytest.mark.records
def test_no_crash_leaves_anything_behind_or_loses_a_run() -> None:
    output = printed("crashes", "--kills", "6", "--runs", "4", codes=(0,), seconds=400)
    assert "6 kills" in output
    assert re.search(r"^0 violations", output, re.MULTILINE)


def test_shares_on_a_gpu_are_those_of_the_stand_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernels draw 300 W, of memory 150 W, and take turns; a daemon of MPS refuses to start."""
    daemon = tmp_path / "nvidia-cuda-mps-control"
    daemon.write_text("#!/bin/sh\necho no MPS here >&2\nexit 1\n")
    daemon.chmod(0o755)
    own = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "ENERGYCTL_LOCK": str(tmp_path / "lock"),
        "FAKE_ACTIVITY": str(tmp_path),
        "FAKE_CONTROLS": str(tmp_path),
    }
    settings = {"STEP": "0.02", "WAVE": "constant 70", "AVERAGE": "0.1"}
    for name, value in {**environment(library_folder(), **settings), **own}.items():
        monkeypatch.setenv(name, value)
    found = json.loads(printed("shares_on_gpu", "--gpu", "0", "--scale", "0.02", "--limit", "300"))
    assert found["missing"] == {"mps both": "its daemon does not start: no MPS here"}
    figures = found["figures"]
    assert figures["both"]["share"] == pytest.approx(2 / 3, abs=0.03)
    assert figures["both"]["share_by_work"] == pytest.approx(2 / 3, abs=0.03)
    assert figures["limited both"]["share"] == pytest.approx(2 / 3, abs=0.03)
    assert figures["twins"]["share"] == pytest.approx(0.5, abs=0.03)
    assert figures["duty"]["share"] == pytest.approx(0.25, abs=0.03)
    assert figures["sleeper"]["busy"] == 0
    assert (tmp_path / "limit_0").read_text() == "350000"  # as before
    assert len(found["verdicts"]) == 4


@pytest.mark.parametrize(
    "name",
    [
        *("accuracy", "baselines", "broken_counters", "cost", "memory", "logs", "peers", "gaps"),
        *("settling", "stops", "crashes", "soak", "hostile", "claims", "shares", "shares_on_gpu"),
    ],
)
def test_each_benchmark_says_what_it_does(name: str) -> None:
    assert "python tests/benchmarks/" in printed(name, "--help", codes=(0,))


def test_a_figure_that_is_false_or_none_is_judged_so() -> None:
    with world(LOADS["square"]()) as place:
        start, end = place.mover.epoch, place.mover.epoch + 10
        truth = place.load.joules(start, end)
        told = {
            name: {
                "name": name, "joules": joules, "own_joules": 0.003 * joules,
                "budget": {"window": 0.001 * joules, "assumed_delay": joules},
            }
            for name, joules in truth.items()
        }  # fmt: skip
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


def test_tracking_reads_back_what_was_logged() -> None:
    pytest.importorskip("mlflow")
    output = printed("tracking", "--runs", "5", "--store", "file")
    assert "5 runs logged, 1 page" in output
    assert "read back: 5 runs, 0 differences" in output
    assert "0 more runs" in output
    assert "0 runs logged, 5 there already" in output
