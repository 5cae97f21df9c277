"""Measures how far the division by activity is off for twins: ``energyctl calibrate --twins``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from energyctl import __version__
from energyctl.campaign.one_gpu import (
    facts_of,
    gpu_of,
    make_record_folder,
    one_gpu,
    refuse_if_used,
)
from energyctl.energy.shares.estimators import DIFFERENTIAL
from energyctl.errors import MachineError
from energyctl.meters.twins import record
from energyctl.meters.twins.busy import told_utilization
from energyctl.meters.twins.course import Schedule, Trial, carry_out
from energyctl.meters.twins.estimates import (
    DRIFT,
    UNEVEN_WORK,
    Course,
    Twins,
    twins,
)
from energyctl.system import host, processes
from energyctl.system.lock import lock
from energyctl.system.records import keep_or_warn
from energyctl.text import more_or_less, number, percent

NAME = "calibrate --twins"
LEAST_WATTS = 10.0
FACTS = ("index", "name", "uuid", "driver", "vbios", "power_limit_watts")


def calibrate_twins(
    gpu: int | str | None = None,
    say: Callable[[str], None] = lambda stretch: None,
    schedule: Schedule | None = None,
) -> dict[str, Any]:
    """The record of the GPU of that index or UUID, or of the first that is metered; it is kept.

    *say* gets the name of each stretch when it begins. `file` is None where the record could not
    be kept. SettingsError where there is no such GPU; MachineError where the machine cannot: no
    GPU, no CUDA, a GPU in use, a driver that does not tell how busy each process keeps it, a
    campaign that runs.
    """
    processes.require()
    schedule = schedule or Schedule()
    with lock(NAME, Path.cwd()), one_gpu(gpu, "calibrate") as sources:
        source, domain = gpu_of(sources, "calibrate")
        facts = facts_of(domain)
        refuse_if_used(source)
        make_record_folder()
        told_utilization(source, int(facts["index"]))
        trial = Trial(source, domain, int(facts["index"]), schedule.settle, say)
        course = carry_out(trial, str(facts["uuid"]), schedule)
    _refuse_if_faint(course)
    document = document_of(facts, course, twins(course), time.time())
    document["file"] = keep_or_warn(record.path_of(document["gpu"]), document)
    return document


def _refuse_if_faint(course: Course) -> None:
    """What raises the power by little is lost in what it varies by."""
    loads = (course.first, course.second, course.again, *course.both)
    least = min(one.watts for one in loads) - course.held.watts
    if least < LEAST_WATTS:
        raise MachineError(
            f"the load raises the GPU's power by {number(least, 2)} W only: "
            "too little to be divided"
        )


def document_of(
    facts: Mapping[str, Any], course: Course, found: Twins, now_unix: float
) -> dict[str, Any]:
    """What is kept."""
    alone = {"first": course.first, "second": course.second, "first_again": course.again}
    return {
        "schema": record.SCHEMA,
        "date_unix": now_unix,
        "energyctl": __version__,
        "host": host.facts()["hostname"],
        "gpu": {key: facts.get(key) for key in FACTS},
        "differential": found.differential,
        "bias": found.bias,
        "repeats": len(course.both),
        "seconds": round(course.first.seconds, 1),
        "drift": found.drift,
        "throughput": found.throughput,
        "idle_watts": course.idle.watts,
        "context_watts": found.context_watts,
        "alone": {name: _stretch(one) for name, one in alone.items()},
        "both": [
            {**_stretch(stretch), **asdict(one), "differential": one.differential}
            for stretch, one in zip(course.both, found.repeats, strict=True)
        ],
        "warnings": warnings(found),
    }


def _stretch(one: Any) -> dict[str, Any]:
    return {**asdict(one), "watts": one.watts}


def warnings(found: Twins) -> list[str]:
    """What a reader of the figure should know."""
    work = max(abs(one.work_share - 0.5) for one in found.repeats)
    closure = max((one.closure for one in found.repeats), key=abs)
    lines = []
    if found.differential > DIFFERENTIAL:
        lines.append(
            f"{percent(found.differential)} is more than the {percent(DIFFERENTIAL, 0)} "
            "that are assumed where nothing was measured: bands of shares become wider with it"
        )
    if abs(closure) > max(one.resolution for one in found.repeats) + DRIFT:
        lines.append(
            f"both together drew {more_or_less(1 + closure)} than the twins alone explain: the "
            "loads changed each other, or the driver does not tell truly how busy each was"
        )
    if work > UNEVEN_WORK:
        lines.append(
            f"one twin did {percent(0.5 + work)} of the work: the driver does not divide the "
            "GPU equally"
        )
    if abs(found.drift) > DRIFT:
        lines.append(
            f"the first twin alone drew {more_or_less(1 + found.drift)} at the end than at the "
            "begin: let the GPU warm up or cool down, and calibrate again"
        )
    return lines
