"""Divides the energy of two loads of known work on a real GPU, and says how far that was off.

    python tests/benchmarks/shares_on_gpu.py [--gpu 0] [--scale 1] [--limit WATTS] [--no-mps]

Nine minutes on a GPU that does nothing else, with energyctl and the driver alone. Lines go to
standard error, one JSON to standard output. What is known: identical kernels use the same energy
for each pass, so they get the shares of the passes that they did; a context that does nothing keeps
the GPU busy for no time. Of two different kernels there is no truth; what their references do not
explain (the closure) bounds it from below.

Shares are of the energy above that of a held context (`share`, by activity), or above idle
(`share_by_work`, Shapley's value by the work done, so with a half of what the context costs).

--limit sets another power limit for a part (root), and puts the one before back. MPS is tried with
a daemon of our own, in a folder of its own, which is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pynvml

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.share_figures import figures, verdicts, words
from energyctl.campaign.one_gpu import facts_of, gpu_of, one_gpu, refuse_if_used
from energyctl.errors import EnergyctlError
from energyctl.meters.acceptance.load import GpuLoad
from energyctl.meters.twins.busy import told_utilization
from energyctl.meters.twins.course import (
    KERNEL_SECONDS,
    START_SECONDS,
    TAIL_SECONDS,
    Task,
    Trial,
    passes_of,
)
from energyctl.system.lock import lock

SETTLE_SECONDS = 3.0
LEAST_SECONDS, LEAST_SETTLE_SECONDS = 1.3, 0.5
DUTY, DUTY_PERIOD = 0.25, 0.1
COMPUTE, MEMORY = "multiply", "copy"
SECONDS = {
    "idle": 20, "one context": 20, "two contexts": 10, "compute": 40, "memory": 40, "both": 80,
    "memory again": 20, "twins": 60, "duty": 60, "sleeper": 30,
}  # fmt: skip
LIMITED = {"limited compute": 15, "limited memory": 15, "limited both": 40}
MPS = {"mps both": 40}


@dataclass
class Parts:
    """What is done, and why some of it was not. passes: of a kernel, that take 20 ms alone."""

    trial: Trial
    uuid: str
    scale: float
    passes: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def seconds(self, name: str) -> float:
        return max(LEAST_SECONDS, self.scale * {**SECONDS, **LIMITED, **MPS}[name])

    def rest(self, name: str) -> None:
        self.trial.at_rest(name, self.seconds(name))

    def work(self, name: str, *tasks: Task, beside: GpuLoad | None = None) -> None:
        pids = [] if beside is None else [beside.pid]
        try:
            self.trial.at_work(name, self.seconds(name), *tasks, beside=pids)
        except EnergyctlError as error:
            self.missing[name] = str(error)

    def task(self, load: GpuLoad, kernel: str, duty: float | None = None) -> Task:
        passes = self.passes[kernel]
        if duty is None:
            return Task(load, passes, kernel=kernel)
        part = round(passes * duty * DUTY_PERIOD / KERNEL_SECONDS)
        return Task(load, max(1, part), DUTY_PERIOD, kernel)


def course(parts: Parts, limit: float | None, mps: bool) -> None:
    uuid = parts.uuid
    parts.rest("idle")
    with GpuLoad(uuid) as one:
        parts.passes = {kernel: passes_of(one, kernel=kernel) for kernel in (COMPUTE, MEMORY)}
        parts.rest("one context")
        with GpuLoad(uuid):
            parts.rest("two contexts")
    alone(parts, "compute", COMPUTE)
    alone(parts, "memory", MEMORY)
    both(parts, "both")
    alone(parts, "memory again", MEMORY)
    with GpuLoad(uuid) as one, GpuLoad(uuid) as other:
        parts.work("twins", parts.task(one, COMPUTE), parts.task(other, COMPUTE))
        parts.work("duty", parts.task(one, COMPUTE, DUTY), parts.task(other, COMPUTE))
        parts.work("sleeper", parts.task(one, COMPUTE), beside=other)
    attempt(parts, LIMITED, lambda: limited(parts, limit))
    attempt(parts, MPS, lambda: by_mps(parts, mps))


def limited(parts: Parts, limit: float | None) -> None:
    if limit is None:
        raise NotDone("not asked for (--limit)")
    with power_limit(parts.trial.gpu, limit):
        alone(parts, "limited compute", COMPUTE)
        alone(parts, "limited memory", MEMORY)
        both(parts, "limited both")


def by_mps(parts: Parts, wanted: bool) -> None:
    if not wanted:
        raise NotDone("not asked for")
    with mps_daemon():
        both(parts, "mps both")


def alone(parts: Parts, name: str, kernel: str) -> None:
    with GpuLoad(parts.uuid) as load:
        parts.work(name, parts.task(load, kernel))


def both(parts: Parts, name: str) -> None:
    with GpuLoad(parts.uuid) as one, GpuLoad(parts.uuid) as other:
        parts.work(name, parts.task(one, COMPUTE), parts.task(other, MEMORY))


class NotDone(Exception):
    """Why a part is left out."""


def attempt(parts: Parts, names: dict[str, int], do: Callable[[], None]) -> None:
    """Parts that may fail, and cost no other."""
    try:
        do()
    except (NotDone, EnergyctlError, OSError, pynvml.NVMLError) as error:
        parts.missing.update({name: str(error) for name in names})


@contextlib.contextmanager
def power_limit(gpu: int, watts: float) -> Iterator[None]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(gpu)
    before = pynvml.nvmlDeviceGetPowerManagementLimit(handle)
    try:
        pynvml.nvmlDeviceSetPowerManagementLimit(handle, round(1000 * watts))
    except pynvml.NVMLError as error:
        raise NotDone(f"not permitted: {error}") from error
    try:
        yield
    finally:
        pynvml.nvmlDeviceSetPowerManagementLimit(handle, before)


@contextlib.contextmanager
def mps_daemon() -> Iterator[None]:
    """A daemon of our own, for processes that are started in the block."""
    program = shutil.which("nvidia-cuda-mps-control")
    if program is None:
        raise NotDone("there is no nvidia-cuda-mps-control")
    with tempfile.TemporaryDirectory(prefix="mps-") as folder:
        own = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        started = subprocess.run(
            [program, "-d"], env={**os.environ, **own}, capture_output=True, text=True, check=False
        )
        if started.returncode:
            raise NotDone(f"its daemon does not start: {started.stderr.strip()}")
        os.environ.update(own)
        try:
            yield
        finally:
            for name in own:
                del os.environ[name]
            quit_mps(program, own)


def quit_mps(program: str, own: dict[str, str]) -> None:
    subprocess.run(
        [program], env={**os.environ, **own}, input="quit\n", capture_output=True, text=True,
        check=False, timeout=30,
    )  # fmt: skip


# -- what the driver offers ------------------------------------------------------------------------


def driver_offers(gpu: int) -> dict[str, Any]:
    """Names of calls and what they answer: a value, or the error."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(gpu)

    def asked(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (pynvml.NVMLError, AttributeError) as error:
            return f"no: {error}"

    return {
        "accounting_mode": asked(lambda: pynvml.nvmlDeviceGetAccountingMode(handle)),
        "gpm": asked(lambda: pynvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice),
        "mig": asked(lambda: pynvml.nvmlDeviceGetMigMode(handle)),
        "compute_mode": asked(lambda: pynvml.nvmlDeviceGetComputeMode(handle)),
    }


def account_of(gpu: int, pid: int) -> Any:
    handle = pynvml.nvmlDeviceGetHandleByIndex(gpu)
    try:
        account = pynvml.nvmlDeviceGetAccountingStats_v2(handle, pid)
    except (pynvml.NVMLError, AttributeError) as error:
        return f"no: {error}"
    return {"samples": account.sampleCount, "percents": account.sumGpuUtil}


# -- the command -----------------------------------------------------------------------------------


def expected_seconds(scale: float, names: dict[str, int]) -> float:
    parts = [max(LEAST_SECONDS, scale * seconds) for seconds in names.values()]
    return sum(parts) + len(names) * (SETTLE_SECONDS + TAIL_SECONDS) + 15 * START_SECONDS


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpu", type=int)
    parser.add_argument("--scale", type=float, default=1.0, help="of all lengths")
    parser.add_argument("--limit", type=float, help="watts; needs root")
    parser.add_argument("--no-mps", action="store_true")
    asked = parser.parse_args()
    names = {**SECONDS, **(LIMITED if asked.limit else {}), **({} if asked.no_mps else MPS)}
    say(f"about {expected_seconds(asked.scale, names):.0f} s")
    try:
        document = measured(asked)
    except EnergyctlError as error:
        say(str(error))
        return error.exit_code
    print(json.dumps(document))
    for name, passed in document["verdicts"].items():
        say(f"{name}: {'not told' if passed is None else 'passed' if passed else 'FAILED'}")
    return 0 if all(document["verdicts"].values()) else 1


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    with lock("shares_on_gpu", Path.cwd()), one_gpu(asked.gpu, "try") as sources:
        source, domain = gpu_of(sources, "try")
        facts = facts_of(domain)
        refuse_if_used(source)
        gpu = int(facts["index"])
        told_utilization(source, gpu)
        pynvml.nvmlInit()
        offers = driver_offers(gpu)
        settle = max(LEAST_SETTLE_SECONDS, min(1.0, 3 * asked.scale) * SETTLE_SECONDS)
        trial = Trial(source, domain, gpu, settle, say)
        parts = Parts(trial, str(facts["uuid"]), asked.scale)
        with GpuLoad(parts.uuid) as load:
            offers["accounting_v2"] = account_of(gpu, load.pid)
        with trial.metered():
            course(parts, asked.limit, not asked.no_mps)
    found = figures(trial.stretches, parts.missing)
    for name, values in found.items():
        say(f"{name}: {words(values)}")
    for name, why in parts.missing.items():
        say(f"{name}: {why}")
    return {
        "gpu": facts,
        "driver": offers,
        "scale": asked.scale,
        "seconds": time.monotonic() - began,
        "passes": parts.passes,
        "stretches": {
            name: {**asdict(one), "watts": one.watts} for name, one in trial.stretches.items()
        },
        "figures": found,
        "missing": parts.missing,
        "verdicts": verdicts(found),
    }


if __name__ == "__main__":
    sys.exit(main())
