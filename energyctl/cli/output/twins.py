"""``calibrate --twins`` in words."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from energyctl.cli.output.lines import show
from energyctl.meters.twins.course import Schedule
from energyctl.text import count, number, percent


def begin(schedule: Schedule) -> str:
    minutes = count(ceil(schedule.expected_seconds / 60), "minute")
    return f"about {minutes}; the GPU and the machine should do nothing else"


def show_record(document: Mapping[str, Any]) -> None:
    gpu = document["gpu"]
    show(
        *(_repeat(one) for one in document["both"]),
        "",
        f"GPU {gpu['index']} ({gpu['name']}), driver {gpu['driver']}:",
        f"an open context takes {number(document['context_watts'], 3)} W; in the same time both "
        f"together do {percent(document['throughput'])} of the work that one alone does",
        "beside each other, their specific powers (watts above the context in busy seconds) change "
        f"differently by up to {percent(document['differential'])}",
        "on average the first twin's share of the energy differs from its share of the work by "
        f"{100 * document['bias']:+.2f} percentage points",
        *(f"warning: {line}" for line in document["warnings"]),
        *([f"written to {document['file']}"] if document["file"] else []),
    )


def _repeat(one: Mapping[str, Any]) -> str:
    return (
        f"the first twin gets {percent(one['share'])} and did {percent(one['work_share'])} of the "
        f"work; {percent(one['closure'])} of the energy is not explained"
    )
