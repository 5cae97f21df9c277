"""``doctor`` on one screen: the verdict, what is measured and how well, what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from energyctl.cli.output.console import LineConsole, make_table
from energyctl.cli.output.status import holder
from energyctl.cli.output.tables import meter_state
from energyctl.meters import Row, Together, together
from energyctl.meters.schedule import ROUND_SECONDS
from energyctl.system.records import day
from energyctl.text import count, one_line, power, short_duration

Examination = Mapping[str, Any]
Line = tuple[str, str]  # a label, or none where it goes on, and what there is to say

LABEL_WIDTH = 12
# A line of a terminal's screen goes on for so many rows at most; --all has the whole of it.
ROWS = 3
NODE = "node"
CPU, GPU = ("package", "all CPUs", "memory"), ("GPU", "module")
WHOLES = ("module", "board")  # that have CPUs and GPUs


def print_screen(examination: Examination, console: LineConsole) -> None:
    """Fits 80 columns and 24 rows, where not too much is missing."""
    rows = [Row(**row) for row in examination["meters"]]
    console.print_line(verdict(rows))
    if any(row.in_total for row in rows):
        console.print(_table(rows, Together(**examination["total"])))
    most = ROWS * console.width if console.is_terminal else None
    for section in SECTIONS:
        for label, words in section(examination):
            line = f"{label:<{LABEL_WIDTH}}{words}"
            console.print_line(line if most is None else one_line(line, most))


def verdict(rows: Sequence[Row]) -> str:
    """``GPU energy: measured, ± 0.038 % at 10 min; CPU energy: estimated, ± 100 %``."""
    counted = [row for row in rows if row.in_total]
    parts = []
    for name, covers in (("GPU", GPU), ("CPU", CPU)):
        found = [row for row in counted if row.covers in covers]
        holders = [row.domain for row in counted if row.covers in WHOLES and row not in found]
        words = f"in that of {_names(holders)}" if holders and not found else _how_well(found)
        parts.append(f"{name} energy: {words}")
    return "; ".join(parts)


def _how_well(rows: Sequence[Row]) -> str:
    if not rows:
        return "none measured"
    band = together(rows).uncertainty_10_min
    if band is None:
        return "not measured"
    measured = all(row.measured for row in rows)
    return f"{'measured' if measured else 'estimated'}, {band_words(band)} at 10 min"


def band_words(share: float | None) -> str:
    """``± 0.038 %``: two digits; nothing where it is not known."""
    if share is None:
        return ""
    percent = 100 * share
    return "< 0.001 %" if percent < 0.001 else f"± {float(f'{percent:.2g}'):g} %"


def _table(rows: Sequence[Row], total: Together) -> Table:
    """What is in the total, domains that are alike in one row; and meters of the whole machine."""
    heads = ("now", "at 1 min", "at 10 min")
    table = make_table("domain", "source", "state", *heads, figures=heads)
    alike: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.in_total:
            figures = [band_words(b) for b in (row.uncertainty_1_min, row.uncertainty_10_min)]
            cells = (row.covers, row.source.replace(" energy", ""), meter_state(row), *figures)
            alike.setdefault(cells, []).append(row)
    for (_, source, state, *figures), hit in alike.items():
        style = "" if state == "measured" else "yellow"
        cells = (_names([r.domain for r in hit]), source, state, _watts(hit), *figures)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    now = "unknown" if total.watts is None else power(total.watts)
    minute, ten = total.uncertainty_1_min, total.uncertainty_10_min
    table.add_row("total", "", "", now, band_words(minute), band_words(ten))
    for row in rows:
        if row.covers == NODE and row.readable and not row.in_total:
            bands = (row.uncertainty_1_min, row.uncertainty_10_min)
            table.add_row(
                str(row.domain), row.source, "not in total", _watts([row]), *map(band_words, bands)
            )
    return table


def _names(names: Iterable[Any]) -> str:
    first, *others = [str(name) for name in names]
    if not others:
        return first
    return f"{first}, {others[0]}" if len(others) == 1 else f"{first} … {others[-1]}"


def _watts(rows: Sequence[Row]) -> str:
    known = [row.watts for row in rows if row.watts is not None]
    return power(sum(known)) if len(known) == len(rows) else ""


# -- below the table: what there is to say, a section each ---------------------------------------


def _missing(examination: Examination) -> list[Line]:
    """What cannot be measured, and how to get it."""
    names: dict[str, list[str]] = {}
    for row in (Row(**row) for row in examination["meters"]):
        if row.cure and row.needed and (row.in_total or not row.readable):
            names.setdefault(row.cure, []).append(row.domain or row.source)
    lines = [f"{', '.join(hit)}: {cure}" for cure, hit in names.items()]
    lines += [
        f"warning: {warning}"
        for warning in examination["warnings"]
        if not any(cure in warning for cure in names)
    ]
    return _section("missing", lines)


def _wall(examination: Examination) -> list[Line]:
    kept = examination["wall_calibration"]
    if kept is None:
        return []
    against = f"calibrated against {kept['meter']} on {day(kept['date_unix'])}"
    return [("wall", f"{against}: reports estimate its energy")]


def _problems(examination: Examination) -> list[Line]:
    """What else stands in the way of a campaign."""
    processes = examination["gpu_processes"] or []
    place, campaign = examination["changeable_installation"], examination["campaign"]
    slow = max((row["round_seconds"] or 0.0 for row in examination["meters"]), default=0.0)
    lines = [
        slow > ROUND_SECONDS
        and f"reading all GPUs takes {short_duration(slow)}: energy at runs' ends is less certain",
        examination["supervisor_problem"],
        *examination["dependencies"],
        place and f"root runs energyctl under sudo, and you may change {place}",
        campaign and f"a campaign holds the machine: {holder(campaign)}",
        examination["lock_problem"],
        processes and f"{count(len(processes), 'program')} on the GPUs now, see --all",
    ]
    return _section("problems", [line for line in lines if line])


def _knobs(examination: Examination) -> list[Line]:
    """What can be set."""
    governor = examination["governor"]
    now = ", ".join(governor["now"] or ["none"])
    problem = governor["problem"]
    lines = [("governor", f"{now}; {problem}" if problem else f"{now}; can be set")]
    lines += _section("GPU limit", _gpu_limits(examination["machine"]["gpus"] or []))
    lines += _section("GPU knobs", _settable(examination["gpu_controls"], examination["root"]))
    why_root = "no; with sudo, CPU counters can be read, and governor, limits and clocks set"
    return [*lines, ("root", "yes" if examination["root"] else why_root)]


def _gpu_limits(gpus: Sequence[Mapping[str, Any]]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for gpu in gpus:
        limit = gpu["power_limit_watts"]
        words = "unknown" if limit is None else f"{limit:g} W"
        if gpu["persistence_mode"] is False:
            words += ", persistence mode off: sudo nvidia-smi -pm 1 keeps its driver loaded"
        if gpu.get("accounting_mode") is False:
            words += (
                ", accounting mode off: how busy each process keeps it is known from samples, and"
                " some may get lost; sudo nvidia-smi -am 1 keeps accounts"
            )
        alike.setdefault(words, []).append(str(gpu["index"]))
    return [f"GPU {', '.join(hit)}: {words}" for words, hit in alike.items()]


def _settable(gpus: Sequence[Mapping[str, Any]], root: bool) -> list[str]:
    alike: dict[str, list[str]] = {}
    for gpu in gpus:
        least, most, clocks = gpu["least_watts"], gpu["most_watts"], gpu["clocks_mhz"]
        can = [] if least is None or most is None else [f"power limit {least:g} to {most:g} W"]
        can += [f"clock {clocks[0]} to {clocks[-1]} MHz"] if clocks else []
        words = ", ".join(can) + ("" if root else "; with sudo") if can else "none to be set"
        alike.setdefault(words, []).append(str(gpu["index"]))
    return [f"GPU {', '.join(hit)}: {words}" for words, hit in alike.items()]


def _section(label: str, lines: Iterable[str]) -> list[Line]:
    return [("" if index else label, line) for index, line in enumerate(lines)]


SECTIONS: Sequence[Callable[[Examination], list[Line]]] = (_missing, _wall, _problems, _knobs)
