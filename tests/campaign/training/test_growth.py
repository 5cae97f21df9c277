"""When a file was how large."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.campaign.training import growth
from energyctl.campaign.training.growth import Growth, GrowthWatch, watching
from energyctl.system.logs import OutputLog


def test_a_byte_was_there_when_the_size_first_went_beyond_it() -> None:
    sizes = Growth()
    for size, now in ((10, 1.0), (10, 2.0), (30, 3.0), (5, 4.0), (25, 5.0), (31, 6.0)):
        sizes.note(size, now, now - 0.5)
    assert [sizes.when(end) for end in (1, 10, 11, 30, 31)] == [
        (1.0, 0.5), (1.0, 0.5), (3.0, 0.5), (3.0, 0.5), (6.0, 0.5),
    ]  # fmt: skip
    assert sizes.when(32) is None
    assert Growth().when(1) is None


def test_of_a_file_that_grows_for_days_neighbours_become_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growth, "MOST_MARKS", 64)
    sizes, count = Growth(), 5000
    for number in range(1, count + 1):
        sizes.note(10 * number, number * 0.02, (number - 1) * 0.02)
    assert len(sizes._sizes) <= 64
    for end in range(1, 10 * count + 1, 7):
        at, late = sizes.when(end) or (0.0, 0.0)
        came = -(-end // 10) * 0.02
        assert at - late - 1e-9 <= came <= at + 1e-9
        assert late <= count * 0.02 / 8


@pytest.fixture
def log(tmp_path: Path) -> OutputLog:
    return OutputLog(tmp_path / "log")


def test_a_log_and_files_that_come_later_are_looked_at(log: OutputLog, tmp_path: Path) -> None:
    began = time.time()
    with watching(log, tmp_path, ["a.csv", "runs/*/b.csv"], time.time) as watch:
        assert isinstance(watch, GrowthWatch)
        log.make()
        paths = [None, tmp_path / "a.csv", tmp_path / "runs" / "1" / "b.csv"]
        for path in paths:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            file = log.path if path is None else path
            for line in (b"one\n", b"two\n"):
                with open(file, "ab") as opened:
                    opened.write(line)
                size = file.stat().st_size
                wait_for(lambda p=path, s=size: watch.of(p).when(s), f"{file} of {size} bytes")
    for path in paths:
        first, second = watch.of(path).when(4), watch.of(path).when(8)
        assert first is not None
        assert second is not None
        assert began < first[0] < second[0] < time.time()
    assert watch.of(tmp_path / "other").when(1) is None
    log.close()


def test_what_is_written_right_before_the_end_is_seen(log: OutputLog, tmp_path: Path) -> None:
    with watching(log, tmp_path, ["*.csv"], time.time) as watch:
        log.make()
        log.path.write_bytes(b"one")
        (tmp_path / "a.csv").write_bytes(b"one")
    assert watch is not None
    assert watch.of(None).when(3)
    assert watch.of(tmp_path / "a.csv").when(3)
    log.close()


def test_without_a_series_nothing_is_looked_at(log: OutputLog, tmp_path: Path) -> None:
    with watching(log, tmp_path, None, time.time) as watch:
        assert watch is None


def test_what_an_earlier_run_left_has_no_time_and_what_replaces_it_has() -> None:
    added = Growth(stood=10)
    for size, now in ((10, 1.0), (15, 2.0)):
        added.note(size, now, now - 0.5)
    assert [added.when(end) for end in (10, 11, 15)] == [None, (2.0, 0.5), (2.0, 0.5)]
    anew = Growth(stood=10)
    for size, now in ((10, 1.0), (0, 2.0), (5, 3.0), (12, 4.0)):
        anew.note(size, now, now - 0.5)
    assert [anew.when(end) for end in (1, 5, 6, 12)] == [
        (3.0, 0.5), (3.0, 0.5), (4.0, 0.5), (4.0, 0.5),
    ]  # fmt: skip


def test_a_file_of_an_earlier_run_that_is_written_anew(log: OutputLog, tmp_path: Path) -> None:
    old = tmp_path / "a.csv"
    old.write_bytes(b"old " * 10)
    with watching(log, tmp_path, ["*.csv"], time.time) as watch:
        assert watch is not None
        old.write_bytes(b"")
        wait_for(lambda: watch.of(old)._stood == 0, "a look at the empty file")
        old.write_bytes(b"new")
    at = watch.of(old).when(3)
    assert at is not None
    assert at[0] >= old.stat().st_mtime - 0.1
    assert watch.of(old).when(4) is None
