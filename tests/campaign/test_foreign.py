"""What runs beside a campaign: CPU time and GPU processes that are neither its own nor ours."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from energyctl.campaign.foreign import cpu_time
from energyctl.campaign.foreign.cpu_time import (
    CpuSnapshot,
    Entry,
    InconsistentSnapshot,
    foreign_between,
)
from energyctl.campaign.foreign.gpu_processes import GpuLooks
from energyctl.campaign.foreign.watch import Watch
from energyctl.energy import Domain
from energyctl.meters import GpuProcess as Seat
from energyctl.meters import Reading, Source, bounded
from energyctl.meters.base import NotReported
from energyctl.results import foreign_load
from energyctl.results.foreign_load import (
    MOST_PROCESSES,
    CpuProcess,
    ForeignLoad,
    GpuProcess,
    unknown,
)
from energyctl.system.processes import MARKER
from hardware.nvml import build, environment

BURN = """
import sys, time
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    pass
"""
TICK = 1 / cpu_time.TICKS_PER_SECOND


def burner(seconds: float, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", BURN, str(seconds)], **options)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that burns a core, and is there before a watch is made."""
    popen = burner(100)
    yield popen
    popen.kill()
    popen.wait()


@pytest.fixture
def quiet_stranger() -> Iterator[subprocess.Popen[bytes]]:
    popen = subprocess.Popen(["sleep", "1000"])
    yield popen
    popen.kill()
    popen.wait()


def watch(meters: Sequence[Source] = ()) -> Watch:
    return Watch(meters, "workspace", lambda: None)


def spent_seconds(pid: int) -> float:
    entry = cpu_time.read_entry(pid)
    assert entry is not None
    return entry.spent * TICK


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# -- CPU time of real processes --------------------------------------------------------------------


@pytest.mark.alone
def test_a_process_that_is_not_ours_is_measured_and_named(
    stranger: subprocess.Popen[bytes],
) -> None:
    # The machine may be busy with other things: the burner itself says what it has spent.
    watching = watch()
    before = spent_seconds(stranger.pid)
    interval = watching.begin()
    inner = spent_seconds(stranger.pid)
    wait_for(lambda: spent_seconds(stranger.pid) > inner + 1.0, "a second of CPU time")
    least = spent_seconds(stranger.pid) - inner
    load = interval.end()
    most = spent_seconds(stranger.pid) - before
    assert load.cpu_seconds is not None
    assert load.cpu_seconds >= least - TICK
    (named,) = [p for p in load.processes or () if p.pid == stranger.pid]
    assert least - TICK <= named.cpu_seconds <= most + TICK
    assert named.command is not None
    assert "time.monotonic()" in named.command
    assert named.user is not None


@pytest.mark.alone
def test_what_a_foreign_process_starts_and_ends_counts_for_it() -> None:
    script = f"while :; do '{sys.executable}' -S -c 'sum(range(3000000))'; done"
    with subprocess.Popen(["sh", "-c", script]) as loop:
        try:
            watching = watch()
            interval = watching.begin()
            wait_for(lambda: interval.seconds > 1.5, "a second and a half")
            load = interval.end()
        finally:
            loop.kill()
    named = {p.pid: p.cpu_seconds for p in load.processes or ()}
    assert named[loop.pid] > 0.2


@pytest.mark.alone
def test_our_processes_are_not_foreign_however_many_begin_and_end() -> None:
    # What else runs on the machine is in the busy time, too: only our own share must not be.
    watching = watch()
    burned, busy = children_seconds(), cpu_time.busy_ticks() * TICK
    interval = watching.begin()
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', *sys.argv[1:]])"
    with burner(100) as long_one:
        try:
            for _ in range(12):
                command = [sys.executable, "-S", "-c", nested, BURN, "0.1"]
                subprocess.run(command, check=True)
            running = spent_seconds(long_one.pid)
            load = interval.end()
        finally:
            long_one.kill()
    busy = cpu_time.busy_ticks() * TICK - busy
    burned = children_seconds() - burned
    assert running > 0.3
    assert load.cpu_seconds is not None
    # The rest is our own loop, some ticks at each end, and the accuracy of the kernel's clock.
    assert load.cpu_seconds <= busy - burned + 0.35
    assert os.getpid() not in {p.pid for p in load.processes or ()}


@pytest.mark.alone
def test_what_carries_our_marker_is_ours_wherever_it_stands() -> None:
    env = {**os.environ, MARKER: "workspace/experiment/background"}
    with burner(100, env=env) as marked, burner(100) as other:
        try:
            watching = watch()  # both are strangers by descent
            interval = watching.begin()
            began = {p.pid: spent_seconds(p.pid) for p in (marked, other)}
            for pid, before in began.items():
                wait_for(lambda p=pid, b=before: spent_seconds(p) > b + 0.5, "CPU time")
            load = interval.end()
        finally:
            marked.kill()
            other.kill()
    named = {p.pid for p in load.processes or ()}
    assert other.pid in named
    assert marked.pid not in named


@pytest.mark.alone
def test_too_short_an_interval_says_so_instead_of_a_figure() -> None:
    load = watch().begin().end()
    assert load.cpu_seconds is None
    assert load.cpu_cores is None
    assert load.processes is None
    assert "too short" in load.missing["cpu_seconds"]
    assert load.missing.keys() >= {"cpu_seconds", "cpu_cores", "processes"}


# -- the arithmetic, on made-up looks --------------------------------------------------------------

US, DAEMON, SHELL, INIT, KERNEL = 10, 20, 30, 1, 2


def entry(pid: int, parent: int, spent: int, reaped: int = 0, kernel: bool = False) -> Entry:
    return Entry(pid, parent, 5, kernel, spent, reaped)


def made(time: float, busy: int, *entries: Entry) -> CpuSnapshot:
    table = {e.pid: e for e in (entry(INIT, 0, 0), *entries)}
    ours = cpu_time.trees(table, [US, DAEMON], [])
    roots = frozenset((pid, 5) for pid in (US, DAEMON) if pid in table)
    return CpuSnapshot(time, busy, table, roots, frozenset(table[pid].key for pid in ours))


@pytest.mark.parametrize(
    "again",
    [
        {US: entry(US, INIT, 0), 11: None},  # it ended after the reaper was read: lost
        {US: entry(US, INIT, 0, reaped=100), 11: entry(11, US, 100)},  # before: doubled
        {US: entry(US, INIT, 0), 11: Entry(11, US, 6, False, 0, 0)},  # and its pid is another's
    ],
)
def test_a_look_into_the_hand_over_of_an_ending_process_is_taken_again(
    monkeypatch: pytest.MonkeyPatch, again: dict[int, Entry | None]
) -> None:
    there = {INIT: entry(INIT, 0, 0), US: entry(US, INIT, 0), 11: entry(11, US, 100)}
    gone = {INIT: entry(INIT, 0, 0), US: entry(US, INIT, 0, reaped=100)}
    scans = iter([there, gone])
    seconds = [again, gone]

    def scan() -> dict[int, Entry]:
        table = next(scans)
        monkeypatch.setattr(cpu_time, "read_entry", seconds.pop(0).get)
        return dict(table)

    monkeypatch.setattr(cpu_time, "read_table", scan)
    look = cpu_time.look([US])
    assert sum(e.spent + e.reaped for e in look.table.values() if e.key in look.ours) == 100


def test_an_orphan_of_a_parent_that_ended_during_the_look_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    init, us = entry(INIT, 0, 0), entry(US, INIT, 0)
    torn = {INIT: init, US: us, 12: entry(12, 11, 50)}  # 11, a child of ours, has just ended
    whole = {INIT: init, US: us, 12: entry(12, US, 50)}
    scans = iter([torn, whole])
    monkeypatch.setattr(cpu_time, "read_table", lambda: dict(next(scans)))
    monkeypatch.setattr(cpu_time, "read_entry", whole.get)
    assert (12, 5) in cpu_time.look([US]).ours


def test_a_look_that_stays_inconsistent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_time, "STEADY_SECONDS", 0.0)
    monkeypatch.setattr(cpu_time, "read_table", lambda: {US: entry(US, INIT, 0)})
    monkeypatch.setattr(cpu_time, "read_entry", lambda pid: None)
    with pytest.raises(InconsistentSnapshot):
        cpu_time.look([US])


def foreign_ticks(before: CpuSnapshot, after: CpuSnapshot) -> tuple[float, dict[int, float]]:
    seconds, shares = foreign_between(before, after, lambda pid: False)
    per_second = cpu_time.TICKS_PER_SECOND
    return round(seconds * per_second), {s.pid: round(s.seconds * per_second) for s in shares}


def test_an_iteration_that_ended_is_subtracted_by_way_of_who_reaped_it() -> None:
    before = made(0, 1000, entry(US, INIT, 5), entry(DAEMON, US, 1), entry(21, DAEMON, 400))
    # 21 spent 90 more; then 22 came, spent 100 and is still there.
    after = made(
        2, 1200, entry(US, INIT, 6), entry(DAEMON, US, 2, reaped=490), entry(22, DAEMON, 100)
    )
    assert foreign_ticks(before, after) == (200 - 90 - 100 - 2, {})


def test_a_foreign_process_that_was_reaped_does_not_bring_its_past_along() -> None:
    before = made(0, 1000, entry(US, INIT, 0), entry(SHELL, INIT, 3), entry(31, SHELL, 7000))
    after = made(2, 1150, entry(US, INIT, 0), entry(SHELL, INIT, 3, reaped=7100))
    assert foreign_ticks(before, after) == (150, {SHELL: 100})


def test_what_foreign_processes_have_spent_for_sure_is_the_least() -> None:
    # The machine's ticks are samples, and may miss what processes count exactly.
    before = made(0, 1000, entry(US, INIT, 0), entry(SHELL, INIT, 50))
    after = made(2, 1010, entry(US, INIT, 0), entry(SHELL, INIT, 80))
    assert foreign_ticks(before, after) == (30, {SHELL: 30})


def test_the_work_of_kernel_threads_is_nobodys() -> None:
    before = made(0, 1000, entry(US, INIT, 0), entry(KERNEL, 0, 10, kernel=True))
    after = made(2, 1060, entry(US, INIT, 0), entry(KERNEL, 0, 70, kernel=True))
    assert foreign_ticks(before, after) == (0, {})


def test_a_pid_that_was_given_to_another_process_starts_from_zero() -> None:
    before = made(0, 1000, entry(US, INIT, 0), entry(SHELL, INIT, 500))
    after = made(2, 1040, entry(US, INIT, 0), Entry(SHELL, INIT, 6, False, 40, 0))
    assert foreign_ticks(before, after) == (40, {SHELL: 40})


def test_a_daemon_that_ended_leaves_the_figure_unknown() -> None:
    before = made(0, 1000, entry(US, INIT, 0), entry(DAEMON, INIT, 1, reaped=5000))
    after = made(2, 1040, entry(US, INIT, 0))
    with pytest.raises(InconsistentSnapshot, match="supervisord ended"):
        foreign_between(before, after, lambda pid: False)


# -- processes on GPUs -----------------------------------------------------------------------------


class Gpus(Source):
    """A source with one GPU; `seats` is what it says of who is on it, `others` of other GPUs."""

    name = "scripted"

    def __init__(
        self, seats: Callable[[], Sequence[Seat]], others: Callable[[], Sequence[Seat]] = list
    ) -> None:
        self._seats, self._others = seats, others

    def domains(self) -> Sequence[Domain]:
        return (Domain("gpu-0", "gpu", "scripted"),)

    def read(self) -> Sequence[Reading]:
        return ()

    def processes(self) -> Sequence[Seat]:
        return self._seats()

    def unmetered_processes(self) -> Sequence[Seat]:
        return self._others()


def nobody() -> int:
    """A pid of no process."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as popen:
        pass
    return popen.pid


def test_processes_on_a_gpu_are_told_apart_by_descent_and_marker(
    stranger: subprocess.Popen[bytes],
) -> None:
    found: list[Seat] = []
    watching = watch([Gpus(lambda: found)])
    env = {**os.environ, MARKER: "workspace/experiment/background"}
    with burner(100) as child, burner(100, env=env) as marked:
        try:
            pids = (stranger.pid, child.pid, marked.pid, os.getpid())
            found += [Seat(0, pid, 1 << 20) for pid in pids]
            load = watching.begin().end()
        finally:
            child.kill()
            marked.kill()
    (process,) = load.gpu_processes or ()
    assert (process.gpu, process.pid, process.memory_bytes) == (0, stranger.pid, 1 << 20)
    assert process.attributed
    (warning,) = load.warnings("during the foreground")
    assert warning.startswith("foreign process on GPU 0 during the foreground: pid ")
    assert "1 MiB" in warning


def test_ours_on_gpus_that_are_not_metered_are_told_once_for_each_gpu(
    stranger: subprocess.Popen[bytes],
) -> None:
    others: list[Seat] = []
    watching = watch([Gpus(list, lambda: others)])
    with burner(100) as child:
        try:
            pids = {1: (stranger.pid, child.pid), 2: (child.pid, os.getpid()), 3: (stranger.pid,)}
            others += [Seat(gpu, pid, 1 << 20) for gpu, on in pids.items() for pid in on]
            load = watching.begin().end()
        finally:
            child.kill()
    assert [(p.gpu, p.pid) for p in load.astray] == [(1, child.pid), (2, child.pid)]
    assert load.gpu_processes == []
    first, second = (w for w in load.warnings("during the training") if "foreign load" not in w)
    assert first.startswith(
        "a training used GPU 1, which is not metered, during the training: its energy there is in "
        f"no figure: pid {child.pid} ("
    )
    assert "GPU 2" in second


def test_a_gpu_process_that_was_there_in_between_is_kept_with_its_most_memory(
    stranger: subprocess.Popen[bytes],
) -> None:
    found: list[Seat] = []
    looks = GpuLooks([Gpus(lambda: found)], lambda pid: "foreign", set(), set(), False)
    for memory in (1, 3, 2):
        found[:] = [Seat(0, stranger.pid, memory)]
        looks.look()
        looks.wait()
    found.clear()
    (process,), reason = looks.finish()
    assert process.memory_bytes == 3
    assert reason is None


def test_a_pid_that_says_nothing_is_not_taken_for_foreign_while_it_may_be_ours() -> None:
    seats = [Seat(0, nobody(), None)]
    watching = watch([Gpus(lambda: seats)])
    load = watching.begin().end()
    (process,) = load.gpu_processes or ()
    assert not process.attributed
    assert process.command is None
    assert not load.warnings("during the foreground")


def test_a_pid_that_says_nothing_and_was_there_before_us_is_foreign() -> None:
    seats = [Seat(0, nobody(), None)]
    watching = watch([Gpus(lambda: seats)])
    watching.begin(alone=True).end()
    load = watching.begin().end()
    (process,) = load.gpu_processes or ()
    assert process.attributed
    assert load.warnings("during the foreground")


def test_a_pid_that_is_gone_at_the_next_look_is_not_reported() -> None:
    seats = [Seat(0, nobody(), None)]
    watching = watch([Gpus(lambda: seats)])
    interval = watching.begin()
    seats.clear()
    assert interval.end().gpu_processes == []


def test_processes_that_cannot_be_told_are_null_with_the_reason() -> None:
    def refuse() -> Sequence[Seat]:
        raise NotReported("GPU 0 does not tell")

    load = watch([Gpus(refuse)]).begin().end()
    assert load.gpu_processes is None
    assert load.missing["gpu_processes"] == "GPU 0 does not tell"
    load = watch().begin().end()
    assert load.gpu_processes is None
    assert load.missing["gpu_processes"] == "no GPU is metered"


def test_what_some_gpus_tell_is_kept_beside_the_reason(
    stranger: subprocess.Popen[bytes],
) -> None:
    def half() -> Sequence[Seat]:
        raise NotReported("GPU 1 does not tell", [Seat(0, stranger.pid, None)])

    load = watch([Gpus(half)]).begin().end()
    assert [p.pid for p in load.gpu_processes or ()] == [stranger.pid]
    assert load.missing["gpu_processes"] == "GPU 1 does not tell"


def test_memory_of_ours_that_a_gpu_still_holds_is_told() -> None:
    with subprocess.Popen(["sleep", "1000"], env={MARKER: "workspace/e/background"}) as ours:
        seats = [Seat(0, ours.pid, 500 << 20)]
        watching = watch([Gpus(lambda: seats)])
        watching.begin()
        ours.kill()
    assert watching.wait_until_freed(0.1) == [f"GPU 0, pid {ours.pid}, 500 MiB"]
    seats.clear()
    assert watching.wait_until_freed(60) == []


def test_a_driver_that_hangs_leaves_its_processes_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LIMIT_SECONDS", 0.1)
    free = threading.Event()

    def hang() -> Sequence[Seat]:
        free.wait()
        return ()

    source = bounded.TimeLimitedSource(Gpus(hang))
    try:
        load = watch([source]).begin().end()
    finally:
        free.set()
        source.close()
    assert load.gpu_processes is None
    assert "the driver hangs" in load.missing["gpu_processes"]


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "cores", "warns"),
    [(4, 0.24, False), (4, 0.26, True), (64, 1.2, False), (64, 1.3, True)],
)
def test_foreign_cpu_time_warns_above_a_quarter_core_and_two_percent_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, cpus: int, cores: float, warns: bool
) -> None:
    monkeypatch.setattr(foreign_load.os, "cpu_count", lambda: cpus)
    load = ForeignLoad(10.0, 10 * cores, [CpuProcess(7, "bob", "make -j", 10 * cores)], [])
    assert bool(load.warnings("during the foreground")) is warns


def test_a_warning_names_who_it_was() -> None:
    load = ForeignLoad(10.0, 12.0, [CpuProcess(7, "bob", "make -j", 11.0)], [])
    (line,) = load.warnings("before the start")
    assert line == (
        "foreign load before the start: other processes used 1.20 CPU cores on average:"
        " pid 7 (bob, 1.10 cores) make -j"
    )


def test_a_load_that_is_not_known_is_null_with_reasons_and_warns_of_nothing() -> None:
    load = unknown("it never ran")
    data = load.to_json()
    missing = data.pop("missing")
    assert set(data.values()) == {None}
    assert missing == dict.fromkeys(data, "it never ran")
    assert load.warnings("during the foreground") == []


def test_a_result_holds_every_process_with_the_same_keys() -> None:
    load = ForeignLoad(
        1.0, 1.0, [CpuProcess(7, "bob", "make", 1.0)], [GpuProcess(0, 8, "eve", "python", 5)]
    )
    assert load.to_json() == {
        "seconds": 1.0,
        "cpu_seconds": 1.0,
        "cpu_cores": 1.0,
        "processes": [{"pid": 7, "user": "bob", "command": "make", "cpu_seconds": 1.0}],
        "gpu_processes": [
            {
                "gpu": 0,
                "pid": 8,
                "user": "eve",
                "command": "python",
                "memory_bytes": 5,
                "attributed": True,
            }
        ],
        "missing": {},
    }


# -- whole campaigns -------------------------------------------------------------------------------

WORKING = """#!{python} -S
import os, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
seats = os.environ.get("FAKE_PROCESSES")
if seats:
    with open(seats, "a") as file:
        file.write(f"0 {{os.getpid()}} 500 c\\n")
end = time.monotonic() + float(flags["--seconds"])
while time.monotonic() < end:
    {meanwhile}
with open(os.environ["TRIALS"] + ".spent", "a") as file:
    file.write(f"{{time.process_time()}}\\n")
print("loss: 1\\nAccuracy: 1")
"""


@pytest.fixture
def working(bench: Bench) -> Bench:
    """Trainings that burn a core, note their CPU time, and take a seat on GPU 0."""
    return with_trainings(bench, "pass")


@pytest.fixture
def seated(bench: Bench) -> Bench:
    """Trainings that take a seat on GPU 0."""
    return with_trainings(bench, "time.sleep(0.01)")


def with_trainings(bench: Bench, meanwhile: str) -> Bench:
    for name in ("front", "back"):
        script = bench.root / "repos" / name / "train.sh"
        script.write_text(WORKING.format(python=sys.executable, meanwhile=meanwhile))
    return bench


@pytest.mark.alone
def test_background_iterations_are_no_foreign_load(working: Bench) -> None:
    busy = cpu_time.busy_ticks() * TICK
    done = working.run("run", working.parallel(foreground={"hyperparameters": {"seconds": 3.0}}))
    busy = cpu_time.busy_ticks() * TICK - busy
    assert done.returncode == 0, done.stderr
    (result,) = working.results()
    (job,) = result["background_info"]["jobs"]
    assert job["iterations"] >= 3
    foreground = result["foreign"]["foreground"]
    assert foreground["seconds"] >= 3.0
    spent = Path(working.env["TRIALS"] + ".spent").read_text().split()
    own = sum(map(float, spent))
    assert own > 0.8
    assert foreground["cpu_seconds"] <= busy - own + 0.5
    commands = [p["command"] for p in foreground["processes"]]
    assert not any("train.sh" in c or "iterate.py" in c for c in commands)


@pytest.mark.alone
def test_foreign_load_is_warned_of_before_the_start_and_in_the_result(
    working: Bench, stranger: subprocess.Popen[bytes]
) -> None:
    name = working.settings(
        idle_seconds=0.8,
        experiments=[
            {
                "mode": "default",
                "repo": "front",
                "model": "small",
                "hyperparameters": {"seconds": 1.5},
            }
        ],
    )
    done = working.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = working.results()
    assert result["foreign"].keys() == {"idle", "foreground"}
    for load in result["foreign"].values():
        assert load["cpu_seconds"] == pytest.approx(load["cpu_cores"] * load["seconds"])
        named = {p["pid"]: p["cpu_seconds"] for p in load["processes"]}
        # On a machine so busy that a core's worth is not among the first, each of those is busy.
        busy = len(named) == MOST_PROCESSES and min(named.values()) > 0.1 * load["seconds"]
        assert stranger.pid in named or busy
        assert load["gpu_processes"] is None
        assert load["missing"].keys() == {"gpu_processes"}
    assert "warning: foreign load before the start: " in " ".join(done.stdout.split())
    for when in ("while idle", "during the training"):
        (line,) = [w for w in result["warnings"] if w.startswith(f"foreign load {when}: ")]
        assert "cores on average: pid " in line


def test_a_foreign_process_on_a_gpu_is_in_the_result_and_our_own_is_not(
    seated: Bench, quiet_stranger: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    seats = tmp_path / "seats"
    seats.write_text(f"1 {quiet_stranger.pid} 40 g\n")
    told = environment(build(tmp_path), PROCESSES=str(seats), LIVING="1")
    env = {k: v for k, v in told.items() if k.startswith(("FAKE_", "LD_LIBRARY_PATH"))}
    done = seated.run("run", seated.parallel(), env=env)
    assert done.returncode == 0, done.stderr
    assert len(seats.read_text().splitlines()) >= 3
    (result,) = seated.results()
    assert result["foreign"].keys() == {"idle", "foreground"}
    for load in result["foreign"].values():
        (process,) = [p for p in load["gpu_processes"] if p["attributed"]]
        assert (process["gpu"], process["pid"]) == (1, quiet_stranger.pid)
        assert process["memory_bytes"] == 40 << 20
    named = f"foreign process on GPU 1 during the training: pid {quiet_stranger.pid} ("
    assert any(line.startswith(named) for line in result["warnings"])
    assert "foreign process on GPU 1 before the start" in " ".join(done.stdout.split())
    assert not any("still held" in line for line in result["warnings"])


def test_a_training_on_a_gpu_that_is_not_metered_is_in_the_warnings(
    seated: Bench, tmp_path: Path
) -> None:
    told = environment(build(tmp_path), PROCESSES=str(tmp_path / "seats"), LIVING="1")
    env = {k: v for k, v in told.items() if k.startswith(("FAKE_", "LD_LIBRARY_PATH"))}
    # The stand-ins are on GPU 0; one iteration of the background lasts for all of the training.
    background = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 60.0}}
    settle = {"seconds": 0.1, "timeout_seconds": 2}  # it is never steady
    name = seated.parallel(gpus=[1], background=background, settle=settle)
    done = seated.run("run", name, env=env)
    assert done.returncode == 0, done.stderr
    (result,) = seated.results()
    (line,) = [w for w in result["warnings"] if "not metered" in w]
    assert line.startswith("a training used GPU 0, which is not metered, during the training")


def test_a_run_that_never_got_to_its_foreground_says_so(bench: Bench) -> None:
    name = bench.parallel(
        settle={"seconds": 0.1, "timeout_seconds": 0.5, "on_timeout": "fail"},
        background={"repo": "back", "model": "large", "hyperparameters": {"behaviour": "fails"}},
    )
    done = bench.run("run", name)
    assert done.returncode == 1
    (result,) = bench.results()
    assert (result["energy"], result["energy_missing"]) == (None, "the foreground never ran")
    load = result["foreign"]["foreground"]
    assert load["cpu_seconds"] is None
    assert load["missing"]["cpu_seconds"] == "the run ended before it"
