"""``status`` and ``doctor`` in words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from energyctl.meters import Row
from energyctl.reports.tables import meters_table
from energyctl.reports.words import duration, one_line


def status_text(found: Mapping[str, Any]) -> str:
    """A few lines: who holds the machine, what runs, under which load, at which power."""
    lines = [f"workspace   {found['workspace']}"]
    daemon = found["daemon"]
    lines.append("daemon      " + (f"pid {daemon['pid']}" if daemon else "not running"))
    campaign, run = found["campaign"], found["run"]
    if campaign is None:
        lines.append("campaign    none")
    else:
        since = duration(time.time() - campaign.get("since", time.time()))
        lines.append(
            f"campaign    {campaign.get('campaign')} of {campaign.get('user')}, pid "
            f"{campaign.get('pid')}, for {since}, in {campaign.get('workspace')}"
        )
    if run is not None:
        lines.append(f"run         {run['index']} of {run['of']}  {run['experiment_id']}")
        lines.append(f"phase       {run['phase']} for {duration(run['phase_seconds'])}")
        if run["last_line"]:
            lines.append(f"says        {one_line(run['last_line'])}")
    if found["power_watts"]:
        known = {k: v for k, v in found["power_watts"].items() if v is not None}
        watts = "  ".join(f"{name} {value:.1f} W" for name, value in known.items())
        lines.append(f"power       {watts}" + ("  (CPU estimated)" * found["power_estimated"]))
    for job in found["jobs"]:
        count = "" if job["iterations"] is None else f"  iteration {job['iterations']}"
        failed = f"  {job['failures']} failed" if job["failures"] else ""
        lines.append(f"background  {job['job']}  {job['state']}  pid {job['pid']}{count}{failed}")
    return "\n".join(lines)


def print_examination(found: Mapping[str, Any], console: Console) -> None:
    """The tables of ``doctor``."""
    console.print(meters_table([Row(**row) for row in found["meters"]]))
    facts, governor = found["machine"], found["governor"]
    lines = [
        f"cpu         {facts['cpu']}, {facts['logical_cpus']} logical CPUs",
        *(
            f"gpu         {gpu['name']}, driver {gpu['driver']}, limit {gpu['power_limit_watts']} W"
            for gpu in facts["gpus"] or []
        ),
        f"governor    {', '.join(governor['now'] or ['none'])}",
        f"supervisor  {found['supervisor'] or 'not installed: pip install supervisor'}",
        f"energyctl   {facts['energyctl']} on Python {facts['python']}, {facts['os']}",
    ]
    if governor["problem"]:
        lines.insert(-2, f"            {governor['problem']}")
    if found["campaign"]:
        lines.append(f"campaign    {found['campaign'].get('campaign')} is running")
    console.print("\n".join(lines), markup=False, soft_wrap=True)
