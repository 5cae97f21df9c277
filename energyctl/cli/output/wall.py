"""``calibrate --against`` in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from energyctl.cli.output.lines import show
from energyctl.results.phases import phase_words
from energyctl.text import count, first_of, percent, power, with_uncertainty

MOST_NAMES = 8
OF_SLOPE = {
    "slope": "(CPUs, memory and GPUs)", "cpu_slope": "CPUs and memory", "gpu_slope": "GPUs",
}  # fmt: skip


def show_calibrations(document: Mapping[str, Any]) -> None:
    for one in document["machines"]:
        show(*_machine(one, document["against"]))


def _machine(one: Mapping[str, Any], meter: str) -> Iterator[str]:
    machine = one["machine"]
    yield (
        f"{machine['hostname']} ({first_of(machine['domains'], MOST_NAMES)}) against {meter}: "
        f"{count(one['phases'], 'phase')} of {count(one['runs'], 'run')}"
    )
    for why, number in one["left_out"].items():
        yield f"  left out: {number} × {why}"
    if "refused" in one:
        for reason in one["refused"]:
            yield f"  not calibrated: {reason}"
        yield f"  {one['cure']}"
        return
    yield from map(_level, one["levels"])
    yield f"wall = {_line(one['parameters'])}"
    yield (
        f"a power that is left out is told {power(one['left_out_rms_watts'])} wrong (rms), at "
        f"worst {percent(one['left_out_worst_share'])}"
    )
    yield from (f"warning: {line}" for line in one["warnings"])
    if one["file"]:
        yield f"written to {one['file']}"


def _level(level: Mapping[str, Any]) -> str:
    told = with_uncertainty(level["estimated_watts"], level["estimated_uncertainty_watts"])
    names = ", ".join(dict.fromkeys(phase_words(name) for name in level["of"]))
    return (
        f"  domains {power(level['cpu_watts'] + level['gpu_watts'])}: wall "
        f"{power(level['wall_watts'])}, estimated {' ± '.join(told)} W, by the others "
        f"{power(level['wall_watts'] - level['left_out_watts'])} "
        f"({count(level['phases'], 'phase')}: {names})"
    )


def _line(parameters: Mapping[str, Mapping[str, float]]) -> str:
    parts = []
    for name, one in parameters.items():
        figure = " ± ".join(with_uncertainty(one["value"], one["uncertainty"]))
        parts.append(
            f"{figure} W" if name == "constant_watts" else f"({figure}) × {OF_SLOPE[name]}"
        )
    return " + ".join(parts)
