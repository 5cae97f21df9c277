"""Starting, waiting for, finding and ending processes, without mistaking one for another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.campaign.training import foreground_process
from energyctl.campaign.training.foreground_process import CannotStart, ForegroundProcess
from energyctl.config.registry import Invocation
from energyctl.launchers import subreaper
from energyctl.system import processes
from energyctl.system.logs import OutputLog
from energyctl.system.processes import ProcessInfo
from supervised import living

STUBBORN = "trap '' TERM; echo $$ >> notes; while :; do sleep 0.02; done"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    left = living(tmp_path)
    for process in left:
        process.signal(signal.SIGKILL)
    assert left == []


def start(bed: Path, *argv: str, **fields: str) -> ForegroundProcess:
    invocation = Invocation(argv, fields.get("cwd", str(bed)), {})
    with closing(OutputLog(bed / "log")) as log:
        log.make()
        foreground = foreground_process.prepare(invocation, os.environ, f"{bed}/e1/foreground", log)
    foreground.go()
    return foreground


def shell(bed: Path, text: str) -> ForegroundProcess:
    return start(bed, "/bin/sh", "-c", text)


def notes(bed: Path) -> list[int]:
    path = bed / "notes"
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def test_a_training_writes_to_its_log_and_its_code_is_seen_at_once(bed: Path) -> None:
    foreground = shell(bed, "echo out; echo err >&2; cat; exit 7")
    began = time.monotonic()
    assert foreground.wait(30) == 7
    assert time.monotonic() - began < 10
    assert foreground.wait(30) == 7
    assert (bed / "log").read_text() == "out\nerr\n"
    assert foreground.end().found == ()
    assert foreground.look() == []


def test_a_wait_ends_after_its_time(bed: Path) -> None:
    foreground = shell(bed, "exec sleep 1000")
    assert foreground.wait(0.05) is None
    assert foreground.wait(0) is None
    assert foreground.end().left == ()


def test_a_wait_ends_at_once_when_a_descriptor_says_so(bed: Path) -> None:
    foreground = shell(bed, "exec sleep 1000")
    read, write = os.pipe()
    timer = threading.Timer(0.05, os.write, [write, b"!"])
    timer.start()
    began = time.monotonic()
    assert foreground.wait(60, [read]) is None
    assert time.monotonic() - began < 10
    timer.join()
    foreground.end()
    for end in (read, write):
        os.close(end)


def test_end_sends_term_and_the_exit_code_tells_so(bed: Path) -> None:
    foreground = shell(bed, "trap 'exit 9' TERM; echo $$ >> notes; while :; do sleep 0.01; done")
    wait_for(lambda: notes(bed), "the training")
    ended = foreground.end()
    assert ended.left == ()
    assert foreground.returncode == 9


@pytest.mark.parametrize(
    ("text", "code"),
    [("echo $$ >> notes; exec sleep 1000", -signal.SIGTERM), (STUBBORN, -signal.SIGKILL)],
)
def test_the_signal_that_ended_a_training_is_known(bed: Path, text: str, code: int) -> None:
    foreground = shell(bed, text)
    wait_for(lambda: notes(bed), "the training")
    ended = foreground.end(grace_seconds=0.2)
    assert ended.left == ()
    assert foreground.returncode == code
    assert foreground.pid in {process.pid for process in ended.found}


def test_everything_below_a_training_is_ended_whatever_it_did_to_hide(bed: Path) -> None:
    text = "\n".join(
        [
            "setsid sh -c 'echo $$ >> notes; exec sleep 1000' &",
            "(setsid sh -c 'echo $$ >> notes; exec sleep 1000' &)",
            "env -i /usr/bin/setsid /bin/sh -c 'echo $$ >> notes; exec /bin/sleep 1000' &",
            "setsid sh -c 'echo $$ >> notes; kill -STOP $$; exec sleep 1000' &",
            "(trap '' TERM; setsid sh -c 'echo $$ >> notes; exec sleep 1000') &",
            "wait",
        ]
    )
    foreground = shell(bed, text)
    wait_for(lambda: len(notes(bed)) == 5, "every kind")
    assert foreground.end(grace_seconds=0.3).left == ()
    assert [pid for pid in notes(bed) if processes.identify(pid)] == []


def test_orphans_without_a_marker_are_found_by_a_subreaper(bed: Path) -> None:
    """In a process of its own: a subreaper stays one."""
    code = f"""\
import os, sys, time
from pathlib import Path
from energyctl.campaign.training import foreground_process as launching
from energyctl.config.registry import Invocation
from energyctl.system import processes
from energyctl.system.logs import OutputLog
processes.adopt_orphans()
bed = Path({str(bed)!r})
hide = "(env -i /usr/bin/setsid /bin/sh -c 'echo $$ >> notes; exec /bin/sleep 1000' &); sleep 1000"
invocation = Invocation(("/bin/sh", "-c", hide), str(bed), {{}})
log = OutputLog(bed / "log")
log.make()
foreground = launching.prepare(invocation, os.environ, "bed/e1/foreground", log)
foreground.go()
while not (bed / "notes").exists() or not (bed / "notes").read_text().strip():
    time.sleep(0.01)
os.kill(foreground.launcher.pid, 9)
ended = foreground.end()
print(len(ended.found) > 0, len(ended.left), processes.orphans())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True 0 []\n"
    assert [pid for pid in notes(bed) if processes.identify(pid)] == []


def test_a_process_with_another_start_time_is_never_signalled(bed: Path) -> None:
    foreground = shell(bed, "exec sleep 1000")
    found = processes.identify(foreground.pid)
    assert found is not None
    stranger = ProcessInfo(found.pid, found.ticks - 1, found.command)
    stranger.signal(signal.SIGKILL)
    looks = [[stranger]] * 3 + [[]]
    ended = processes.end(lambda: looks.pop(0), grace_seconds=0)
    assert ended.found == (stranger,)
    assert foreground.wait(0.05) is None
    foreground.end()


def test_what_cannot_be_ended_is_named() -> None:
    ghost = ProcessInfo(2**22 + 1, 1, "in uninterruptible sleep")
    ended = processes.end(lambda: [ghost], grace_seconds=0.02, limit_seconds=0.02)
    assert ended.left == (ghost,)
    assert ended.seconds < 5


def test_nothing_to_end_is_no_work() -> None:
    assert processes.end(list).found == ()


def test_a_zombie_is_no_living_process(bed: Path) -> None:
    foreground = shell(bed, "exit 0")
    wait_for(lambda: processes.identify(foreground.pid) is None, "the end")
    assert foreground.wait(5) == 0
    foreground.end()


def test_processes_are_found_by_marker_and_descent(bed: Path) -> None:
    foreground = shell(bed, "sh -c 'echo $$ >> notes; exec sleep 1000' & wait")
    (child,) = wait_for(lambda: notes(bed), "the child")
    wait_for(lambda: "sleep" in str(processes.identify(child)), "its exec")
    assert child in {process.pid for process in processes.descendants([foreground.pid])}
    mine = processes.marked(lambda marker: marker == f"{bed}/e1/foreground")
    assert {process.pid for process in mine} >= {foreground.pid, child}
    assert processes.marked(lambda marker: marker == f"{bed}/e2/foreground") == []
    assert processes.environment_value(child, "NO_SUCH") is None
    assert processes.environment_value(2**22 + 1, "PATH") is None
    foreground.end()


def test_a_process_whose_first_thread_has_ended_is_a_living_descendant() -> None:
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) as popen:
        try:
            stat = Path(f"/proc/{popen.pid}/stat")
            wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "its end")
            assert popen.pid in subreaper.descendants()
        finally:
            popen.kill()
    assert popen.pid not in subreaper.descendants()


def test_the_grace_is_shorter_where_nobody_waits() -> None:
    assert subreaper.grace(os.getppid()) == subreaper.TERM_GRACE_SECONDS
    assert subreaper.grace(2**22 + 1) == subreaper.ABANDONED_GRACE_SECONDS  # of no process
    assert subreaper.ABANDONED_GRACE_SECONDS < subreaper.TERM_GRACE_SECONDS


def test_a_training_dies_with_energyctl(bed: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path\n"
        "from energyctl.campaign.training import foreground_process as launching\n"
        "from energyctl.config.registry import Invocation\n"
        "from energyctl.system.logs import OutputLog\n"
        "argv = ('/bin/sh', '-c', 'echo $$ >> notes; exec sleep 1000')\n"
        "step = Invocation(argv, '.', {})\n"
        "log = OutputLog(Path('log')); log.make()\n"
        "f = launching.prepare(step, os.environ, 'bed/e1/foreground', log); f.go();"
        "time.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=bed) as parent:
        try:
            (pid,) = wait_for(lambda: notes(bed), "the training")
        finally:
            parent.kill()
    wait_for(lambda: processes.identify(pid) is None, "the training's end", 10)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["no-such-program"], "no-such-program: not found"),
        (["./gone.sh"], "./gone.sh: not found"),
        (["./plain.sh"], "./plain.sh: not executable; `chmod +x` it"),
        (["./headless"], "./headless: not executable"),
        (["./lost.sh"], "its first line names a missing interpreter"),
        (["./"], "not executable"),
        (["sh", "a\0b"], "cannot start sh: a NUL character"),
        (["sh", "x" * 200_000], "cannot start sh"),
    ],
)
def test_a_program_that_cannot_be_started_says_why(bed: Path, argv: list[str], said: str) -> None:
    (bed / "plain.sh").write_text("#!/bin/sh\n")
    (bed / "headless").write_text("")
    (bed / "headless").chmod(0o755)
    (bed / "lost.sh").write_text("#!/no/such/interpreter\n")
    (bed / "lost.sh").chmod(0o755)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(CannotStart) as caught:
        start(bed, *argv)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert os.listdir("/proc/self/fd") == before


def test_a_missing_working_folder_is_what_is_named(bed: Path) -> None:
    with pytest.raises(CannotStart, match="gone: no such folder"):
        start(bed, "sh", cwd=str(bed / "gone"))
