"""The phase in which a process holds the metered GPUs and launches nothing.

It tells what it costs that a program is on a GPU at all: foreground and background both pay it, and
neither adds it to the other.
"""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from energyctl.campaign.machine_checks import metered_gpus
from energyctl.campaign.run_state import RunState
from energyctl.launchers import gpu_contexts
from energyctl.meters import gpu_program
from energyctl.results.phases import phase_words

READY_SECONDS = 60.0
"""To open the driver and to wake the GPUs: one without persistence mode takes seconds."""


def hold_contexts(live: RunState) -> None:
    """The phase, where the run's references ask for it and a GPU is metered; else a warning says
    why there is none."""
    references, gpus = live.run.references, metered_gpus(live.context.meters)
    if references is None or not references.context_held_seconds or not gpus:
        return
    live.sampler.phase("background_start")
    with _holder(gpus) as process:
        live.pause(READY_SECONDS, until=lambda: _has_answered(process))
        if why := _problem(process, len(gpus)):
            live.warnings.append(f'no phase "{phase_words("context_held")}": {why}')
            return
        live.sampler.phase("context_held")
        live.pause(references.context_held_seconds)
        live.sampler.phase("background_start")
        if process.poll() is not None:
            live.warnings.append(
                f'the phase "{phase_words("context_held")}" is cut short: the program that holds '
                "the GPUs has ended"
            )


@contextmanager
def _holder(gpus: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """`energyctl.launchers.gpu_contexts` on these GPUs; it ends with the block."""
    process = gpu_program.start(gpu_contexts.__file__, gpus)
    try:
        yield process
    finally:
        gpu_program.end(process)


def _has_answered(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0)[0])


def _problem(process: subprocess.Popen[bytes], wanted: int) -> str | None:
    """Why the GPUs are not held; None where they are."""
    if not _has_answered(process):
        return f"the driver has not answered for {READY_SECONDS:.0f} s"
    assert process.stdout is not None
    try:
        answer = json.loads(process.stdout.readline())
    except ValueError:
        return "the program that holds them has ended"
    if "failed" in answer:
        return str(answer["failed"])
    held = len(answer["held"])
    return None if held == wanted else f"CUDA shows {held} of the {wanted} metered GPUs"
