"""Ends what is another's, by notes, daemons and records; reaches for energyctl and its helper."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import json
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.attacks.attack import (
    GRACE_SECONDS,
    NONCE,
    Act,
    Attack,
    Facts,
    gained,
    lab,
    must_fail,
    private,
    remove,
    write,
)


def started_notes(f: Facts) -> None:
    _, pid, ticks = f.canaries[f.choice]
    write(f"{private(f)}/supervisord.pid", f"{pid}\n")
    write(f"{private(f)}/started-by-energyctl", f"{pid} {ticks}")
    write(f"{private(f)}/daemon-nonce", NONCE)
    owner(f, pid=2**22 + 1, ticks=1)


def owner(f: Facts, folder: str = "", **fields: Any) -> None:
    """A record that energyctl believes, but for *fields*."""
    status = os.stat(f.workspace)
    record = {"pid": 1, "ticks": 1, "user": f.user["name"], "workspace": f.workspace, "since": 0.0}
    record |= {"inode": f"{status.st_dev} {status.st_ino}", "campaign": "night", "nonce": NONCE}
    record |= {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip()}
    record |= {"namespace": os.readlink("/proc/self/ns/pid"), "cgroup": None, "job": None}
    write(f"{folder or private(f)}/owner.json", json.dumps({**record, **fields}))


def notes_of(which: int) -> Act:
    return lambda f: started_notes(SimpleNamespace(**vars(f), choice=which))


def running_notes(f: Facts) -> None:
    """Of iterations whose launcher is another's process."""
    for folder in glob.glob(lab(f, "results/background_logs_*")):
        for number, (_, pid, ticks) in enumerate([*f.canaries, ["init", 1, 0]]):
            for job in ("back_m", "background_training", "job_1"):
                path = f"{folder}/.{job}.{pid}.running"
                write(path, f"{job},{number + 7},{pid},1.0,{ticks}")
        with open(f"{folder}/iterations.csv", "a") as file:
            file.writelines(f"back_m,99,{pid},1.0,2.0,0,\n" for _, pid, _ in f.canaries)


def forged_owner(f: Facts) -> None:
    """Of this workspace's folder, and of further ones."""
    root = os.path.dirname(private(f))
    groups = "/sys/fs/cgroup", "/sys/fs/cgroup/../energyctl-x", f"{f.strangers_home}/lab"
    for number, (_, pid, ticks) in enumerate(f.canaries):
        folder = f"{root}/{number}bcdefabcdef"
        os.makedirs(folder, 0o700, exist_ok=True)
        owner(f, folder, pid=pid, ticks=ticks, cgroup=groups[number], job="77")
    owner(f, pid=2**22 + 1, ticks=1, cgroup="/sys/fs/cgroup")


def supervisord_that_lies(f: Facts) -> None:
    """In the place of the user's own: says that its jobs are processes of others."""
    from xmlrpc.server import SimpleXMLRPCDispatcher

    path = f"{private(f)}/supervisor.sock"
    remove(path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    if os.fork():
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    pids = [pid for _, pid, _ in f.canaries]
    told = [
        {"group": "energyctl-E", "name": f"j{p}", "pid": p, "statename": "RUNNING", "state": 20}
        for p in pids
    ]

    class Liar(SimpleXMLRPCDispatcher):
        def _dispatch(self, method: str, params: Any) -> Any:
            if method.endswith("getState"):
                return {"statename": "RUNNING", "statecode": 1}
            if method.endswith("getPID"):
                return pids[1]
            return told if "Info" in method else True

    liar, end = Liar(allow_none=True), time.monotonic() + 60
    while time.monotonic() < end:
        peer, _ = server.accept()
        with contextlib.suppress(OSError, ValueError), peer:
            peer.settimeout(1)
            data = b""
            while b"\r\n\r\n" not in data:
                data += peer.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            while len(body) < length:
                body += peer.recv(65536)
            said = liar._marshaled_dispatch(body.decode()).encode()
            peer.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n"
                + f"Content-Length: {len(said)}\r\n\r\n".encode()
                + said
            )


def lies_at_work(f: Facts) -> None:
    """Kills the user's supervisord first."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(Path(f.runtime, "supervisord.pid").read_text())
        os.kill(pid, signal.SIGKILL)
    supervisord_that_lies(f)


EARLIER = '( sleep 1; setsid sleep 77 & echo $! > "$HOME/earlier" ) &'


def earlier_lives(f: Facts) -> None:
    """A process that the user's shell had before is none of the campaign's."""
    pid = int(Path(f.home, "earlier").read_text())
    try:
        os.kill(pid, 0)
    except OSError:
        gained(f, "ended the shell's own process")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def chain() -> list[int]:
    """Launcher, energyctl, sudo."""
    pids = [os.getppid()]
    while pids[-1] > 1 and len(pids) < 6:
        pids.append(parent_of(pids[-1]))
    return [pid for pid in pids if pid > 1]


def helpers() -> list[int]:
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"privileged_helper.py" in Path(path).read_bytes():
                found.append(int(path.split("/")[2]))
    return [pid for pid in found if parent_of(pid) in chain()]


def signals_to_the_helper(f: Facts) -> None:
    """And to others; `sudo` itself obeys its caller."""
    if not helpers():
        gained(f, "no helper to be found: nothing was tried")
    for pid in (*helpers(), *(pid for _, pid, _ in f.canaries)):
        for signum in (signal.SIGSTOP, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL):
            must_fail(f, f"signal {signum} to {pid}", partial(os.kill, pid, signum))


def debugger(f: Facts) -> None:
    """ptrace, memory, descriptors of energyctl and of the helper (a socket leads to root)."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: Any) -> None:
        if getattr(libc, name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), name)

    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_size_t * 2)(0x400000, 8)
    if not helpers():
        gained(f, "no helper to be found: nothing was tried")
    for pid in (chain()[1], *helpers(), *chain()[2:]):
        for request in (0x4206, 16):  # PTRACE_SEIZE, PTRACE_ATTACH
            must_fail(f, f"ptrace {request:#x} {pid}", partial(call, "ptrace", request, pid, 0, 0))
        for name in ("mem", "environ", "maps", "fd/0", "fd/3"):
            path = f"/proc/{pid}/{name}"
            must_fail(f, f"open {path}", partial(os.open, path, os.O_RDONLY))
        for name in ("cwd", "exe", "root"):
            must_fail(f, f"readlink {name} of {pid}", partial(os.readlink, f"/proc/{pid}/{name}"))
        must_fail(f, f"descriptors of {pid}", partial(os.listdir, f"/proc/{pid}/fd"))
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(pid)
            for number in range(3, 40):  # pidfd_getfd(2)
                getfd = partial(call, "syscall", 438, pidfd, number, 0)
                must_fail(f, f"descriptor {number} of {pid}", getfd)
        for name in ("process_vm_readv", "process_vm_writev"):
            must_fail(f, f"{name} {pid}", partial(call, name, pid, local, 1, remote, 1, 0))
    own(f)


def own(f: Facts) -> None:
    """Descriptors that we or our launcher should not have been given."""
    for pid in ("self", str(os.getppid())):
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{number}")
                    if target.startswith("socket:") or "powercap" in target:
                        gained(f, f"descriptor {number} of {pid}: {target}")


def kills_energyctl(f: Facts) -> None:
    os.kill(chain()[1], signal.SIGKILL)


def forged_records(f: Facts) -> None:
    """Of what a helper had changed: the next one would put it back."""
    record = {"pid": 2**22 + 1, "ticks": 1, "cpus": f.cpus, "limits": {}, "clocks": {}}
    record["governors"] = {"cpu0": "hostile", f"../../{f.notice}": "hostile"}
    for folder in (os.path.dirname(private(f)), f.runtime):
        write(f"{folder}/restore-1.json", json.dumps(record))
    for attempt in ("restore-1.json", ".restore-1.json"):
        must_fail(f, "a record of root's", lambda n=attempt: write(f"/run/energyctl/{n}", "{}"))


def cgroups(f: Facts) -> None:
    """Out of the campaign's own, and others into it."""
    ours = Path("/proc/self/cgroup").read_text().strip().splitlines()[-1].split(":")[2]
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        here = Path(top + ours)
        if not (here / "cgroup.procs").exists() or "energyctl-" not in ours:
            continue
        campaign = next(p for p in (here, *here.parents) if p.name.startswith("energyctl-"))
        outside = campaign.parent / "cgroup.procs"
        must_fail(f, "left the cgroup", partial(outside.write_text, str(os.getpid())))
        for _, pid, _ in f.canaries:
            for place in (here, campaign):
                path = place / "cgroup.procs"
                must_fail(f, f"moved {pid}", lambda o=path, p=pid: o.write_text(str(p)))
        for path in (campaign.parent / "cgroup.kill", campaign.parent / "cgroup.subtree_control"):
            must_fail(
                f, str(path), lambda p=path: p.write_text("1" if p.name.endswith("l") else "")
            )
        deep = here
        for _ in range(40):
            deep = deep / "d"
            with contextlib.suppress(OSError):
                deep.mkdir()


def crowd(f: Facts) -> None:
    """Some hundred processes that leave the session, ignore TERM, and fork anew."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    end = time.monotonic() + f.seconds + 20
    for _ in range(60):
        if os.fork() == 0:
            with contextlib.suppress(OSError):
                os.setsid()
                while time.monotonic() < end:
                    if os.fork():
                        os._exit(0)
                    time.sleep(0.2)
            os._exit(0)


def stubborn(f: Facts) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_IGN)


ATTACKS = {
    "note-of-root": Attack(
        "the daemon's note names root's process", notes_of(0), after=notes_of(0)
    ),
    "note-of-stranger": Attack("and the stranger's", before=notes_of(1), after=notes_of(1)),
    "running-notes": Attack("notes of iterations name processes of others", train=running_notes),
    "owner": Attack("the owner's record is forged", before=forged_owner, after=forged_owner),
    "stop-a-job": Attack(
        "and `stop --job` believes it", after=forged_owner, then=(("stop", "--job", "77"),)
    ),
    "false-daemon": Attack(
        "a false supervisord, before the start and at the stop",
        before=supervisord_that_lies,
        after=supervisord_that_lies,
        codes=(2,),
    ),
    "false-daemon-later": Attack("a false supervisord in the middle of a run", train=lies_at_work),
    "earlier": Attack("a process of the shell that calls sudo", after=earlier_lives, shell=EARLIER),
    "signals": Attack("signals to the helper, and to others", train=signals_to_the_helper),
    "debugger": Attack("ptrace, memory, descriptors of energyctl and the helper", train=debugger),
    "kills": Attack(
        "SIGKILL to energyctl", train=kills_energyctl, codes=(137, -9), grace_seconds=20.0
    ),
    "records": Attack(
        "forged records of what a helper changed",
        before=forged_records,
        train=forged_records,
        codes=(3,),
    ),
    "cgroups": Attack("out of the cgroup, and others into it", train=cgroups, load=cgroups),
    "crowd": Attack(
        "processes that fork anew and ignore TERM", train=crowd, grace_seconds=GRACE_SECONDS
    ),
    "stubborn": Attack(
        "trainings that ignore TERM", train=stubborn, load=stubborn, grace_seconds=GRACE_SECONDS
    ),
}
