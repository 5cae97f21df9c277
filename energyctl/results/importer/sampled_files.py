"""The sampled files of an old run → time series as results have them beside them. Pure."""

from __future__ import annotations

from math import isfinite

from energyctl.meters.csv_files import HEADERS

GPU = "0"  # the older tool metered one GPU

SOURCES = {name: f"energy/{name}" for name in HEADERS if name.startswith("gpu_")}
"""Our file → the old one. What the CPU drew was not sampled."""


def converted(text: str, name: str) -> str | None:
    """The old file as our file *name*; None where it has no sample of that kind.

    A stamp of a whole second was cut off: the sample is put into the middle of it, as for the
    energies. ``N/A`` is no reading. A row that is torn, or has no time, is left out.
    """
    lines = text.split("\n")
    header = [cell.strip() for cell in lines[0].lstrip("\ufeff").split(",")]
    wanted = HEADERS[name].split(",")
    if "timestamp" not in header or wanted[2] not in header:
        return None
    rows = [line.split(",") for line in lines[1:-1]]
    whole = [(row[header.index("timestamp")], row) for row in rows if len(row) == len(header)]
    timed = [(time, row) for stamp, row in whole if (time := _number(stamp)) is not None]
    middle = 0.5 if all(time == int(time) for time, _ in timed) else 0.0
    made = [
        ",".join((f"{time + middle:.6f}", GPU, *(_cell(row, header, name) for name in wanted[2:])))
        for time, row in timed
    ]
    return "\n".join((HEADERS[name], *made)) + "\n" if made else None


def _cell(row: list[str], header: list[str], name: str) -> str:
    cell = row[header.index(name)].strip() if name in header else ""
    return "" if _number(cell) is None else cell


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if isfinite(number) else None
