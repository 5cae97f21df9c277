"""One GPU that nobody uses, and a place for what is found of it: where a trial of it begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from energyctl.energy import Domain
from energyctl.errors import MachineError
from energyctl.meters import Source, open_meters
from energyctl.meters.capabilities import gpu_processes
from energyctl.meters.gpu_facts import gpu_facts
from energyctl.system import records


@contextlib.contextmanager
def one_gpu(gpu: int | str | None, purpose: str) -> Iterator[list[Source]]:
    """The meters with that GPU alone, since the power of others is not its own.

    gpu: index or UUID; None: the first that is metered. purpose: what it is for, a verb.
    """
    if gpu is None:
        with _opened(None) as sources:
            gpu = int(facts_of(gpu_of(sources, purpose)[1])["index"])
    with _opened(gpu) as sources:
        yield sources


@contextlib.contextmanager
def _opened(gpu: int | str | None) -> Iterator[list[Source]]:
    sources, _ = open_meters(gpus=None if gpu is None else [gpu])
    try:
        yield sources
    finally:
        for source in sources:
            source.close()


def gpu_of(sources: Sequence[Source], purpose: str) -> tuple[Source, Domain]:
    """The source of the first GPU and its domain. MachineError where there is none."""
    found = [(source, d) for source in sources if source.name == "nvml" for d in source.domains()]
    if not found:
        why = next((s.unavailable for s in sources if s.name == "nvml" and s.unavailable), None)
        raise MachineError(f"there is no GPU to {purpose}: {why or 'no NVIDIA driver'}")
    source, domain = found[0]
    if domain.missing is not None:
        raise MachineError(f"there is no GPU to {purpose}: {domain.missing}")
    return source, domain


def facts_of(domain: Domain) -> dict[str, Any]:
    """Of the GPU with that domain."""
    for facts in gpu_facts() or ():
        if (domain.part or "").endswith(f"/{facts['uuid']}"):
            return facts
    raise MachineError(f"there is no GPU to try: {domain.name} does not answer any more")


def refuse_if_used(source: Source) -> None:
    used, _ = gpu_processes(source)
    if used:
        pids = ", ".join(sorted({str(process.pid) for process in used}))
        raise MachineError(f"the GPU is in use (pid {pids}): end that first")


def make_record_folder() -> None:
    """Minutes before it is needed."""
    folder = records.folder()
    try:
        records.make_folder()
    except OSError as error:
        raise MachineError(
            f"the result cannot be kept in {folder}: {error.strerror}; choose another folder: "
            "ENERGYCTL_ACCEPTANCE=DIR"
        ) from error
