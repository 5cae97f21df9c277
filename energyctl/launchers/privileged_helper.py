"""Does for energyctl the little that only root may do, and puts everything back at the end.

    python -I -S privileged_helper.py RECORDS CPUS [CGROUP]     < a socket (SOCK_SEQPACKET)

Of a campaign under sudo this process alone stays root. Its standard input is one end of a pair of
sockets; energyctl alone holds the other. A message is a JSON list:

    ["governor", NAME]                 for all CPUs below the folder CPUS
    ["gpu_power_limit", UUID, WATTS]   within what the driver says that this GPU takes
    ["gpu_clock", UUID, MHZ]           both bounds of the clock of its multiprocessors
    ["restore"]                        everything is put back as it was

The answer is {"error": null}, or says what went wrong; all else is refused. When the other end is
gone, everything is put back, what stays in CGROUP/foreground is ended, CGROUP is removed once it is
empty, and this process ends.

What was before a change stands in RECORDS/restore-PID.json before that is made; if this process is
killed, the next one puts it back. RECORDS is a folder that our own user alone may change. All else
that is read is the kernel's and the driver's. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

CPU, GOVERNOR = re.compile(r"cpu[0-9]{1,5}"), re.compile(r"[a-z0-9_-]{1,15}")
GPU = re.compile(r"GPU-[0-9a-f-]{8,60}")
GOVERNOR_FILE = "{}/{}/cpufreq/scaling_governor"
KINDS = ("governors", "limits", "clocks")
SUDO = "energyctl-sudo-"
RECORD = re.compile(r"restore-[0-9]{1,10}\.json")
LARGEST_BYTES = 1 << 20
SM = 1  # nvml.h, nvmlClockType_t
END_SECONDS = 15.0  # for launchers to end the trainings of an energyctl that was killed


class Refused(Exception):
    """The text says why."""


def write(path: str, text: str) -> None:
    """Never makes a file: a CPU may have been taken offline. Raises Refused."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "w") as file:
            file.write(text)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


# -- the governor of the CPUs -------------------------------------------------------------------


def governors(cpus: str) -> dict[str, str]:
    found = {}
    for cpu in filter(CPU.fullmatch, os.listdir(cpus)):
        with contextlib.suppress(OSError), open(GOVERNOR_FILE.format(cpus, cpu)) as file:
            found[cpu] = file.read().strip()
    return found


def set_governor(cpus: str, cpu: str, name: str) -> None:
    if not CPU.fullmatch(cpu) or not GOVERNOR.fullmatch(name):
        raise Refused(f"{name!r:.20} is no governor of {cpu!r:.20}")
    if governors(cpus).get(cpu) != name:
        write(GOVERNOR_FILE.format(cpus, cpu), name)


# -- limits and clocks of GPUs ------------------------------------------------------------------


class Gpu:
    """A GPU by its UUID, through the driver's library (nvml.h). Raises Refused."""

    def __init__(self, uuid: str) -> None:
        if not GPU.fullmatch(uuid):
            raise Refused(f"{uuid[:60]!r} is no UUID of a GPU")
        try:
            self._nvml = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError as error:
            raise Refused(f"no NVIDIA driver: {error}") from error
        self._handle = ctypes.c_void_p()
        self._check(self._nvml.nvmlInit_v2())
        self._check(self._nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(self._handle)))

    def _check(self, code: int) -> None:
        if code:
            self._nvml.nvmlErrorString.restype = ctypes.c_char_p
            raise Refused(f"the NVIDIA driver says: {self._nvml.nvmlErrorString(code).decode()}")

    def call(self, name: str, *arguments: Any) -> None:
        self._check(getattr(self._nvml, f"nvmlDevice{name}")(self._handle, *arguments))

    def read(self, name: str, *arguments: int) -> int:
        self.call(name, *arguments, ctypes.byref(number := ctypes.c_uint()))
        return number.value


def set_limit(uuid: str, milliwatts: int) -> None:
    gpu, low, high = Gpu(uuid), ctypes.c_uint(), ctypes.c_uint()
    gpu.call("GetPowerManagementLimitConstraints", ctypes.byref(low), ctypes.byref(high))
    if not low.value <= milliwatts <= high.value:
        raise Refused(f"the GPU takes {low.value / 1000:g} to {high.value / 1000:g} W")
    if gpu.read("GetPowerManagementLimit") != milliwatts:
        gpu.call("SetPowerManagementLimit", milliwatts)


def set_clock(uuid: str, mhz: int) -> None:
    highest = (gpu := Gpu(uuid)).read("GetMaxClockInfo", SM)
    if not 0 < mhz <= highest:
        raise Refused(f"the GPU has clocks up to {highest} MHz")
    gpu.call("SetGpuLockedClocks", mhz, mhz)


def ticks(pid: int) -> int | None:
    """When a process began (clock ticks since boot, proc(5)); None of one that has ended."""
    try:
        with open(f"/proc/{int(pid)}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in b"ZX" else int(fields[19])


def abandoned(folder: int, cpus: str) -> list[tuple[str, dict[str, Any]]]:
    """Records in *folder* about *cpus* whose writer is dead: name and what each one says."""
    found = []
    for name in filter(RECORD.fullmatch, os.listdir(folder)):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with open(os.open(name, flags, dir_fd=folder), "rb") as file:
                data = json.loads(file.read(LARGEST_BYTES))
            shaped = all(isinstance(data[kind], dict) for kind in KINDS)
            if shaped and data["cpus"] == cpus and ticks(data["pid"]) != data["ticks"]:
                found.append((name, data))
    return found


def put_back(cpus: str, before: dict[str, Any]) -> list[str]:
    """What could not be, and why."""
    steps: dict[str, Callable[[], None]] = {}
    for cpu, name in before["governors"].items():
        steps[f"governor of {cpu}"] = partial(set_governor, cpus, cpu, name)
    for uuid, limit in before["limits"].items():
        steps[f"power limit of {uuid}"] = partial(set_limit, uuid, limit)
    for uuid in before["clocks"]:
        steps[f"clock of {uuid}"] = partial(lambda one: Gpu(one).call("ResetGpuLockedClocks"), uuid)
    failed = []
    for what, step in steps.items():
        try:
            step()
        except (Refused, TypeError) as error:
            failed.append(f"{what}: {error}")
    return failed


def remove(folder: str, seconds: float) -> None:
    """Removes the cgroup and all below it once nobody is in it; not recursive: users nest deep."""
    deadline = time.monotonic() + seconds
    while os.path.isdir(folder) and time.monotonic() < deadline:
        found = [folder]
        for above in found:
            with contextlib.suppress(OSError):
                found += [e.path for e in os.scandir(above) if e.is_dir(follow_symlinks=False)]
        for below in reversed(found):
            with contextlib.suppress(OSError):
                os.rmdir(below)
        time.sleep(0.01)


class Helper:
    """Raises OSError where *records* is no folder of ours."""

    def __init__(self, records: str, cpus: str, cgroup: str | None = None) -> None:
        self._cpus, self._cgroup, self._parent = cpus, cgroup, os.getppid()
        self._before: dict[str, Any] = {kind: {} for kind in KINDS}
        if cgroup:  # energyctl is in it already
            write(f"{os.path.dirname(cgroup)}/cgroup.procs", str(os.getpid()))
        self._own = f"restore-{os.getpid()}.json"
        with contextlib.suppress(FileExistsError):
            os.mkdir(records, 0o755)
        self._folder = os.open(records, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        status = os.fstat(self._folder)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(1, "others may change it", records)

    def _change(self, what: str, before: dict[str, Any], *steps: Callable[[], None]) -> None:
        """Writes down what was before it is changed."""
        earlier = self._before
        self._write({**earlier, what: {**before, **earlier[what]}})
        try:
            for step in steps:
                step()
        except Refused:
            if what != "governors":  # of several CPUs some may be changed, a GPU is not
                self._write(earlier)
            raise

    def _write(self, before: dict[str, Any]) -> None:
        self._before = before
        record = {"pid": os.getpid(), "ticks": ticks(os.getpid()), "cpus": self._cpus}
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with open(os.open(f".{self._own}", flags, 0o644, dir_fd=self._folder), "w") as file:
            json.dump({**record, **self._before}, file)
        self._rename(f".{self._own}", self._own)

    def _rename(self, name: str, to: str) -> None:
        os.rename(name, to, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def restore(self, before: dict[str, Any]) -> str | None:
        """Puts everything back; the record of what cannot be stays."""
        if failed := put_back(self._cpus, before):
            return "; ".join(failed)
        self._before = {kind: {} for kind in KINDS}
        with contextlib.suppress(OSError):
            os.unlink(self._own, dir_fd=self._folder)
        return None

    def restore_abandoned(self) -> dict[str, Any]:
        """What killed ones have left changed; of several that try, one takes a record over."""
        done, problems = set[str](), list[str]()
        for name, data in abandoned(self._folder, self._cpus):
            with contextlib.suppress(OSError):
                self._rename(name, self._own)
                if problem := self.restore(data):
                    problems.append(problem)
                    self._rename(self._own, name)
                else:
                    done |= {*data["governors"].values(), *data["limits"], *data["clocks"]}
        return {"error": None, "restored": sorted(done), "problem": "; ".join(problems) or None}

    def do(self, request: Any) -> str | None:
        match request:
            case ["governor", str(name)] if GOVERNOR.fullmatch(name):
                now = governors(self._cpus)
                steps = [partial(set_governor, self._cpus, cpu, name) for cpu in now]
                self._change("governors", now, *steps)
            case ["gpu_power_limit", str(uuid), int(watts) | float(watts)]:
                change = partial(set_limit, uuid, round(watts * 1000))
                self._change("limits", {uuid: Gpu(uuid).read("GetPowerManagementLimit")}, change)
            case ["gpu_clock", str(uuid), int(mhz)]:
                self._change("clocks", {uuid: None}, partial(set_clock, uuid, mhz))
            case ["restore"]:
                return self.restore(self._before)
            case _:
                return "not understood"
        return None

    def answer(self, message: bytes) -> str | None:
        try:
            return self.do(json.loads(message))
        except Exception as error:  # whatever was asked, the next one is answered
            return str(error)

    def close(self) -> None:
        self.restore(self._before)
        if (cgroup := self._cgroup) is None:
            return
        above = os.path.dirname(cgroup)
        with contextlib.suppress(Refused):
            if lives := os.getppid() == self._parent:  # energyctl goes back, and has ended its own
                write(f"{above}/cgroup.procs", str(self._parent))
            remove(cgroup, 1.0 if lives else END_SECONDS)
            write(f"{cgroup}/foreground/cgroup.kill", "1")
        remove(cgroup, 1.0)
        for name in os.listdir(above):
            with contextlib.suppress(OSError), open(f"{above}/{name}/cgroup.events") as file:
                if name.startswith(SUDO) and "populated 0" in file.read():
                    remove(f"{above}/{name}", 1.0)  # of a helper that was killed


def main() -> int:
    os.umask(0o022)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    peer = socket.socket(fileno=0)
    try:
        helper = Helper(*sys.argv[1:])
    except (OSError, Refused) as error:
        peer.send(json.dumps({"error": str(error)}).encode())
        return 1
    peer.send(json.dumps(helper.restore_abandoned()).encode())
    with contextlib.suppress(OSError):
        while message := peer.recv(LARGEST_BYTES):
            peer.send(json.dumps({"error": helper.answer(message)}).encode())
    helper.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
