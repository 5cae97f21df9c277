"""How busy the processes of a job are: figures from looks, and looks at real process trees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from energyctl.background.load_monitor import REMEMBERED_SECONDS, LoadMonitor, _samples
from energyctl.energy import Domain
from energyctl.meters.base import (
    GpuProcess,
    NotReported,
    ProcessUtilization,
    Reading,
    Source,
    Utilization,
)
from energyctl.results.background_load import AnswerLine, CpuLine, FigureUnknown, GpuLine, on_gpus
from energyctl.system import process_trees

DEADLINE_SECONDS = 30.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.02)


# -- figures ------------------------------------------------------------------------------------


def cpu_line(*looks: tuple[float, float]) -> CpuLine:
    line = CpuLine()
    for time_, spent in looks:
        line.add(time_, spent)
    return line


@pytest.mark.parametrize(
    ("start", "end", "busy", "cores"),
    [
        (0, 4, 0.5, 0.5125),
        (0, 2, 1.0, 1.0),
        (2, 4, 0.0, 0.025),
        (1.5, 2.5, 0.5, 0.525),  # looks need not lie at its ends
    ],
)
def test_cpu_load_is_the_share_of_looks_at_which_the_job_had_worked(
    start: float, end: float, busy: float, cores: float
) -> None:
    line = cpu_line((0, 10.0), (1, 11.0), (2, 12.0), (3, 12.05), (4, 12.05))
    assert line.between(start, end) == pytest.approx((busy, cores))


@pytest.mark.parametrize(
    ("looks", "start", "end"),
    [
        ((), 0, 4),
        (((0, 1.0),), 0, 4),
        (((0, 1.0), (10, 2.0)), 0, 10),  # too far apart
        (((0, 1.0), (1, 2.0), (7, 8.0), (8, 9.0)), 0, 8),
        (((2, 1.0), (3, 2.0), (4, 8.0)), 0, 4),  # the looks began too late
        (((0, 1.0), (1, 2.0)), 0, 4),
    ],
)
def test_time_that_nobody_looked_at_is_not_known(
    looks: Sequence[tuple[float, float]], start: float, end: float
) -> None:
    with pytest.raises(FigureUnknown, match=f"of {end - start:.1f} s"):
        cpu_line(*looks).between(start, end)


def gpu_line(*samples: tuple[float, float]) -> GpuLine:
    line = GpuLine()
    for time_, percent in samples:
        line.add(time_, percent)
    return line


ALWAYS = [(0.8 * n, 90.0) for n in range(1, 13)]  # until 9.6


def test_a_job_that_is_always_busy_on_its_gpu_has_a_load_of_one() -> None:
    assert on_gpus({0: gpu_line(*ALWAYS)}, 1, 10) == pytest.approx((1.0, 90.0))


def test_a_sample_of_a_gpu_stands_for_a_second_where_it_stands_alone() -> None:
    line = gpu_line((2.0, 50.0), (6.0, 50.0), (14.0, 50.0))
    assert on_gpus({0: line}, 0, 10) == pytest.approx((0.2, 10.0))
    assert on_gpus({0: line}, 1.5, 2) == pytest.approx((1.0, 50.0))
    assert on_gpus({0: line}, 8, 10) == pytest.approx((0.0, 0.0))


def test_samples_of_known_length_leave_the_time_between_them_idle() -> None:
    line = GpuLine()
    for time_ in (1.0, 1.2, 1.4, 2.0, 2.2, 9.8):  # windows of 0.2 s
        line.add(time_, 50.0, 0.2)
    assert on_gpus({0: line}, 0, 10) == pytest.approx((0.14, 7.0))
    assert on_gpus({0: line}, 1.4, 2.0) == pytest.approx((1 / 3, 50 / 3))


def test_percents_add_up_over_processes_and_not_over_samples() -> None:
    rows = [(11, 1.0), (11, 1.2), (12, 1.2), (11, 1.2)]
    processes = [ProcessUtilization(0, pid, time_, 20.0, 0.2) for pid, time_ in rows]
    assert _samples(processes) == [(1.0, 20.0, 0.2), (1.2, 40.0, 0.2)]
    means = [ProcessUtilization(0, 11, 1.0, 20.0), ProcessUtilization(0, 12, 1.2, 30.0)]
    assert _samples(means) == [(1.2, 50.0, None)]


def test_on_several_gpus_it_is_busy_where_it_is_on_any_and_the_percent_is_of_all() -> None:
    lines = {0: gpu_line((1.0, 80.0), (2.0, 80.0)), 1: gpu_line((3.0, 40.0), (9.0, 40.0))}
    assert on_gpus(lines, 0, 8) == pytest.approx((3 / 8, (2 * 80 + 40) / 8 / 2))
    assert on_gpus({0: GpuLine()}, 0, 8) == (0.0, 0.0)


def test_samples_without_answers_around_them_tell_nothing_of_idleness() -> None:
    line = AnswerLine()
    for time_ in (0.0, 1.0, 2.0, 9.0):
        line.add(time_)
    line.check(0, 2)
    with pytest.raises(FigureUnknown, match="answers"):
        line.check(0, 9)


# -- process trees ------------------------------------------------------------------------------


class Launcher:
    """A process that stands for the launcher of a job, with a tree below it that can be told to
    work, and its note."""

    def __init__(self, folder: Path, job: str, script: str) -> None:
        self.folder, self.job = folder, job
        self.popen = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", script], start_new_session=True
        )
        self.note = folder / f".{job}.{self.popen.pid}.running"
        self.note.write_text(f"{job},1,{self.popen.pid},{time.time():.6f}")

    @property
    def pid(self) -> int:
        return self.popen.pid

    def end(self, word: float | None) -> None:
        """Ends it; *word*: CPU seconds of all ended iterations, that it leaves."""
        if word is not None:
            (self.folder / f".{self.job}.cpu").write_text(f"{word} {self.pid}\n")
        if self.popen.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()
        if word is not None:
            self.note.unlink()


# A child of a thread works, a grandchild sleeps.
WORKS = """
import os, threading, time
def work():
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    else:
        if os.fork() == 0:
            time.sleep(600)
        while True:
            pass
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[[str, str], Launcher]]:
    made: list[Launcher] = []

    def start(job: str, script: str) -> Launcher:
        made.append(Launcher(tmp_path, job, script))
        return made[-1]

    yield start
    for launcher in made:
        launcher.end(None)


Launch = Callable[[str, str], Launcher]


def spent(loads: LoadMonitor, job: str) -> float:
    loads.look()
    return loads._jobs[job].spent


def members(loads: LoadMonitor) -> set[int]:
    return {pid for tree in loads._looker.look(loads._find_launchers()) for pid in tree.members}


def looked(loads: LoadMonitor, seconds: float = 1.02) -> tuple[float, float]:
    """Two looks that lie so far apart: the span between them."""
    loads.look()
    start, until = loads.latest, time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= until, "time")
    loads.look()
    return start, loads.latest


@pytest.mark.parametrize("listed", [True, False])
def test_the_load_is_of_the_whole_tree_and_of_each_job_by_itself(
    tmp_path: Path, launch: Launch, listed: bool
) -> None:
    launch("busy", WORKS)
    launch("idle", SLEEPS)
    loads = LoadMonitor([], ["busy", "idle", "away"], tmp_path)
    loads._looker._listed = loads._looker._listed and listed
    loads._looker._scans = not loads._looker._listed
    wait_for(lambda: len(members(loads)) == 4, "four processes")
    found = loads.between(*looked(loads))
    assert found["busy"].load == pytest.approx(1.0, abs=0.2)
    assert found["busy"].cpu_cores is not None
    assert found["busy"].cpu_cores > 0.2  # of a machine that others load, too
    assert (found["idle"].load, found["away"].load) == (0.0, 0.0)
    assert found["busy"].source == "cpu"
    assert found["busy"].gpu_percent is None
    assert found["busy"].missing == {"gpu_percent": "no GPU is metered"}


def test_cpu_time_goes_on_over_iterations_whether_they_leave_word_or_are_killed(
    tmp_path: Path, launch: Launch
) -> None:
    loads = LoadMonitor([], ["job"], tmp_path)
    assert spent(loads, "job") == 0.0
    first = launch("job", WORKS)
    wait_for(lambda: spent(loads, "job") >= 0.05, "CPU time")
    first.end(word=5.0)
    assert spent(loads, "job") == 5.0  # its word stands for all that was seen of it
    second = launch("job", WORKS)
    wait_for(lambda: spent(loads, "job") >= 5.05, "CPU time of the second")
    seen = spent(loads, "job")
    second.end(word=None)  # the note stays behind
    assert spent(loads, "job") == seen
    third = launch("job", WORKS)
    wait_for(lambda: spent(loads, "job") >= seen + 0.05, "CPU time of the third")
    third.end(word=6.0)
    assert spent(loads, "job") == pytest.approx(seen - 5.0 + 6.0)


def test_the_word_of_a_launcher_that_is_still_there_is_not_counted_twice(
    tmp_path: Path, launch: Launch
) -> None:
    loads = LoadMonitor([], ["job"], tmp_path)
    launcher = launch("job", WORKS)
    wait_for(lambda: spent(loads, "job") >= 0.05, "CPU time")
    (tmp_path / ".job.cpu").write_text(f"7.5 {launcher.pid}\n")
    assert spent(loads, "job") == 7.5


def test_what_was_not_looked_at_is_null_with_its_reason(tmp_path: Path) -> None:
    loads = LoadMonitor([], ["job"], tmp_path / "gone")
    loads.look()
    now = time.time()
    for start, end, reason in ((now - 60, now, "0.0 s of 60.0 s"), (now - 0.5, now, "too short")):
        load = loads.between(start, end)["job"]
        assert (load.load, load.gpu_percent, load.cpu_cores, load.source) == (None,) * 4
        assert set(load.missing) == {"load", "gpu_percent", "cpu_cores", "source"}
        assert reason in load.missing["load"]


def test_a_tree_with_more_threads_than_the_machine_has_processes_is_found_by_a_scan(
    tmp_path: Path, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_trees, "FEW_READS", 9)
    monkeypatch.setattr(process_trees, "_processes", lambda: 10)
    launch(
        "job",
        "import os, threading, time\n"
        "for _ in range(10):\n"
        "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "os.fork()\n"
        "time.sleep(600)\n",
    )
    loads = LoadMonitor([], ["job"], tmp_path)
    wait_for(lambda: members(loads) and loads._looker._scans, "scan")
    wait_for(lambda: len(members(loads)) == 2, "child")


# -- GPUs ---------------------------------------------------------------------------------------


class Driver(Source):
    """A GPU on which `busy` (pid → percent) are busy all the time, and `seated` have a context."""

    name = "nvml"

    def __init__(self) -> None:
        self.busy: dict[int, float] = {}
        self.seated: list[int] = []
        self.reason: str | None = None

    def domains(self) -> Sequence[Domain]:
        return (Domain("gpu-0", "gpu", "nvml"),)

    def read(self) -> Sequence[Reading]:
        return ()

    def processes(self) -> Sequence[GpuProcess]:
        return [GpuProcess(0, pid, None) for pid in [*self.seated, *self.busy]]

    def utilization(self) -> Utilization:
        if self.reason == "raise":
            raise NotReported("the driver hangs")
        if self.reason is not None:
            return Utilization(missing={0: self.reason})
        now = time.monotonic()
        return Utilization(
            [ProcessUtilization(0, pid, now, percent) for pid, percent in self.busy.items()], [0]
        )


def child_of(loads: LoadMonitor, launcher: Launcher) -> int:
    wait_for(lambda: len(members(loads)) > 1, "child")
    return min(members(loads) - {launcher.pid})


def test_a_process_that_was_on_a_gpu_is_forgotten_some_time_after_its_end(tmp_path: Path) -> None:
    """Else a long run would remember one of each iteration."""
    loads, gone = LoadMonitor([Driver()], ["job"], tmp_path), 2**22 + 1
    loads._whose[gone] = "job", 1, time.monotonic() - REMEMBERED_SECONDS - 1
    loads._whose[gone + 1] = "job", 1, time.monotonic()
    loads.gpu_pids |= {gone: 1, gone + 1: 1}
    loads.look()
    assert loads.gpu_pids.keys() == {gone + 1}


def test_where_the_driver_tells_by_process_the_load_is_the_gpus(
    tmp_path: Path, launch: Launch
) -> None:
    driver = Driver()
    loads = LoadMonitor([driver], ["job"], tmp_path)
    launcher = launch("job", WORKS)
    pid = child_of(loads, launcher)
    driver.busy = {pid: 60.0, os.getpid(): 30.0}  # the second is no process of the job
    load = loads.between(*looked(loads))["job"]
    assert (load.load, load.gpu_percent, load.source) == (1.0, pytest.approx(60.0), "nvml")
    assert load.cpu_cores is not None
    assert load.missing == {}
    assert loads.gpu_pids.keys() == {pid}
    driver.busy = {}
    _, end = looked(loads, 3.2)
    load = loads.between(end - 1.1, end)["job"]
    assert (load.load, load.gpu_percent, load.source) == (0.0, 0.0, "nvml")
    assert loads.tells(0)


@pytest.mark.parametrize("reason", ["GPU 0 does not tell: Not Supported", "raise"])
def test_where_the_driver_does_not_tell_by_process_it_is_the_cpus_and_says_why(
    tmp_path: Path, launch: Launch, reason: str
) -> None:
    driver = Driver()
    loads = LoadMonitor([driver], ["job"], tmp_path)
    launcher = launch("job", WORKS)
    driver.seated, driver.reason = [child_of(loads, launcher)], reason
    load = loads.between(*looked(loads))["job"]
    assert load.source == "cpu"
    assert load.load == pytest.approx(1.0, abs=0.2)
    expected = "the driver hangs" if reason == "raise" else reason
    assert load.missing == {"gpu_percent": expected}
    assert not loads.tells(0)


def test_a_job_that_is_on_no_gpu_is_measured_by_its_cpu_time(
    tmp_path: Path, launch: Launch
) -> None:
    driver = Driver()
    loads = LoadMonitor([driver], ["job"], tmp_path)
    launch("job", SLEEPS)
    # In a container the driver may tell pids of the host.
    driver.busy = {2**22 + 7: 50.0}
    load = loads.between(*looked(loads))["job"]
    assert (load.load, load.source) == (0.0, "cpu")
    assert "not seen on a metered GPU" in load.missing["gpu_percent"]
    assert "in a container" in load.missing["gpu_percent"]
    assert not loads.tells(0)


def test_a_driver_that_takes_its_time_holds_up_no_tick(tmp_path: Path) -> None:
    driver, loads = Driver(), LoadMonitor([], ["job"], tmp_path)
    loads._meters = [driver]
    entered = []

    def slow() -> Utilization:
        entered.append(True)
        wait_for(lambda: len(entered) > 1, "second tick")
        return Utilization()

    driver.utilization = slow  # type: ignore[method-assign]
    loads.tick()
    wait_for(lambda: entered, "look")
    loads._looked = 0.0
    before = time.monotonic()
    loads.tick()
    assert time.monotonic() - before < DEADLINE_SECONDS / 2
    assert len(entered) == 1  # one look at a time
    entered.append(True)
    assert loads._thread is not None
    loads._thread.join(DEADLINE_SECONDS)
