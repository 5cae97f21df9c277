"""Epochs of a long iteration: from what its log says, as that grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from energyctl.background.counts import CountWatch
from energyctl.background.epochs import KEPT, MOST_LATE, EpochWatch
from energyctl.background.job_logs import JobLogs
from energyctl.background.log_reader import MOST_BYTES, LogReader
from energyctl.launchers.regular_files import open_regular
from energyctl.results.ledger import Iteration, JobLedger

PATTERN = r"epoch (?P<done>\d+)/(?P<total>\d+)"


def said(*looks: tuple[float, float, float]) -> EpochWatch:
    """After these looks: (start of the iteration, epochs done, now); of 60 epochs."""
    watch = EpochWatch(PATTERN)
    for began, done, now in looks:
        watch.add(began, done, 60, now)
    return watch


class Logs:
    """Those of a job in *folder*, and what they say of its epochs."""

    def __init__(self, folder: Path) -> None:
        self.reader, self.watch = LogReader(folder), EpochWatch(PATTERN)

    def look(self, iteration: Iteration, now: float) -> None:
        for new in self.reader.look([iteration], now, 0.0):
            self.watch.take(new)


@pytest.mark.parametrize(
    ("looks", "cycles"),
    [
        ([], []),
        ([(0, 0, 5), (0, 1, 68)], []),  # nobody knows when the first one began
        ([(0, 0, 5), (0, 1, 68), (0, 1, 90), (0, 2, 128), (0, 3, 188)], [(68, 128), (128, 188)]),
        ([(0, 0.5, 5), (0, 1.5, 68), (0, 1.9, 90), (0, 2.1, 128)], [(68, 128)]),  # of batches
        ([(0, 4, 5), (0, 9, 6), (0, 12, 7)], [(5, 6), (6, 7)]),  # more than one between looks
        (
            [(0, 1, 10), (0, 2, 20), (99, 0, 100), (99, 1, 110), (99, 2, 120)],
            [(10, 20), (110, 120)],
        ),
        ([(0, 1, 10), (0, 2, 20), (0, 0, 25), (0, 1, 30), (0, 2, 40)], [(10, 20), (30, 40)]),
    ],
)
def test_an_epoch_ends_when_the_count_rises(
    looks: list[tuple[float, float, float]], cycles: list[tuple[float, float]]
) -> None:
    assert list(said(*looks).cycles) == cycles


def test_how_long_an_iteration_takes_is_known_early() -> None:
    assert said((0, 0, 10)).expected_seconds == 10
    assert said((0, 1, 68)).expected_seconds == 68 * 60
    assert said((0, 1, 68), (0, 30, 1808)).expected_seconds == 3616
    assert said((0, 30, 1808), (5000, 0, 5001)).expected_seconds == 1
    endless = EpochWatch(r"epoch (?P<done>\d+)")
    endless.add(0.0, 3, None, 200.0)
    assert endless.expected_seconds == 200


def test_only_so_many_are_kept() -> None:
    watch = said(*((0.0, float(n), float(n)) for n in range(KEPT + 50)))
    assert len(watch.cycles) == KEPT
    assert watch.cycles[-1] == (KEPT + 48, KEPT + 49)


def test_the_log_is_read_as_it_grows(tmp_path: Path) -> None:
    log, iteration = tmp_path / "run_1.log", Iteration("a", 1, 77, 100.0)
    logs = Logs(tmp_path)
    logs.look(iteration, 100.5)  # it is not there yet
    with open(log, "w") as file:
        for epoch in range(1, 5):
            print("batch 3 of 9\r" * MOST_BYTES, file=file)
            print(f"epoch {epoch}/60 loss 0.1", file=file, flush=True)
            logs.look(iteration, 100.0 + 10 * epoch)
            logs.look(iteration, 101.0 + 10 * epoch)  # nothing new
        print("x" * MOST_BYTES, file=file, flush=True)
        logs.look(iteration, 145.0)
    assert list(logs.watch.cycles) == [(110, 120), (120, 130), (130, 140)]
    second = tmp_path / "run_2.log"
    second.write_text("importing\n")
    logs.look(Iteration("a", 2, 78, 200.0), 205.0)
    second.write_text("importing\nepoch 1/60\n")
    logs.look(Iteration("a", 2, 78, 200.0), 210.0)
    second.write_text("importing\nepoch 1/60\nepoch 2/60\n")
    logs.look(Iteration("a", 2, 78, 200.0), 220.0)
    assert list(logs.watch.cycles)[3:] == [(210, 220)]


def test_looks_that_follow_at_once_read_nothing(tmp_path: Path) -> None:
    log, iteration = tmp_path / "run_1.log", Iteration("a", 1, 77, 100.0)
    logs = Logs(tmp_path)
    for epoch in range(1, 20):
        with open(log, "a") as file:
            print(f"epoch {epoch}/60", file=file)
        logs.look(iteration, 100.0 + epoch / 10)
    assert len(logs.watch.cycles) > 1
    assert len(logs.watch.cycles) < 5


def test_between_two_lines_an_iteration_is_expected_to_go_on_as_before(tmp_path: Path) -> None:
    log, iteration = tmp_path / "run_1.log", Iteration("a", 1, 77, 100.0)
    logs = Logs(tmp_path)
    log.write_text("importing\n")
    logs.look(iteration, 130.0)
    assert logs.watch.expected_seconds == 30
    log.write_text("importing\nepoch 1/60\n")
    logs.look(iteration, 168.0)
    logs.look(iteration, 170.0)
    assert logs.watch.expected_seconds == 68 * 60


def test_a_log_is_read_once_for_epochs_and_for_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def opened(path: Path) -> int:
        read.append(path.name)
        return open_regular(path)

    monkeypatch.setattr("energyctl.background.log_reader.open_regular", opened)
    watch, counts = EpochWatch(PATTERN), CountWatch(PATTERN)
    logs = JobLogs({"a": LogReader(tmp_path)}, {"a": watch}, {"a": counts})
    ledger = {"a": JobLedger()}
    ledger["a"].running = (Iteration("a", 1, 77, 100.0),)
    (tmp_path / "run_1.log").write_text("epoch 1/60\n")
    logs.look(ledger, 110.0, 0.0)
    assert read == ["run_1.log"]
    assert watch.expected_seconds == 600
    assert [mark.done for mark in counts.counts()[1].marks] == [1]


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "else").write_text("epoch 1/60\n")
    log = tmp_path / "run_1.log"
    log.symlink_to(tmp_path / "else")
    logs = Logs(tmp_path)
    logs.look(Iteration("a", 1, 77, 100.0), 110.0)
    assert logs.watch.expected_seconds == 10  # and not 60 times as much


def test_a_pattern_that_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def late(pattern: str, text: str) -> None:
        asked.append(text)
        raise TimeoutError

    monkeypatch.setattr("energyctl.background.epochs.progress_of", late)
    logs, log = Logs(tmp_path), tmp_path / "run_1.log"
    for number in range(10):
        log.write_text("line\n" * (number + 1))
        logs.look(Iteration("a", 1, 77, 100.0), 110.0 + number)
    assert len(asked) == MOST_LATE
