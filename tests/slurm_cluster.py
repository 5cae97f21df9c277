"""A real Slurm cluster of three nodes on this machine, for the length of a ``with``."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from bench import wait_for

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
CGROUPS = Path("/sys/fs/cgroup")
OUTSIDE = (
    "/dev/shm", "/run", "/run/lock", "/run/munge", "/run/slurm", "/tmp", "/var/lib/munge",
    "/var/lib/slurm", "/var/log", "/var/log/munge", "/var/log/slurm", "/var/run", "/var/spool",
)  # fmt: skip
"""Where the daemons would write by their own defaults."""
SOCKET_BYTES = 60
"""A socket's path has 107 bytes at most; below the folder lies ``e20000n1/e20000n1_1.4294967291``.
"""

CONFIGURATION = """\
ClusterName={prefix}
SlurmctldHost={host}({address})
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
MailProg=/bin/true
ProctrackType={tracking}
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SwitchType=switch/none
GresTypes=gpu
NodeName={prefix}n[1-3] NodeHostname={host} NodeAddr={address} Port=[{first}-{last}] CPUs=2 \
RealMemory=4000 Gres=gpu:2
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
SETTINGS = {
    "SchedulerParameters": (
        "batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1"
    ),
    # With 2, a node that was set down returns at the next ping, within 4 s.
    "ReturnToService": "1",
    "SlurmdTimeout": "10",
    "KillWait": "5",
    "SlurmdParameters": "config_overrides",
}
QUEUE = "JobID,ArrayJobID,ArrayTaskID,State,NodeList,Reason,RestartCnt"


@dataclass(frozen=True)
class Queued:
    """A line of ``squeue --array``: a job, or one task of an array."""

    job: int
    array: int
    task: int | None
    state: str
    node: str
    reason: str
    restarts: int


@dataclass
class Cluster:
    """``tracking`` says what Slurm knows a job's processes by: ``proctrack/cgroup`` ends those that
    left their session, too; ``proctrack/linuxproc`` only those that descend from the job's.
    """

    folder: Path
    prefix: str
    port: int
    address: str
    tracking: str
    environment: dict[str, str]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    """When each daemon was started last, in whole seconds as Slurm shows them."""

    @property
    def nodes(self) -> list[str]:
        return [f"{self.prefix}n{number}" for number in (1, 2, 3)]

    def run(
        self, *argv: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """A command with the cluster's environment; fails with what it said."""
        done = subprocess.run(
            argv,
            env={**os.environ, **self.environment},
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{argv} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done

    def queue(self) -> list[Queued]:
        """What waits, runs or is about to end.

        Of a waiting array with a step, like ``0-20:2``, squeue leaves out the last task.
        """
        columns = ",".join(f"{name}:|" for name in QUEUE.split(","))
        rows = self.run("squeue", "--array", "--noheader", "-O", columns).stdout.splitlines()
        return [parse(row) for row in rows]

    def wait_until_empty(self, seconds: float = 60) -> None:
        wait_for(lambda: not self.queue(), "the queue to be empty", seconds)

    def state(self, node: str) -> str:
        """Such as ``IDLE``, ``ALLOCATED+DRAIN`` or ``DOWN+NOT_RESPONDING``."""
        return facts(self.run("scontrol", "show", "node", "-o", node).stdout)["State"]

    def down(self, node: str, reason: str = "test") -> None:
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", f"Reason={reason}")

    def up(self, node: str) -> None:
        self.run("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def kill_slurmd(self, node: str) -> None:
        """Leaves the node's jobs and their slurmstepd alone."""
        self._kill(node)

    def kill_node(self, node: str, *, keep_spool: bool = False) -> None:
        """As if its power had failed. ``start_slurmd`` is its power coming back.

        A job that began less than 20 s before a quick return is missed only a minute later.
        Where the spool outlives that, Slurm holds a job that it starts there a second time, as
        "launch failed requeued held": the script's file is there already.
        """
        self._kill(node)
        self._end(lambda: self._processes_of(node), f"the processes of {node} to end")
        self._remove_remains(node)
        if not keep_spool:
            shutil.rmtree(self.folder / node)
            (self.folder / node).mkdir()

    def kill_controller(self) -> None:
        self._kill("slurmctld")

    def start_slurmd(self, node: str, seconds: float = 60) -> None:
        """Returns once the node listens and, where a controller runs, has registered with it."""
        # Another second than before: else the registration of before would be taken for this one.
        wait_for(lambda: int(time.time()) > self.started[node], "the next second", 5)
        port = self.port + 1 + self.nodes.index(node)
        self._start(node, "slurmd", "-D", "-N", node)
        self._wait(node, lambda: listens(self.address, port), seconds)
        if "slurmctld" in self.daemons:
            self._wait(node, lambda: self._registered(node), seconds)

    def start_controller(self, seconds: float = 60) -> None:
        """Returns once it answers; its nodes may take longer."""
        self._start("slurmctld", "slurmctld", "-D")
        self._wait("slurmctld", self._answers, seconds)

    def _answers(self) -> bool:
        # `scontrol ping` alone answers before partitions and jobs are there.
        return (
            self.run("scontrol", "ping", check=False).returncode == 0
            and self.run("sinfo", "--noheader", check=False).returncode == 0
        )

    def _registered(self, node: str) -> bool:
        row = self.run("scontrol", "show", "node", "-o", node, check=False).stdout
        if "SlurmdStartTime=" not in row or facts(row)["SlurmdStartTime"] in ("None", "Unknown"):
            return False
        told = time.mktime(time.strptime(facts(row)["SlurmdStartTime"], "%Y-%m-%dT%H:%M:%S"))
        state = facts(row)["State"]
        return told >= self.started[node] and "NOT_RESPONDING" not in state and "DOWN" not in state

    def _all_idle(self) -> bool:
        rows = self.run("scontrol", "show", "node", "-o", check=False).stdout.splitlines()
        return [facts(row).get("State") for row in rows if row] == ["IDLE"] * len(self.nodes)

    def _start(self, name: str, *argv: str) -> None:
        assert name not in self.daemons, f"{name} runs already"
        self.started[name] = int(time.time())
        with open(self.folder / f"{name}.out", "ab") as output:
            self.daemons[name] = subprocess.Popen(
                argv,
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _wait(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        def ready_or_dead() -> bool:
            return self.daemons[name].poll() is not None or ready()

        try:
            wait_for(ready_or_dead, f"{name} to be ready", seconds)
            code = self.daemons[name].poll()
            assert code is None, f"{name} ended with {code}"
        except AssertionError as error:
            output = (self.folder / f"{name}.out").read_text(errors="replace")[-2000:]
            raise AssertionError(f"{error}; it said:\n{output}") from None

    def _kill(self, name: str) -> None:
        """A daemon that does not run is no error."""
        process = self.daemons.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(10)

    def _processes_of(self, *nodes: str) -> set[int]:
        """The nodes' slurmd and slurmstepd, and whatever their jobs started."""
        names = tuple(os.fsencode(f"SLURMD_NODENAME={node}") for node in nodes)
        logs = {str(self.folder / f"{node}.log") for node in nodes}
        found = {pid for node in nodes for pid in cgroup_members(node)}
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                entry = Path(f"/proc/{process.pid}")
                variables = (entry / "environ").read_bytes().split(b"\0")
                if any(name in variables for name in names) or logs & open_files(entry):
                    found.add(process.pid)
        for pid in tuple(found):
            with contextlib.suppress(psutil.Error):
                found.update(child.pid for child in psutil.Process(pid).children(recursive=True))
        return {pid for pid in found if alive(pid) and pid != os.getpid()}

    def _processes(self) -> set[int]:
        """Those of all nodes, and all that name the folder: a job may clear its environment."""
        return self._processes_of(*self.nodes) | naming(self.folder)

    def _end(self, living: Callable[[], set[int]], what: str) -> None:
        """Kills, and looks again: a process may have started another meanwhile."""

        def none_left() -> bool:
            found = living()
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not found

        wait_for(none_left, what, 20)

    def _remove_remains(self, *nodes: str) -> None:
        """What killed daemons leave: folders of cgroups, and sockets."""
        for node in nodes:
            for root in cgroups(node):
                wait_for(partial(remove_tree, root), f"{root} to be empty", 10)
            for path in sockets(self.folder / node):
                path.unlink()

    def _stop(self) -> None:
        """Controller first, so that it sends no job elsewhere."""
        for name in ("slurmctld", *self.nodes):
            self._kill(name)
        self._end(self._processes, "the cluster's processes to end")
        for process in self.daemons.values():
            process.wait(10)
        self.daemons.clear()
        self._remove_remains(*self.nodes)
        for path in sockets(self.folder):
            path.unlink()

    def leftovers(self) -> list[str]:
        """What of this cluster is still there, but for plain files in its folder."""
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return [
            *(f"process {pid}" for pid in sorted(self._processes())),
            *(f"socket {path}" for path in sockets(self.folder)),
            *(f"cgroup {path}" for node in self.nodes for path in cgroups(node)),
            *(f"mount {row}" for row in mounts if f"{self.folder}/" in row or self.prefix in row),
            *(f"port {self.port + n}" for n in range(4) if listens(self.address, self.port + n)),
        ]


def unavailable() -> str | None:
    """Why no cluster can be had here, in one line."""
    if os.geteuid() != 0:
        return "a Slurm cluster of its own needs root"
    for program in (*DAEMONS, *COMMANDS):
        if shutil.which(program) is None:
            return f"{program} is missing (Debian: slurmctld, slurmd, slurm-client, munge)"
    if loopback() is None:
        return f"the name {socket.gethostname()} is no loopback address; add it to /etc/hosts"
    return None


@contextlib.contextmanager
def cluster(
    folder: Path,
    *,
    max_array_size: int = 1001,
    settings: Mapping[str, str] | None = None,
    tracking: str | None = None,
) -> Iterator[Cluster]:
    """Three idle nodes with two CPUs and two pretended GPUs each. *settings* go to slurm.conf.

    Raises AssertionError where something of it outlives the block, or lies outside *folder*.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    assert len(os.fsencode(folder)) <= SOCKET_BYTES, f"too long for sockets in it: {folder}"
    before = outside()
    with ports(4) as port:
        address = loopback()
        assert address is not None, unavailable()
        made = Cluster(
            folder=folder,
            prefix=f"e{port}",
            port=port,
            address=address,
            tracking=tracking or best_tracking(),
            environment={"SLURM_CONF": str(folder / "slurm.conf")},
        )
        configure(made, {"MaxArraySize": str(max_array_size), **(settings or {})})
        try:
            made._start("munged", *munged(folder))
            made._wait("munged", lambda: (folder / "munge").exists(), 20)
            made.start_controller()
            for node in made.nodes:
                made._start(node, "slurmd", "-D", "-N", node)
            for node in made.nodes:
                made._wait(node, made._all_idle, 60)
            yield made
        finally:
            made._stop()
        left = [*made.leftovers(), *(f"file {path}" for path in outside() - before)]
        assert not left, f"left behind: {', '.join(left)}"


def configure(made: Cluster, settings: Mapping[str, str]) -> None:
    """Writes the keys and files that the daemons read."""
    folder = made.folder
    for name in ("state", *made.nodes):
        (folder / name).mkdir(exist_ok=True)
    with open(os.open(folder / "key", os.O_CREAT | os.O_WRONLY, 0o600), "wb") as key:
        key.write(os.urandom(1024))
    text = CONFIGURATION.format(
        folder=folder,
        prefix=made.prefix,
        host=socket.gethostname().partition(".")[0],
        address=made.address,
        port=made.port,
        first=made.port + 1,
        last=made.port + 3,
        tracking=made.tracking,
    )
    rows = [f"{name}={value}\n" for name, value in {**SETTINGS, **settings}.items()]
    # Settings come first: Slurm takes the partition's and the nodes' rows as its end.
    (folder / "slurm.conf").write_text("".join(rows) + text)
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
    # Without a file per GPU slurmd reports none, and only devices get CUDA_VISIBLE_DEVICES set.
    for number in (0, 1):
        os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)
    gres = f"AutoDetect=off\nName=gpu File={folder}/gpu[0-1]\n"
    (folder / "gres.conf").write_text(gres)


def munged(folder: Path) -> list[str]:
    """As root, in a folder of root's. ``--force``: nobody else has to reach the socket."""
    return [
        "munged",
        "--foreground",
        "--force",
        f"--socket={folder}/munge",
        f"--key-file={folder}/key",
        f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log",
        f"--seed-file={folder}/seed",
    ]


@contextlib.contextmanager
def ports(count: int) -> Iterator[int]:
    """The first of so many TCP ports in a row, free and below those that connections get.

    UDP sockets on the same ports are held meanwhile: another cluster then chooses others.
    """
    for first in random.sample(range(20_000, 30_000, 10), 1000):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                reserved = held.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                reserved.bind(("127.0.0.1", port))
                with socket.socket() as tried:
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    tried.bind(("", port))
            kept = held.pop_all()
            break
    else:
        raise AssertionError("no free ports between 20000 and 30000")
    with kept:
        yield first


def best_tracking() -> str:
    """Cgroups of version 1, where they may be written to. Version 2 wants systemd, and is fatal
    beside version 1 (``cgroup/v2`` of 22.05), so elsewhere Slurm follows parentage.
    """
    probe = CGROUPS / "freezer" / f"probe-{os.getpid()}"
    try:
        probe.mkdir()
        usable = (probe / "freezer.state").exists()
        probe.rmdir()
    except OSError:
        usable = False
    return "proctrack/cgroup" if usable else "proctrack/linuxproc"


def loopback() -> str | None:
    """What the machine's name means, where that is a loopback address: daemons listen there."""
    with contextlib.suppress(OSError):
        address = socket.gethostbyname(socket.gethostname())
        if ipaddress.ip_address(address).is_loopback:
            return address
    return None


def listens(address: str, port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex((address, port)) == 0


def parse(row: str) -> Queued:
    """A line of squeue's ``-O``, in the columns of ``QUEUE``."""
    job, array, task, state, node, reason, restarts, _ = (word.strip() for word in row.split("|"))
    return Queued(
        job=int(job),
        array=int(array),
        task=int(task) if task.isdigit() else None,
        state=state,
        node="" if node in ("(null)", "None assigned") else node,
        reason=reason,
        restarts=int(restarts),
    )


def facts(row: str) -> dict[str, str]:
    """``scontrol show -o``. A value with a blank in it is cut there."""
    return dict(word.split("=", 1) for word in row.split() if "=" in word)


def alive(pid: int) -> bool:
    """A zombie is not: it waits for its parent only."""
    try:
        status = str(psutil.Process(pid).status())
    except psutil.Error:
        return False
    return status not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def naming(folder: Path) -> set[int]:
    """Processes with *folder* in command, environment or working folder, but our ancestors."""
    # Not those of a folder whose name only begins so.
    needle = re.compile(re.escape(os.fsencode(folder)) + rb"(?![\w.-])")
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in ours:
            with contextlib.suppress(OSError):
                texts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
                texts.append(os.fsencode(os.readlink(entry / "cwd")))
                if any(map(needle.search, texts)):
                    found.add(int(entry.name))
    return {pid for pid in found if alive(pid)}


def sockets(folder: Path) -> list[Path]:
    files = (os.path.join(inner, name) for inner, _, names in os.walk(folder) for name in names)
    return [path for path in map(Path, files) if stat.S_ISSOCK(path.lstat().st_mode)]


def open_files(entry: Path) -> set[str]:
    return {os.readlink(link) for link in (entry / "fd").iterdir()}


def cgroups(node: str) -> list[Path]:
    """Slurm's folders of the node, one per controller."""
    return [path for path in CGROUPS.glob(f"*/slurm_{node}") if path.is_dir()]


def cgroup_members(node: str) -> set[int]:
    """Thaws, too: a frozen process cannot be killed."""
    found: set[int] = set()
    for folder in (inner for root in cgroups(node) for inner in tree(root)):
        with contextlib.suppress(OSError):
            state = folder / "freezer.state"
            if state.exists() and state.read_text().strip() != "THAWED":
                state.write_text("THAWED")
            found.update(map(int, (folder / "cgroup.procs").read_text().split()))
    return found


def tree(root: Path) -> list[Path]:
    """The folder and all below it; one that vanishes meanwhile is no error."""
    return [Path(name) for name, _, _ in os.walk(root)]


def remove_tree(root: Path) -> bool:
    """Removes a cgroup with those below it; False where one still has a process."""
    for folder in reversed(tree(root)):
        with contextlib.suppress(OSError):
            folder.rmdir()
    return not root.exists()


def outside() -> set[str]:
    """Files of Slurm or munge where their defaults would have them.

    A folder in that for temporary files is another test's, which may be named after Slurm.
    """
    return {
        str(path)
        for place in map(Path, OUTSIDE)
        if place.is_dir()
        for path in place.iterdir()
        if ("slurm" in path.name or "munge" in path.name or place.name in ("slurm", "munge"))
        and not (place == Path("/tmp") and path.is_dir())
    }
