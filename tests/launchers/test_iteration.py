"""The launcher of one iteration, as a process of its own, with trainings that misbehave."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from bench import Bench, wait_for
from energyctl.background.protocol import LAUNCHER
from energyctl.launchers import iteration, ledger_writer
from energyctl.launchers import iteration_logs as logs
from energyctl.launchers.iteration import SUPERVISORD
from energyctl.results.ledger import Iteration, parse
from energyctl.system import processes
from supervised import job, living, supervised

# The launcher with shorter graces, so that a training that ignores TERM costs no 8 s.
QUICK = f"""\
import os, sys
sys.path.append({str(LAUNCHER.parents[2])!r})
from energyctl.launchers import iteration, subreaper
subreaper.TERM_GRACE_SECONDS = subreaper.LEFTOVER_GRACE_SECONDS = 0.3
sys.exit(iteration.main(sys.argv[1:], os.getppid()))
"""


@dataclass
class Bed:
    """A folder in which launchers are started by hand."""

    root: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.root / "logs" / "iterations.csv"

    @property
    def rows(self) -> list[Iteration]:
        return parse(self.ledger.read_text()) if self.ledger.exists() else []

    @property
    def notes(self) -> list[str]:
        path = self.root / "notes"
        return path.read_text().split() if path.exists() else []

    def log(self, number: int = 1) -> str:
        return (self.root / "logs" / f"run_{number}.log").read_text()

    def start(
        self, *options: str, argv: tuple[str, ...], quick: bool = True
    ) -> subprocess.Popen[bytes]:
        (self.root / "logs").mkdir(exist_ok=True)
        launcher = ["-c", QUICK] if quick else [str(LAUNCHER)]
        popen = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", *launcher, "--job", "back_large"),
                *("--logs", str(self.root / "logs"), "--ledger", str(self.ledger)),
                *(*options, "--", *argv),
            ],
            cwd=self.root,
            env={**os.environ, "DAEMON": "yes", "BOTH": "daemon"},
            start_new_session=True,
        )
        self.started.append(popen)
        return popen

    def run(self, *options: str, argv: tuple[str, ...], quick: bool = True) -> int:
        return self.start(*options, argv=argv, quick=quick).wait(20)

    def shell(self, text: str, *options: str) -> int:
        return self.run(*options, argv=("/bin/sh", "-c", text))


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    try:
        yield made
        wait_for(lambda: not living(tmp_path), f"{living(tmp_path)} to end", 5)
    finally:
        for process in living(tmp_path):
            process.signal(signal.SIGKILL)
        for popen in made.started:
            popen.wait(5)


def test_an_iteration_leaves_its_log_its_row_and_its_exit_code(bed: Bed) -> None:
    before = time.time()
    assert bed.shell("echo out; echo err >&2; pwd; exit 7") == 7
    assert bed.log() == f"out\nerr\n{bed.root}\n"
    (row,) = bed.rows
    assert bed.ledger.read_text().splitlines()[0] == "job,run,pid,started,ended,exit_code,signal"
    assert (row.job, row.run, row.exit_code, row.signal) == ("back_large", 1, 7, None)
    assert row.ended is not None
    assert before <= row.started <= row.ended <= time.time()
    assert not list((bed.root / "logs").glob(".*.running"))
    assert not list((bed.root / "logs").glob(".*.*.*"))


def test_an_iteration_runs_on_the_cpus_that_it_is_given(bed: Bed) -> None:
    cpu = min(os.sched_getaffinity(0))
    show = "import os; print(os.sched_getaffinity(0))"
    assert bed.run("--cpus", str(cpu), argv=(sys.executable, "-S", "-c", show)) == 0
    assert bed.log() == f"{{{cpu}}}\n"


def test_cpus_that_it_may_not_use_are_named_in_its_log(bed: Bed) -> None:
    assert bed.run("--cpus", "4095", argv=("/bin/true",)) == 126
    assert "it may not use the CPUs 4095" in bed.log()


def test_a_training_that_a_signal_killed_has_it_in_its_row(bed: Bed) -> None:
    assert bed.shell("kill -SEGV $$") == 128 + signal.SIGSEGV
    (row,) = bed.rows
    assert (row.exit_code, row.signal) == (None, signal.SIGSEGV)
    assert row.failed


@pytest.mark.parametrize("lives", [True, False])
def test_without_its_supervisord_an_iteration_does_not_begin(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    with subprocess.Popen(["sleep", "1000"]) as supervisord:
        try:
            if not lives:
                supervisord.kill()  # and a zombie from here on
                os.waitid(os.P_PID, supervisord.pid, os.WEXITED | os.WNOWAIT)
            monkeypatch.setenv(SUPERVISORD, str(supervisord.pid))
            code = bed.shell(f"echo begun >notes; echo ${SUPERVISORD} >>notes")
            assert (code, bed.notes) == ((0, ["begun"]) if lives else (128 + signal.SIGTERM, []))
        finally:
            supervisord.kill()


def test_logs_are_numbered_on_over_gaps_and_no_number_is_used_twice(bed: Bed) -> None:
    logs = bed.root / "logs"
    logs.mkdir()
    for name in ("run_2.log", "run_9.log", "run_x.log", "run_.log", "other_40.log", "run_30.txt"):
        (logs / name).write_text(name)
    assert bed.shell("echo mine") == 0
    assert bed.log(10) == "mine\n"
    assert bed.log(9) == "run_9.log"
    (logs / "run_10.log").unlink()
    assert bed.shell("echo again") == 0
    assert bed.log(11) == "again\n"
    assert [row.run for row in bed.rows] == [10, 11]


def test_two_launchers_never_share_a_log(bed: Bed) -> None:
    script = ("/bin/sh", "-c", "echo $PPID")
    for popen in [bed.start(argv=script) for _ in range(6)]:
        assert popen.wait(20) == 0
    assert sorted(row.run for row in bed.rows) == [1, 2, 3, 4, 5, 6]
    assert len({bed.log(number) for number in range(1, 7)}) == 6


def test_the_tail_link_points_to_the_log_of_this_iteration(bed: Bed) -> None:
    tail = bed.root / "tail.out"
    tail.write_text("what supervisord opened")
    assert bed.shell("echo one", "--tail", str(tail)) == 0
    assert bed.shell("echo two", "--tail", str(tail)) == 0
    assert tail.read_text() == "two\n"


def test_stop_ends_the_training_and_still_writes_its_row(bed: Bed) -> None:
    popen = bed.start(argv=("/bin/sh", "-c", "echo $$ >> notes; sleep 1000; echo never"))
    wait_for(lambda: bed.notes, "the training")
    running = wait_for(lambda: list((bed.root / "logs").glob(".*.running")), "the note")
    assert running[0].read_text().startswith(f"back_large,1,{bed.notes[0]},")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == 128 + signal.SIGTERM
    (row,) = bed.rows
    assert (row.exit_code, row.signal) == (None, signal.SIGTERM)
    assert bed.log() == ""


def test_signals_that_come_together_lose_no_row(bed: Bed) -> None:
    """A closing terminal sends HUP while supervisord sends TERM."""
    for number in range(1, 11):
        popen = bed.start(argv=("/bin/sh", "-c", "echo $$ >> notes; exec sleep 1000"))
        wait_for(lambda number=number: len(bed.notes) == number, "the training", 5)
        os.kill(popen.pid, signal.SIGSTOP)
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCONT):
            os.kill(popen.pid, signum)
        assert popen.wait(10) == 128 + signal.SIGTERM
        assert [row.signal for row in bed.rows] == [signal.SIGTERM]
        bed.ledger.unlink()  # else the next start waits, as after a failure


def test_a_stop_before_the_training_has_started_leaves_no_row_and_no_log(bed: Bed) -> None:
    popen = bed.start("--first-delay", "1000", argv=("/bin/sh", "-c", "echo $$ >> notes"))
    wait_for(lambda: _catches_term(popen.pid), "the launcher's handler")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == 128 + signal.SIGTERM
    assert bed.notes == []
    assert list((bed.root / "logs").iterdir()) == []


def _catches_term(pid: int) -> bool:
    """proc(5): SigCgt is the mask of the signals that have a handler."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


SLEEPER = "echo $$ >> {notes}; exec sleep 1000"
LEFTOVERS = {
    "a child": "sh -c '{s}' &",
    "in a session of its own": "setsid sh -c '{s}' &",
    "double-forked": "(setsid sh -c '{s}' &) &",
    "ignoring TERM": "(trap \"\" TERM; setsid sh -c '{s}') &",
    "stopped": "setsid sh -c 'echo $$ >> {notes}; kill -STOP $$; exec sleep 1000' &",
    "with an empty environment": "env -i /usr/bin/setsid /bin/sh -c '{s}' &",
}


def test_what_a_finished_training_left_behind_is_ended(bed: Bed) -> None:
    notes = bed.root / "notes"
    sleeper = SLEEPER.format(notes="notes")
    lines = [text.format(s=sleeper, notes="notes") for text in LEFTOVERS.values()]
    wait = f"while [ $(wc -l < {notes}) -lt {len(lines)} ]; do sleep 0.01; done"
    assert bed.shell("\n".join(["touch notes", *lines, wait, "exit 0"])) == 0
    assert len(bed.notes) == len(LEFTOVERS)
    assert [pid for pid in bed.notes if processes.identify(int(pid))] == []
    (row,) = bed.rows
    assert row.exit_code == 0


def test_a_training_that_ignores_term_is_killed_after_the_grace(bed: Bed) -> None:
    text = "trap '' TERM; echo $$ >> notes; while :; do sleep 0.05; done"
    popen = bed.start(argv=("/bin/sh", "-c", text))
    wait_for(lambda: bed.notes, "the training")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(10) == 128 + signal.SIGTERM
    assert processes.identify(int(bed.notes[0])) is None
    assert len(bed.rows) == 1


def test_a_stopped_training_is_continued_so_that_it_can_end(bed: Bed) -> None:
    text = "trap 'echo bye; exit 0' TERM; echo $$ >> notes; while :; do sleep 0.05; done"
    popen = bed.start(argv=("/bin/sh", "-c", text), quick=False)
    wait_for(lambda: bed.notes, "the training")
    pid = int(bed.notes[0])
    os.kill(pid, signal.SIGSTOP)
    stat = Path(f"/proc/{pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it to stop")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(20) == 128 + signal.SIGTERM
    assert bed.log().endswith("bye\n")


def test_a_killed_launcher_takes_its_training_with_it(bed: Bed) -> None:
    popen = bed.start(argv=("/bin/sh", "-c", SLEEPER.format(notes="notes")), quick=False)
    folder = bed.root / "logs"
    # Without the note, of the first milliseconds, nobody knows of the iteration.
    wait_for(
        lambda: bed.notes and any(note.stat().st_size for note in folder.glob(".*.running")),
        "the training and its note",
    )
    popen.kill()
    popen.wait(5)
    wait_for(lambda: processes.identify(int(bed.notes[0])) is None, "the training's end", 5)
    assert bed.shell("true") == 0
    first, second = bed.rows
    assert (first.run, first.exit_code, first.signal) == (1, None, signal.SIGKILL)
    assert first.ended is not None
    assert first.started <= first.ended <= second.started
    assert not list(folder.glob(".*.running"))


def test_the_launcher_ends_with_its_parent(bed: Bed) -> None:
    """As with a supervisord that was killed."""
    (bed.root / "logs").mkdir()
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--job", "j", "--logs", "logs"]
    launcher += ["--ledger", "logs/iterations.csv", "--", "/bin/sh", "-c"]
    launcher += [SLEEPER.format(notes="notes")]
    parent = subprocess.Popen(["/bin/sh", "-c", f"{shlex.join(launcher)} & wait"], cwd=bed.root)
    bed.started.append(parent)
    wait_for(lambda: bed.notes, "the training")
    parent.kill()
    parent.wait(5)
    wait_for(lambda: not living(bed.root), "launcher and training to end", 5)
    assert [row.signal for row in bed.rows] == [signal.SIGTERM]


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("no-such-program", 127, "No such file"),
        ("./no-such-script", 127, "No such file"),
        ("./plain.txt", 126, "Permission denied"),
        ("./empty.sh", 126, "Exec format error"),
    ],
)
def test_a_program_that_cannot_be_started_says_so_in_log_and_ledger(
    bed: Bed, program: str, code: int, said: str
) -> None:
    (bed.root / "plain.txt").write_text("text")
    (bed.root / "empty.sh").write_text("")
    (bed.root / "empty.sh").chmod(0o755)
    assert bed.run(argv=(program, "-x")) == code
    assert f"cannot start {program!r}" in bed.log()
    assert said in bed.log()
    (row,) = bed.rows
    assert row.exit_code == code


def test_the_environment_of_energyctl_stands_in_place_of_the_daemons(bed: Bed) -> None:
    file = bed.root / "environment"
    pairs = ["PATH=/usr/bin:/bin", "BOTH=file", "MULTI=a\nb=c", "EMPTY="]
    file.write_bytes(b"\0".join(pair.encode() for pair in pairs) + b"\0RAW=\xff\xfe")
    assert bed.run("--environment", str(file), argv=("env", "-0")) == 0
    raw = (bed.root / "logs" / "run_1.log").read_bytes()
    assert set(raw.split(b"\0")) == {
        *(b"PATH=/usr/bin:/bin", b"BOTH=file", b"MULTI=a\nb=c", b"EMPTY=", b"RAW=\xff\xfe"),
        b"",
    }


def test_without_an_environment_file_a_trial_by_hand_gets_the_shells(bed: Bed) -> None:
    assert bed.shell("echo $DAEMON $BOTH", "--environment", str(bed.root / "gone")) == 0
    assert bed.log() == "yes daemon\n"


def test_the_training_reads_nothing_and_has_default_signals(bed: Bed) -> None:
    code = (
        "import os,signal;print(os.read(0,1)==b'',"
        "[signal.getsignal(s)==signal.SIG_DFL for s in (1,15)],"
        "list(signal.pthread_sigmask(signal.SIG_BLOCK,[])))"
    )
    assert bed.run(argv=(sys.executable, "-I", "-S", "-c", code)) == 0
    assert bed.log() == "True [True, True] []\n"
    assert bed.run(argv=("grep", "SigIgn", "/proc/self/status")) == 0
    assert int(bed.log(2).split()[1], 16) == 0


def test_no_descriptor_of_the_launcher_leaks_into_the_training(bed: Bed) -> None:
    assert bed.run(argv=("/bin/sh", "-c", "ls /proc/self/fd | wc -l; ls -l /proc/self/fd")) == 0
    assert bed.log().splitlines()[0] == "4", bed.log()  # 0, 1, 2, and the folder that ls reads


@pytest.mark.parametrize(
    ("history", "restart_delay", "pause"),
    [
        ([], 5.0, 0.0),
        ([(0, 1)], 0.0, 0.0),
        ([(0, 1)], 5.0, 5.0),
        ([(1, 1)], 0.0, 2.0),
        ([(1, 1)], 5.0, 5.0),
        ([(1, 1)] * 2, 0.0, 4.0),
        ([(1, 1)] * 3, 0.0, 8.0),
        ([(1, 1)] * 5, 0.0, 32.0),
        ([(1, 1)] * 6, 0.0, 60.0),
        ([(1, 1)] * 5000, 0.0, 60.0),
        ([(1, 1)] * 4 + [(0, 1)], 0.0, 0.0),
        ([(0, 1)] + [(1, 1)] * 2, 0.0, 4.0),
        ([(1, 9.9)], 0.0, 2.0),
        ([(1, 10.1)], 0.0, 0.0),  # failed, but after useful work: no crash loop
        ([(-11, 1)], 0.0, 2.0),
        # What an operator stopped is neither good nor bad.
        ([(-15, 1)], 0.0, 0.0),
        ([(-15, 1)], 5.0, 5.0),
        ([(1, 1)] * 2 + [(-15, 0.5)], 0.0, 3.5),
        ([(1, 1)] * 2 + [(-15, 0.5)], 4.0, 4.0),
        ([(1, 1)] * 2 + [(-15, 0.5), (1, 1)], 0.0, 8.0),
        ([(1, 1)] * 2 + [(-15, 10.1)], 0.0, 0.0),
    ],
)
def test_the_pause_before_a_start(
    history: list[tuple[int, float]], restart_delay: float, pause: float
) -> None:
    """*history*: exit codes, -n for signal n, and seconds lived."""
    past, clock = [], 1000.0
    for code, seconds in history:
        times = [f"{clock:.6f}", f"{clock + seconds:.6f}"]
        clock += seconds
        ended = ["", str(-code)] if code < 0 else [str(code), ""]
        past.append(["j", "1", "2", *times, *ended])
    assert ledger_writer.pause_before(past, restart_delay, clock) == pytest.approx(pause, abs=1e-5)
    later = ledger_writer.pause_before(past, restart_delay, clock + 1.5)
    assert later == pytest.approx(max(0.0, pause - 1.5), abs=1e-5)
    set_back = ledger_writer.pause_before(past, restart_delay, clock - 3600)
    assert pause - 1e-5 <= set_back <= pause + 0.5 + 1e-5  # from now on, at the most


def test_a_restart_waits_the_delay_and_only_the_first_start_the_stagger(bed: Bed) -> None:
    options = ("--first-delay", "0.3", "--restart-delay", "0.6")
    began = time.time()
    assert bed.shell("true", *options) == 0
    assert bed.shell("true", *options) == 0
    first, second = bed.rows
    assert first.started - began >= 0.3
    assert first.ended is not None
    assert second.started - first.ended >= 0.6


def test_a_busy_neighbour_does_not_make_a_job_forget_its_past(tmp_path: Path) -> None:
    """All jobs share the ledger; a fast one may write thousands of rows during a slow one."""
    ledger = tmp_path / "iterations.csv"
    own = [f"slow,{run},1,{run}.0,{run}.5,1,\n" for run in range(1, 4)]
    busy = "".join(f"not_slow,{run},1,{run}.000000,{run}.500000,0,\n" for run in range(5000))
    ledger.write_text(ledger_writer.HEADER + "".join(own[:2]) + busy + own[2] + busy)
    assert [row[1] for row in ledger_writer.own_rows(str(ledger), "slow")][-3:] == ["1", "2", "3"]
    failing = [f"slow,{run},1,{run}.0,{run}.5,1,\n" for run in range(1, 7)]
    ledger.write_text(
        ledger_writer.HEADER + "".join(failing[:2]) + busy + "".join(failing[2:]) + busy
    )
    past = ledger_writer.own_rows(str(ledger), "slow")
    assert [row[1] for row in past] == ["1", "2", "3", "4", "5", "6"]
    assert ledger_writer.own_rows(str(ledger), "fresh") == []
    assert ledger_writer.own_rows(str(tmp_path / "gone"), "slow") == []


def test_a_long_ledger_is_read_from_its_end(tmp_path: Path) -> None:
    ledger = tmp_path / "iterations.csv"
    line = "mine,{0},1,{0}.0,{0}.5,{1},\nother,{0},1,{0}.0,{0}.5,0,\n"
    ledger.write_text(ledger_writer.HEADER + "".join(line.format(run, 1) for run in range(60_000)))
    crashing = ledger_writer.own_rows(str(ledger), "mine")
    assert crashing[-1][1] == "59999"
    assert ledger_writer.ENOUGH_FAILURES <= len(crashing) < 200
    assert len(ledger_writer.own_rows(str(ledger), "other")) < 200


@pytest.mark.parametrize(("wrote", "ended"), [(150, 150), (90, 100), (300, 200)])
def test_a_cut_off_iteration_ended_with_its_last_line_and_never_in_the_future(
    tmp_path: Path, wrote: float, ended: float
) -> None:
    ledger, log = tmp_path / "iterations.csv", tmp_path / "run_3.log"
    (tmp_path / f".slow.{2**22 + 1}.running").write_text("slow,3,17,100.0,1")  # of no process
    log.touch()
    os.utime(log, (wrote, wrote))
    assert ledger_writer.close_cut_off(str(ledger), "slow", 200.0, str(tmp_path)) == [3]
    (row,) = parse(ledger.read_text())
    assert (row.started, row.ended, row.signal) == (100.0, ended, signal.SIGKILL)


@pytest.mark.parametrize("torn", ["slow,4,1,4.0,4.", "slow,4,1,4.0,x,1,\n", "slow,4,1\n", "\0\0\n"])
def test_a_torn_row_does_not_keep_a_job_from_starting(tmp_path: Path, torn: str) -> None:
    ledger = tmp_path / "iterations.csv"
    ledger.write_text(ledger_writer.HEADER + "slow,3,1,3.0,3.5,1,\n" + torn)
    past = ledger_writer.own_rows(str(ledger), "slow")
    assert [row[1] for row in past] == ["3"]
    assert ledger_writer.pause_before(past, 0.0, time.time()) == 0.0


def test_a_row_after_a_torn_one_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    ledger = tmp_path / "iterations.csv"
    ledger.write_text(ledger_writer.HEADER + "slow,3,1,3.0,3.5,1,\nslow,4,1,4.0,4")
    ledger_writer.append_row(str(ledger), "slow,5,1,5.0,5.5,0,\n")
    assert [row.run for row in parse(ledger.read_text())] == [3, 5]


def test_a_row_that_a_full_disk_tore_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "iterations.csv"
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:20]))
    with pytest.raises(OSError, match="No space left"):
        ledger_writer.append_row(str(ledger), "slow,5,1,5.0,5.5,0,\n")


def kept(folder: Path) -> list[int]:
    return sorted(int(path.name[4:-4]) for path in folder.glob("run_*.log"))


def iterate(folder: Path, keep: str, runs: Iterable[int], failed: Callable[[int], bool]) -> None:
    limits, most = logs.parse_keep(keep)
    assert limits is not None
    for run in runs:
        (folder / f"run_{run}.log").touch()
        logs.prune(str(folder / ".j.kept"), str(folder), limits, most, run, failed(run))


@pytest.mark.parametrize(
    ("keep", "every", "wanted"),
    [
        ("5,20,50", 0, [*range(1, 6), *range(281, 301)]),
        ("5,20,50", 100, [*range(1, 6), 100, 200, *range(281, 301)]),
        ("5,20,50", 1, [*range(1, 6), *range(251, 301)]),
        ("2,3,2", 10, [1, 2, 290, 298, 299, 300]),
        ("0,0,0", 7, []),
        ("0,1,0", 7, [300]),
        ("3,0,0", 1, [1, 2, 3]),
        ("0,0,2", 7, [287, 294]),
        ("400,0,0", 7, list(range(1, 301))),
    ],
)
def test_the_first_the_last_and_the_failed_logs_are_kept(
    tmp_path: Path, keep: str, every: int, wanted: list[int]
) -> None:
    """*every*: so many iterations to a failed one."""
    iterate(tmp_path, keep, range(1, 301), lambda run: bool(every) and run % every == 0)
    assert kept(tmp_path) == wanted


@pytest.mark.parametrize("text", [None, "", "1 10", "x\n", "1\n", "1 10\n", "1 10\n7"])
def test_what_is_kept_survives_notes_that_are_torn_or_gone(
    tmp_path: Path, text: str | None
) -> None:
    iterate(tmp_path, "2,3,2", range(1, 11), lambda run: run == 4)
    notes = tmp_path / ".j.kept"
    notes.unlink() if text is None else notes.write_text(text)
    iterate(tmp_path, "2,3,2", range(11, 40), lambda run: run == 20)
    assert kept(tmp_path) == [1, 2, 4, 8, 9, 10, 20, 37, 38, 39]


def test_logs_that_nobody_noted_go_with_their_neighbours(tmp_path: Path) -> None:
    """As after a launcher that was killed at the wrong moment, or a full disk."""
    iterate(tmp_path, "2,3,2", range(1, 11), lambda run: False)
    for run in range(11, 16):
        (tmp_path / f"run_{run}.log").touch()
    iterate(tmp_path, "2,3,2", range(16, 30), lambda run: False)
    assert kept(tmp_path) == [1, 2, 27, 28, 29]


def sized(folder: Path, most: int, sizes: dict[int, int], failed: Container[int] = ()) -> None:
    """Iterations that each wrote so many bytes; *most*: of all together."""
    for run, size in sizes.items():
        (folder / f"run_{run}.log").write_bytes(b"x" * size)
        logs.prune(str(folder / ".j.kept"), str(folder), (2, 3, 2), most, run, run in failed)


def test_the_oldest_of_the_kept_logs_go_where_they_are_too_large_together(tmp_path: Path) -> None:
    sized(tmp_path, 1000, dict.fromkeys(range(1, 11), 200), failed=(4,))
    assert kept(tmp_path) == [2, 4, 8, 9, 10]
    sized(tmp_path, 1000, {11: 500})
    assert kept(tmp_path) == [9, 10, 11]
    sized(tmp_path, 1000, {12: 5000})
    assert kept(tmp_path) == [12]
    sized(tmp_path, 1000, dict.fromkeys(range(13, 20), 10))
    assert kept(tmp_path) == [17, 18, 19]
    assert (tmp_path / ".j.kept").read_text() == "1 19 4\n30\n"


def test_what_lies_in_place_of_logs_and_notes_is_not_opened(tmp_path: Path) -> None:
    sized(tmp_path, 1000, dict.fromkeys(range(1, 6), 100))
    other = tmp_path / "other"
    other.write_text("others'")
    for run, make in ((3, os.mkfifo), (4, lambda path: path.symlink_to(other))):
        (tmp_path / f"run_{run}.log").unlink()
        make(tmp_path / f"run_{run}.log")
    sized(tmp_path, 1000, dict.fromkeys(range(6, 10), 100))
    assert kept(tmp_path) == [1, 2, 7, 8, 9]
    assert other.read_text() == "others'"
    (tmp_path / ".j.kept").unlink()
    os.mkfifo(tmp_path / ".j.kept")
    with pytest.raises(OSError, match="No such device"):
        sized(tmp_path, 1000, {10: 100})


def test_pruning_lists_no_folder_and_keeps_its_notes_short(tmp_path: Path) -> None:
    listed = 0

    def listdir(path: str) -> list[str]:
        nonlocal listed
        listed += 1
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "listdir", listdir)
        iterate(tmp_path, "5,20,50", range(1, 501), lambda run: run % 3 == 0)
    assert listed == 0
    assert len(kept(tmp_path)) <= 75
    assert (tmp_path / ".j.kept").stat().st_size < 500


def test_the_launcher_keeps_the_logs_that_it_is_told_to(bed: Bed) -> None:
    options = ("--keep-logs", "1,2,1")
    for code in (0, 3, 0, 0, 0):
        assert bed.shell(f"exit {code}", *options) == code
        text = bed.ledger.read_text()
        bed.ledger.write_text(text.replace(",3,\n", ",0,\n"))  # else the next start waits
    assert kept(bed.root / "logs") == [1, 2, 4, 5]
    assert [row.run for row in bed.rows] == [1, 2, 3, 4, 5]
    assert bed.shell("true", "--keep-logs", "all") == 0
    assert kept(bed.root / "logs") == [1, 2, 4, 5, 6]
    assert bed.shell("true", "--keep-logs", "few") == 1
    assert len(bed.rows) == 6


def test_a_log_that_grows_too_long_keeps_its_beginning_and_its_end(bed: Bed) -> None:
    """Meanwhile, too: it never has much more than its 64 KiB."""
    text = "echo begin; while [ ! -e stop ]; do echo $i; i=$((i+1)); done; echo end"
    popen = bed.start("--keep-logs", "1,1,1,1", argv=("/bin/bash", "-c", text))
    log = bed.root / "logs" / "run_1.log"
    wait_for(lambda: log.exists() and b"energyctl: the output went on" in log.read_bytes(), "a cut")
    sizes = [wait_for(lambda: log.stat().st_size, "the log") for _ in range(50)]
    assert max(sizes) < 32 * 2**20
    (bed.root / "stop").touch()
    assert popen.wait(20) == 0
    lines = log.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("begin", "end")
    assert log.stat().st_size <= 64 * 1024 + 200
    at = lines.index(logs.CUT.decode().strip())
    assert at > 1000
    numbers = [int(line) for line in lines[at + 1 : -1]]
    assert numbers == sorted(set(numbers))
    breaks = sum(after - before > 1 for before, after in pairwise(numbers))
    assert breaks <= 2  # what was written in the instant of a cut
    assert len(numbers) > 500


def test_a_quiet_log_is_not_touched(bed: Bed) -> None:
    text = "echo begin; sleep 0.5; head -c 60000 /dev/zero; sleep 0.5"
    assert bed.shell(text, "--keep-logs", "1,1,1,1") == 0
    assert (bed.root / "logs" / "run_1.log").read_bytes() == b"begin\n" + bytes(60_000)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5,20,50", ((5, 20, 50), 256 << 20)),
        ("0,1,0,3", ((0, 1, 0), 3 << 20)),
        ("all", (None, 256 << 20)),
        ("all,1", (None, 1 << 20)),
        *((text, None) for text in ("", "1,2", "1,2,3,4,5", "1,2,3,0", "-1,2,3", "all,x", "few")),
    ],
)
def test_what_is_kept_is_told_in_a_word(text: str, meant: object) -> None:
    if meant is None:
        with pytest.raises(ValueError, match=r"invalid literal|values to unpack|^$"):
            logs.parse_keep(text)
    else:
        assert logs.parse_keep(text) == meant


def test_the_log_of_an_iteration_that_runs_is_not_removed(bed: Bed) -> None:
    popen = bed.start("--keep-logs", "0,1,0", argv=("/bin/sh", "-c", "echo > notes; sleep 1000"))
    wait_for((bed.root / "notes").exists, "the training")
    for _ in range(2):
        assert bed.shell("true", "--keep-logs", "0,1,0") == 0
    assert kept(bed.root / "logs") == [1, 3]
    popen.terminate()
    popen.wait(10)
    assert kept(bed.root / "logs") == [3]


def test_all_times_are_on_the_time_line_of_the_run(bed: Bed) -> None:
    clock = bed.root / "clock"
    clock.write_text(f"{1_000_000_000 - time.monotonic()}\n")
    for _ in range(2):
        assert bed.shell("sleep 0.05", "--clock", str(clock), "--restart-delay", "0.3") == 0
    first, second = bed.rows
    assert first.ended is not None
    assert 1_000_000_000 <= first.started < first.ended < 1_000_000_020
    assert 0.3 <= second.started - first.ended < 15


@pytest.mark.parametrize("text", [None, "", "12345.6", "x\n"])
def test_without_a_whole_time_line_times_are_those_of_the_clock(
    tmp_path: Path, text: str | None
) -> None:
    clock = tmp_path / "clock"
    if text is not None:
        clock.write_text(text)
    assert iteration.now(str(clock)) == pytest.approx(time.time(), abs=5)
    assert iteration.now(None) == pytest.approx(time.time(), abs=5)


def test_the_cpu_time_of_all_iterations_is_added_up(bed: Bed) -> None:
    def cpu() -> tuple[float, int]:
        seconds, pid = (bed.root / "logs" / ".back_large.cpu").read_text().split()
        return float(seconds), int(pid)

    spin = "import time\nwhile time.process_time() < 0.2: pass"
    one = bed.start(argv=(sys.executable, "-I", "-S", "-c", spin))
    assert one.wait(20) == 0
    first, launcher = cpu()
    assert launcher == one.pid
    assert 0.2 <= first < 2
    (bed.root / "logs" / ".back_large.cpu").write_text("torn")
    assert bed.shell("true") == 0
    assert cpu()[0] < 0.2
    assert bed.run(argv=(sys.executable, "-I", "-S", "-c", f"{spin}\nraise SystemExit(3)")) == 3
    assert 0.2 <= cpu()[0] < 2


def test_a_reused_pid_does_not_keep_a_row_from_being_written(bed: Bed) -> None:
    folder = bed.root / "logs"
    folder.mkdir()
    (folder / f".back_large.{os.getpid()}.running").write_text("back_large,7,123,1000.0,5")
    (folder / f".other.{os.getpid()}.running").write_text("other,1,124,1000.0,5")
    assert bed.shell("true", "--keep-logs", "0,5,0") == 0
    lost, mine = bed.rows
    assert (lost.run, lost.pid, lost.started, lost.signal) == (7, 123, 1000.0, signal.SIGKILL)
    assert (mine.run, mine.exit_code) == (8, 0)
    assert [path.name for path in folder.glob(".*.running")] == [f".other.{os.getpid()}.running"]


def test_a_launcher_that_was_killed_after_its_row_gets_no_second_one(bed: Bed) -> None:
    assert bed.shell("true") == 0
    note = bed.root / "logs" / f".back_large.{2**22 + 1}.running"
    note.write_text("back_large,1,123,1000.0,5")
    assert bed.shell("true") == 0
    assert [(row.run, row.exit_code) for row in bed.rows] == [(1, 0), (2, 0)]
    assert not note.exists()


def test_a_load_goes_on_where_no_log_can_be_written(bed: Bed) -> None:
    (bed.root / "logs").mkdir()
    (bed.root / "blocked").write_text("")
    options = ("--logs", str(bed.root / "blocked" / "logs"))
    assert bed.shell("echo $$ >> notes", *options) == 0
    assert len(bed.notes) == 1
    assert [row.exit_code for row in bed.rows] == [0]


def test_the_settings_say_which_logs_a_run_keeps(bench: Bench) -> None:
    background = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.15}}
    keep = {"first": 1, "last": 1, "failed": 0}
    done = bench.run("run", bench.parallel(background=background, keep_logs=keep))
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (bench.root / "results").glob("background_logs_*")
    runs = [row.run for row in parse((folder / "iterations.csv").read_text())]
    assert runs == list(range(1, len(runs) + 1))
    assert len(runs) > 2
    assert kept(folder) == [1, runs[-1]]
    seconds, _ = (folder / ".back_large.cpu").read_text().split()
    assert float(seconds) > 0.01 * len(runs)


def test_a_training_that_does_nothing_is_no_hot_loop(tmp_path: Path) -> None:
    with supervised(tmp_path) as world:
        world.commands["nothing"] = ("true",)
        background = world.background("e1", job("nothing"))
        background.start()
        folder = background.files.background_logs
        ledger = folder / "iterations.csv"
        wait_for(lambda: ledger.exists() and len(parse(ledger.read_text())) > 3, "restarts")
        background.stop()
        done = parse(ledger.read_text())
        seconds = done[-1].started - done[0].started
        assert (len(done) - 1) / seconds < 60
        assert float((folder / ".back_nothing.cpu").read_text().split()[0]) < 0.5 * seconds
        assert not any(row.failed for row in done)
