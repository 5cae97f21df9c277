"""``status`` and ``doctor`` in words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from energyctl.cli.output.tables import meters_table
from energyctl.meters import Row
from energyctl.results.conditions import run_words
from energyctl.results.phases import phase_words
from energyctl.system.records import day
from energyctl.text import count, duration, one_line, percent, powers, present


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """A few lines: who holds the machine, what runs, under which load, at which power."""
    lines = [f"workspace   {status['workspace']}"]
    daemon = status["daemon"]
    lines.append("daemon      " + (f"pid {daemon['pid']}" if daemon else "not running"))
    campaign, run = status["campaign"], status["run"]
    if campaign is None:
        lines.append("campaign    none is running")
        if status["unfinished"]:
            lines.append(f"unfinished  {_unfinished(status['unfinished'])}")
    else:
        lines.append(f"campaign    {holder(campaign)}")
    if status.get("lock_problem"):
        lines.append(f"            {status['lock_problem']}")
    if run is not None:
        number = f"{run['index']} of {run['of']}  " if run["index"] else ""
        lines.append(f"run         {number}{run['experiment_id']}")
        if run["condition"]:
            words = run_words("", run["condition"], run["block"], trial=run["trial"] or "")
            lines.append(f"condition   {words}")
        lines.append(
            f"phase       {phase_words(run['phase'])} for {duration(run['phase_seconds'])}"
        )
        if run["moving"]:
            lines.append(f"load        {run['moving']}")
        if run["last_line"]:
            lines.append(f"says        {one_line(run['last_line'])}")
    watts = powers(status["power_watts"] or {}, cpu_estimated=bool(status["power_estimated"]))
    if watts:
        lines.append(f"power       {watts}")
    lines += [f"background  {_job_line(job)}" for job in status["jobs"]]
    for left in status["leftovers"]:
        pid = "" if left["pid"] is None else f"pid {left['pid']} "
        place = left["workspace"] or "an unknown workspace"
        lines.append(f"left over   {pid}{left['command']} ({left['why']}) in {place}")
    return lines


def holder(campaign: Mapping[str, Any]) -> str:
    """Who holds the machine: what the lock's file says of it."""
    parts = [str(campaign.get("campaign") or "of unknown name")]
    if campaign.get("user"):
        parts[0] += f" of {campaign['user']}"
    if campaign.get("pid"):
        parts.append(f"pid {campaign['pid']}")
    if campaign.get("since"):
        parts.append(f"for {duration(max(0.0, time.time() - campaign['since']))}")
    if campaign.get("workspace"):
        parts.append(f"in {campaign['workspace']}")
    return ", ".join(parts)


def _unfinished(campaign: Mapping[str, Any]) -> str:
    how = "was interrupted" if campaign["interrupted"] else "died"
    done = f"{campaign['finished']} of {count(campaign['runs'], 'run')} finished"
    return f"{campaign['campaign']} {how}, {done}; go on with: {campaign['resume']}"


def _job_line(job: Mapping[str, Any]) -> str:
    """``digits_mlp  RUNNING, pid 4711, iteration 12, 1 failed, covered 99.7 %, …``."""
    parts = [job["state"]]
    if job["pid"]:
        parts.append(f"pid {job['pid']}")
    if job["iterations"] is not None:
        parts.append(f"iteration {job['iterations']}")
    if job["failures"]:
        parts.append(f"{job['failures']} failed")
    parts.append(present(job["coverage"], job["max_gap_seconds"], job["load"]))
    return f"{job['job']}  " + ", ".join(part for part in parts if part)


def print_examination(examination: Mapping[str, Any], console: Console) -> None:
    """The tables of ``doctor``."""
    rows = [Row(**row) for row in examination["meters"]]
    console.print(meters_table(rows))
    cures = [row.cure for row in rows if row.cure]
    for warning in examination["warnings"]:
        if not any(cure in warning for cure in cures):
            console.print(f"warning: {warning}", markup=False)
    console.print()
    for line in _facts(examination):
        console.print(line, markup=False, soft_wrap=True)


def _facts(examination: Mapping[str, Any]) -> list[str]:
    facts, governor = examination["machine"], examination["governor"]
    paranoid = examination["perf_event_paranoid"]
    lines = [
        f"cpu         {facts['cpu']}, {facts['logical_cpus']} logical CPUs",
        *_gpu_lines(examination),
        *self_test_lines(examination["self_test"]),
        f"governor    {', '.join(governor['now'] or ['none'])}",
        *([f"            {governor['problem']}"] if governor["problem"] else []),
        "perf        " + ("none" if paranoid is None else f"perf_event_paranoid {paranoid}"),
        f"supervisord {examination['supervisor'] or 'not installed'}",
        *([f"            {problem}"] if (problem := examination["supervisor_problem"]) else []),
        f"energyctl   {facts['energyctl']} on Python {facts['python']}, {facts['os']}",
    ]
    lines += [f"            {problem}" for problem in examination["dependencies"]]
    if place := examination["changeable_installation"]:
        lines.append(f"            root runs it under sudo, and you may change {place}")
    if examination["campaign"] is not None:
        lines.append(f"campaign    {holder(examination['campaign'])}")
    if examination["lock_problem"]:
        lines.append(f"lock        {examination['lock_problem']}")
    return lines


def _gpu_lines(examination: Mapping[str, Any]) -> list[str]:
    lines = []
    for gpu in examination["machine"]["gpus"] or []:
        limit, mode = gpu["power_limit_watts"], gpu["persistence_mode"]
        persistence = "unknown" if mode is None else "on" if mode else "off"
        lines += [
            f"gpu {gpu['index']:<7} {gpu['name'] or '?'}, {gpu['uuid'] or 'UUID unknown'}",
            f"            driver {gpu['driver'] or '?'}, power limit "
            + ("unknown" if limit is None else f"{limit:g} W")
            + f", persistence mode {persistence}",
        ]
        lines += [
            f"            {acceptance['claim']}"
            for name, acceptance in examination["acceptances"].items()
            if name.rpartition("-")[2] == str(gpu["index"])
        ]
        if twins := gpu.get("twins"):
            lines.append(
                f"            twins on {day(twins['date'])}: specific powers change differently by "
                f"up to {percent(twins['differential'])}"
            )
        if mode is False:
            lines.append("            sudo nvidia-smi -pm 1 keeps its driver, and counter, loaded")
        lines += [
            _process_line(process)
            for process in examination["gpu_processes"] or []
            if process["gpu"] == gpu["index"]
        ]
    if lines and examination["gpu_processes_missing"]:
        lines.append(f"            {examination['gpu_processes_missing']}")
    return lines


def self_test_lines(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each counter that was held against a power; one for all others that count."""
    alone = [c["domain"] for c in checks if c["verdict"] == "agreed" and c["power_watts"] is None]
    lines = [
        f"{check['domain']} {check['verdict']}: {check['words']}"
        for check in checks
        if check["domain"] not in alone
    ]
    if alone:
        lines.append(f"{', '.join(alone)}: no power reading to compare the counter with; it counts")
    return [("self-test   " if i == 0 else " " * 12) + line for i, line in enumerate(lines)]


def _process_line(process: Mapping[str, Any]) -> str:
    memory = process["memory_bytes"]
    held = "memory unknown" if memory is None else f"{memory / 2**20:.0f} MiB"
    command = process["command"] or "of another container, or ended"
    who = process["user"] or "?"
    return f"            pid {process['pid']} of {who}, {held}: {one_line(command, 60)}"
