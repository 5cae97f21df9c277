"""What befalls the machine in the middle of a campaign has a defined end."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import Bench, wait_for
from hardware.compiled import library


def wait_for_foreground(bench: Bench) -> None:
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the foreground")


def three_seconds(bench: Bench, **fields: int) -> str:
    return bench.parallel(foreground={"hyperparameters": {"seconds": 3.0}}, **fields)


def test_a_results_folder_that_vanishes_ends_the_campaign_with_what_happened(bench: Bench) -> None:
    running = bench.start("run", three_seconds(bench, runs_per_config=2))
    wait_for_foreground(bench)
    shutil.rmtree(bench.root / "results")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    (line,) = err.splitlines()
    assert f"{bench.root / 'results'} vanished during the campaign" in line
    assert not (bench.root / "results").exists()


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "size=600k") -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system may not be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(file, b"x" * 1000)
    os.close(file)


def test_a_full_disk_ends_the_campaign_and_resume_goes_on_once_there_is_room(bench: Bench) -> None:
    with small_disk(bench.root / "results"):
        running = bench.start("run", three_seconds(bench, runs_per_config=2))
        wait_for_foreground(bench)
        filler = bench.root / "results" / "filler"
        fill(filler)
        _, err = running.communicate(timeout=60)
        assert running.returncode == 1
        (line,) = err.splitlines()
        assert "No space left on device" in line
        assert str(bench.root / "results") in line
        assert "resume" in line
        filler.unlink()
        resumed = bench.run("resume")
        assert resumed.returncode == 0, resumed.stderr
        found = [(r["environment"]["run"]["index"], r["status"]) for r in bench.results()]
        assert sorted(found) == [(1, "interrupted"), (1, "succeeded"), (2, "succeeded")]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for private ones: a socket's path is short."""
    folder = Path(tempfile.mkdtemp(prefix="private-", dir="/tmp"))
    yield folder
    folder.rmdir()


@pytest.mark.parametrize("size", ["size=64k", "size=600k,nr_inodes=3"])
def test_a_full_private_folder_is_named_before_anything_starts(
    bench: Bench, short: Path, size: str
) -> None:
    with small_disk(short, size):
        fill(short / "filler")
        env = {"ENERGYCTL_PRIVATE": str(short)}
        refused = bench.run("run", three_seconds(bench), env=env)
        assert refused.returncode == 3
        (line,) = refused.stderr.splitlines()
        assert f"the private folder cannot be used: {short}/energyctl-" in line
        assert "No space left on device; make room there, or" in line
        assert "ENERGYCTL_PRIVATE=DIR" in line
        assert bench.trials == []
        assert bench.run("stop", env=env).returncode == 0


def test_a_private_folder_that_fills_up_is_what_failures_are_blamed_on(
    bench: Bench, short: Path
) -> None:
    with small_disk(short):
        env = {"ENERGYCTL_PRIVATE": str(short)}
        running = bench.start("run", three_seconds(bench, runs_per_config=2), env=env)
        wait_for_foreground(bench)
        fill(short / "filler")
        out, err = running.communicate(timeout=60)
        assert running.returncode == 1
        # Whether energyctl or supervisord is the first to find no room.
        said = f"(the private folder cannot be used: {short}|the private folder {short}/.* is full)"
        assert re.search(said, out + err), out + err
        assert f"{bench.root / 'results'}:" not in err
        (short / "filler").unlink()
        assert bench.run("resume", env=env).returncode in (0, 1)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_set_in_the_middle_of_a_run_shifts_nothing(
    bench: Bench, tmp_path: Path, seconds: int
) -> None:
    jump = tmp_path / "jump"
    env = {"LD_PRELOAD": str(library("jumping_clock")), "CLOCK_JUMP": str(jump)}
    running = bench.start("run", three_seconds(bench), env=env)
    wait_for_foreground(bench)
    jump.with_suffix(".new").write_text(str(seconds))
    jump.with_suffix(".new").rename(jump)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    (result,) = bench.results()
    assert 3.0 <= result["foreground_result"]["duration"] < 30
    assert 3.0 <= result["energy"]["seconds"] < 30
    (job,) = result["background_info"]["jobs"]
    assert job["coverage"] > 0.5
    assert job["max_gap_seconds"] < 1.5
    ends = [(phase["start"], phase["end"]) for phase in result["phases"]]
    assert all(start <= end < start + 30 for start, end in ends)
    assert all(after[0] == before[1] for before, after in itertools.pairwise(ends))
