"""What a calibration of its machine says of the energy of a run at the wall.

Computed when results are read, and stored in none of them.
"""

from __future__ import annotations

from energyctl.results.tables import Part, total
from energyctl.results.tables.runs import NO_ESTIMATE, WallEstimate
from energyctl.results.wall.phases import counted, machine_of, own_joules, watts_by_part
from energyctl.results.wall.record import WallCalibration, of_host


def wall_estimate(result: Part) -> WallEstimate:
    """By the newest calibration of its machine that this user keeps."""
    machine = machine_of(result)
    kept = of_host(machine.hostname) if machine is not None else []
    if machine is None or not kept:
        return NO_ESTIMATE
    fitting = next((one for one in kept if one.machine == machine), None)
    if fitting is not None:
        return estimate(result, fitting)
    differ = "domains" if kept[0].machine.domains != machine.domains else "GPUs"
    return WallEstimate(note=f"the calibration of {kept[0].date} was of other {differ}")


def estimate(result: Part, calibration: WallCalibration) -> WallEstimate:
    """By a calibration of that machine."""
    energy, domains, model = result.part("energy"), counted(result), calibration.model
    seconds = energy.number("seconds")
    joules = {one.text("name") or "": one.number("joules") for one in domains}
    parts = watts_by_part(domains, joules, seconds) if seconds else None
    # What its domains may be off by in this run, as it shows at the wall.
    own = total(
        _times(
            model.slope_of(one.text("kind") or ""),
            own_joules(one, one.number("joules"), one.number("uncertainty_joules")),
        )
        for one in domains
    )
    if not seconds or parts is None or own is None:
        return WallEstimate(note="the total is not known")
    if not all(one.flag("measured") for one in domains):
        return WallEstimate(note="a part of the total is an estimate")
    by = f"calibration of {calibration.date} against {calibration.meter}"
    if why := model.outside(*parts):
        return WallEstimate(note=f"not covered by a {by}: {why}")
    return WallEstimate(
        seconds * model.watts(*parts),
        seconds * model.uncertainty_watts(*parts) + own,
        f"estimated by a {by}",
    )


def _times(factor: float, joules: float | None) -> float | None:
    return None if joules is None else factor * joules
