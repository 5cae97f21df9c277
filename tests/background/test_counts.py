"""How much iterations have done: from what their logs say, as these grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from energyctl.background import counts
from energyctl.background.counts import MOST_LATE, CountWatch
from energyctl.background.log_reader import MOST_BYTES, LogReader
from energyctl.results.job_pieces import Counts
from energyctl.results.ledger import Iteration

PATTERN = "step {number}/{number}"

AHEAD = -1.0e9
"""Seconds by which the clock of the looks is ahead of that of the logs' files."""


class Logs:
    """Those of a job, on a clock of their own; *watch* looks at them each second."""

    def __init__(self, folder: Path, pattern: str = PATTERN) -> None:
        self.folder, self.watch, self.now = folder, CountWatch(pattern), 1000.0
        self.reader = LogReader(folder)
        self.running: list[Iteration] = []

    def start(self, run: int) -> None:
        self.running = [Iteration("a", run, run, self.now)]
        self.write("importing\n")

    def write(self, text: str, ago: float = 0.0) -> None:
        """So many seconds before the next look."""
        path = self.folder / f"run_{self.running[0].run}.log"
        with open(path, "a") as file:
            file.write(text)
        wrote = self.now + 1 - ago - AHEAD
        os.utime(path, (wrote, wrote))

    def look(self, later: float = 1.0, *, at_once: bool = False) -> None:
        self.now += later
        for new in self.reader.look(self.running, self.now, AHEAD, at_once=at_once):
            self.watch.take(new)

    def of(self, run: int) -> Counts:
        return self.watch.counts()[run]


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_a_line_that_is_the_last_came_when_the_log_was_written_to(logs: Logs) -> None:
    logs.start(1)
    logs.look()
    logs.write("step 1/5\n", ago=0.3)
    logs.look()
    logs.write("step 2/5\nstep 3/5\nevaluating\n", ago=0.3)
    logs.look()
    first, third = logs.of(1).marks
    assert (first.done, third.done) == (1, 3)
    assert first.late == pytest.approx(1001.7, abs=1e-5)
    assert first.slack <= 0.01
    assert (third.early, third.late) == (1002, pytest.approx(1002.7, abs=1e-5))


def test_what_the_running_iteration_has_done_is_known(logs: Logs) -> None:
    logs.start(1)
    logs.look()
    assert logs.watch.so_far(1) is None
    logs.write("step 2/5\n")
    logs.look()
    assert logs.watch.so_far(1) == (2, 5)
    assert logs.watch.so_far(2) is None


def test_a_line_that_is_not_whole_is_waited_for(logs: Logs) -> None:
    logs.start(1)
    logs.look()
    logs.write("step 1/5\nstep 2/5", ago=0.3)  # of 2/500
    logs.look()
    logs.write("00\n", ago=0.3)
    logs.look()
    first, second = logs.of(1).marks
    assert first.early == 1001  # there was more behind it
    assert (second.done, logs.watch.counts()[1].final) == (2, None)


def test_a_log_is_read_to_its_end_once_its_iteration_has_ended(logs: Logs) -> None:
    logs.start(1)
    logs.look()
    logs.write("step 4/5\n\rstep 5/5")
    logs.running = []
    logs.look()
    logs.look()
    assert logs.of(1).marks[-1].done == logs.of(1).final == logs.of(1).total == 5
    logs.start(2)
    logs.look()
    assert list(logs.watch.counts()) == [1]


def test_iterations_between_two_looks_are_read_afterwards(logs: Logs) -> None:
    for run in (1, 2, 3, 4):
        logs.start(run)
        logs.write(f"step {run}/9\n")
        if run in (1, 4):
            logs.look()
    assert {run: own.final for run, own in logs.watch.counts().items()} == {
        1: 1, 2: 2, 3: 3, 4: None,
    }  # fmt: skip
    assert all(1001 <= mark.early <= mark.late <= 1002 for mark in logs.of(3).marks)


def test_a_count_that_falls_counts_on(logs: Logs) -> None:
    logs.start(1)
    logs.write("step 3/4\nstep 4/4\nstep 1/4\n")
    logs.look()
    logs.write("step 4/4\nstep 2/4\n")
    logs.look()
    assert [mark.done for mark in logs.of(1).marks] == [5, 10]


def test_a_count_without_a_total_goes_on_from_its_last_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path, r"step {number} ")
    logs.start(1)
    logs.write("step 30 \nstep 10 \n")
    logs.look()
    logs.running = []
    logs.look()
    assert logs.of(1).final == 40
    assert logs.of(1).total is None


def test_of_a_log_that_grows_fast_the_end_is_read(logs: Logs) -> None:
    logs.start(1)
    logs.write("step 1/9\n" + "x" * 99 * (MOST_BYTES // 90) + "\nstep 7/9\n")
    logs.look()
    logs.running = []
    logs.look()
    assert [mark.done for mark in logs.of(1).marks] == [7]


def test_what_was_skipped_behind_the_last_count_leaves_the_final_one_unknown(logs: Logs) -> None:
    logs.start(1)
    logs.write("step 1/9\n")
    logs.look()
    logs.write("step 9/9\n" + "x" * MOST_BYTES)
    logs.running = []
    logs.look()
    assert [mark.done for mark in logs.of(1).marks] == [1]
    assert logs.of(1).final is None
    logs.start(2)
    logs.look()
    logs.write("step 9/9\n" + "x" * MOST_BYTES)
    logs.running = []
    logs.look()
    assert 2 not in logs.watch.counts()


def test_lines_that_took_too_long_leave_the_final_count_unknown(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(pattern: str, text: str) -> None:
        raise TimeoutError

    logs.start(1)
    logs.look()
    logs.write("step 9/9\n")
    with monkeypatch.context() as patched:
        patched.setattr(counts, "progress_in", late)
        logs.look()
    logs.running = []
    logs.look()
    assert logs.watch.counts() == {}


def test_a_log_that_was_cut_is_read_on(logs: Logs) -> None:
    logs.start(1)
    logs.write("step 1/9\n" * 100)
    logs.look()
    os.truncate(logs.folder / "run_1.log", 10)
    logs.look()
    logs.write("step 5/9\n")
    logs.look()
    logs.running = []
    logs.look()
    assert [mark.done for mark in logs.of(1).marks] == [1, 5]


def test_a_link_in_place_of_the_log_is_not_followed(logs: Logs) -> None:
    (logs.folder / "else").write_text("step 1/9\n")
    (logs.folder / "run_1.log").symlink_to(logs.folder / "else")
    logs.running = [Iteration("a", 1, 1, logs.now)]
    logs.look()
    logs.running = []
    logs.look()
    assert logs.watch.counts() == {}


def test_looks_that_follow_at_once_read_nothing_unless_they_are_at_an_edge(logs: Logs) -> None:
    logs.start(1)
    logs.look()
    logs.write("step 1/9\n")
    logs.look(0.1)
    assert logs.watch.counts() == {}
    logs.look(0.0, at_once=True)
    logs.running = []
    logs.look()
    assert logs.of(1).final == 1


def test_a_pattern_that_takes_too_long_is_given_up(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def late(pattern: str, text: str) -> None:
        asked.append(text)
        raise TimeoutError

    monkeypatch.setattr(counts, "progress_in", late)
    logs.start(1)
    for _ in range(10):
        logs.write("line\n")
        logs.look()
    assert len(asked) == MOST_LATE
