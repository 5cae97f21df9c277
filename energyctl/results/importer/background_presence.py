"""Was there a background? Judged from the GPU's utilisation. Pure."""

from __future__ import annotations

from energyctl.results.importer.sampled_power import Samples
from energyctl.results.schema import PresenceJson

# A training imports its framework and loads data before its first kernel; what a GPU does in these
# seconds is somebody else's. An assumption: the quickest of trainings need about this long.
START_SECONDS = 3.0

FIGURES = ("present_at_start", "gpu_percent_at_start", "gpu_percent", "gpu_idle_share")


def judge(utilization: Samples, start: float, end: float) -> PresenceJson:
    """What the utilisation says.

    present_at_start: kernels of others ran in every sample (True) or in none (False) of those that
    lie in the first 3 s for sure, coarse as stamps are; None where they disagree, or there are
    none. gpu_percent: means, of everything on the GPU. gpu_idle_share: share of the foreground's
    samples that saw no kernel at all.
    """
    found: PresenceJson = {
        "present_at_start": None,
        "gpu_percent_at_start": None,
        "gpu_percent": None,
        "gpu_idle_share": None,
        "missing": {},
    }
    if utilization.missing is not None:
        found["missing"] = dict.fromkeys(FIGURES, utilization.missing)
        return found
    first = utilization.inside(start, start + START_SECONDS - 2 * utilization.stamp_seconds)
    whole = utilization.inside(start, end)
    missing = found["missing"]
    if first:
        found["gpu_percent_at_start"] = sum(first) / len(first)
        if all(first) or not any(first):
            found["present_at_start"] = all(first)
        else:
            missing["present_at_start"] = "the GPU was now busy, now idle, in the first seconds"
    else:
        why = "no sample of the foreground's first seconds"
        missing.update(dict.fromkeys(("present_at_start", "gpu_percent_at_start"), why))
    if whole:
        found["gpu_percent"] = sum(whole) / len(whole)
        found["gpu_idle_share"] = sum(not value for value in whole) / len(whole)
    else:
        why = "no sample of the foreground's time"
        missing.update(dict.fromkeys(("gpu_percent", "gpu_idle_share"), why))
    return found
