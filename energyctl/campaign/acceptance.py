"""Accepts one GPU's energy counter: ``energyctl doctor --accept``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from energyctl import __version__
from energyctl.campaign.foreign.watch import Watch
from energyctl.campaign.one_gpu import (
    facts_of,
    gpu_of,
    make_record_folder,
    one_gpu,
    refuse_if_used,
)
from energyctl.energy import Domain
from energyctl.errors import EnergyctlError, MachineError, SettingsError
from energyctl.meters import Source, missing_kinds
from energyctl.meters.acceptance import judgements, record, wall_course
from energyctl.meters.acceptance.judgements import Finding
from energyctl.meters.acceptance.load import GpuLoad
from energyctl.meters.acceptance.steps import TEN_MINUTES, Bench, Schedule, steps
from energyctl.meters.acceptance.wall import LONGEST_LAG_SECONDS, WallPower, judge, wall_power
from energyctl.meters.acceptance.wall_course import NINE_MINUTES, Lengths
from energyctl.meters.gpu_facts import gpu_facts
from energyctl.system import host, processes
from energyctl.system.files import read_regular
from energyctl.system.lock import lock
from energyctl.text import duration

NAME = "doctor --accept"
FRESH_SECONDS = 60.0
LARGEST_CSV_BYTES = 64 * 2**20


def accept(
    gpu: int | None = None,
    say: Callable[[Finding], None] = lambda finding: None,
    schedule: Schedule = TEN_MINUTES,
    wall: Path | None = None,
    lengths: Lengths = NINE_MINUTES,
) -> dict[str, Any]:
    """The record of the GPU of that index, or of the first that is metered; it is kept, too.

    *say* gets each finding when it is there. wall: a CSV into which a wall meter records.
    SettingsError where that is none; MachineError where the machine cannot: no GPU, no
    energy counter, no CUDA, a GPU in use, a campaign that runs.
    """
    processes.require()
    if wall is not None:
        _refuse_if_stale(wall)
    with lock(NAME, Path.cwd()), one_gpu(gpu, "accept") as sources:
        source, domain = _counter(sources)
        facts = facts_of(domain)
        refuse_if_used(source)
        make_record_folder()
        if wall is not None and (missing := missing_kinds(sources, ["cpu"])):
            raise MachineError(f"--wall: {missing[0]}")
        findings: list[Finding] = []
        walled: Finding | None = None
        with GpuLoad(str(facts["uuid"])) as load:
            bench = Bench(source, domain, load, len(gpu_facts() or ()), schedule)
            quiet = _quiet(source, facts, schedule.quiet_seconds)
            for finding in chain([quiet], steps(bench)):
                findings.append(finding)
                say(finding)
            if wall is not None:
                walled = _walled(wall, sources, load, lengths)
                say(walled)
    document = document_of(facts, findings, time.time(), walled)
    document["file"] = str(record.write(document))
    return document


def document_of(
    facts: Mapping[str, Any],
    findings: Sequence[Finding],
    now_unix: float,
    wall: Finding | None = None,
) -> dict[str, Any]:
    """What is kept. The delay is known, and whether the sensor sees all, by the steps that found
    it, whatever became of the others."""
    by_step = {finding.step: finding for finding in findings}
    delay, alias = by_step.get("delay"), by_step.get("alias")
    known = delay is not None and delay.passed
    steps_json = [finding.to_json() for finding in findings]
    return {
        "schema": record.SCHEMA,
        "date_unix": now_unix,
        "energyctl": __version__,
        "host": host.facts()["hostname"],
        "gpu": dict(facts),
        "verdict": "failed" if record.failed(steps_json) else "accepted",
        "delay_seconds": delay.figures["delay_seconds"] if delay and known else None,
        "delay_within_seconds": delay.figures["within_seconds"] if delay and known else None,
        "part_time": None if alias is None else not alias.passed,
        "steps": steps_json,
        "wall": wall.to_json() if wall else None,
    }


def _counter(sources: Sequence[Source]) -> tuple[Source, Domain]:
    """The source of the GPU and its counter, without what an earlier acceptance found."""
    source, domain = gpu_of(sources, "accept")
    if domain.acceptance is None:
        raise MachineError(
            f"{domain.name} cannot be accepted: it has no energy counter, or no UUID to know it by"
        )
    return source, replace(domain, delay_seconds=None, delay_within_seconds=0.0)


def _walled(path: Path, sources: Sequence[Source], load: GpuLoad, lengths: Lengths) -> Finding:
    """What goes wrong here shall not cost what was found before."""
    try:
        course = wall_course.course(sources, load, lengths)
        time.sleep(LONGEST_LAG_SECONDS + 2)
        return judge(_recorded(path), course)
    except EnergyctlError as error:
        return Finding("wall", False, str(error))


def _recorded(path: Path) -> WallPower:
    try:
        text = read_regular(path, LARGEST_CSV_BYTES).decode(errors="replace")
    except OSError as error:
        raise SettingsError(f"--wall: {path}: {error.strerror}") from error
    return wall_power(text.splitlines())


def _refuse_if_stale(path: Path) -> None:
    old = abs(time.time() - _recorded(path).times[-1])
    if old > FRESH_SECONDS:
        raise SettingsError(
            f"--wall: the newest sample of {path} is {duration(old)} off the clock: is the wall "
            "meter recording into it, with Unix time?"
        )


def _quiet(source: Source, facts: Mapping[str, Any], seconds: float) -> Finding:
    interval = Watch([source], processes.new_nonce(), lambda: None).begin(alone=True)
    time.sleep(seconds)
    foreign = interval.end()
    missing = [foreign.missing[key] for key in ("cpu_cores",) if key in foreign.missing]
    reasons = [f"who else runs is not known: {reason}" for reason in missing]
    if facts["power_limit_watts"] is None:
        reasons.append("the power limit is not known")
    return judgements.quiet(foreign.cpu_cores, facts["persistence_mode"], reasons)
