"""Was there a background? Judged from the GPU's utilisation. Pure."""

from __future__ import annotations

from energyctl.results.importer.sampled_power import Samples
from energyctl.results.schema import PresenceJson

# A training imports its framework and loads data before its first kernel; what a GPU does in these
# seconds is somebody else's. An assumption: the quickest of trainings need about this long.
START_SECONDS = 3.0


def judge(utilization: Samples, start: float, end: float) -> PresenceJson:
    """What the utilisation says.

    present_at_start: kernels of others ran in every sample (True) or in none (False) of those that
    lie in the first 3 s for sure, coarse as stamps are; None where they disagree, or there are
    none. gpu_percent: means, of everything on the GPU. gpu_idle_share: share of the foreground's
    samples that saw no kernel at all.
    """
    samples = utilization if utilization.missing is None else Samples()
    first = samples.inside(start, start + START_SECONDS - 2 * utilization.stamp_seconds)
    every = samples.inside(start, end)
    missing: dict[str, str] = {}
    if not first:
        why = utilization.missing or "no sample of the foreground's first seconds"
        missing |= dict.fromkeys(("present_at_start", "gpu_percent_at_start"), why)
    elif any(first) and not all(first):
        missing["present_at_start"] = "the GPU was now busy, now idle, in the first seconds"
    if not every:
        why = utilization.missing or "no sample of the foreground's time"
        missing |= dict.fromkeys(("gpu_percent", "gpu_idle_share"), why)
    return {
        "present_at_start": None if "present_at_start" in missing else all(first),
        "gpu_percent_at_start": sum(first) / len(first) if first else None,
        "gpu_percent": sum(every) / len(every) if every else None,
        "gpu_idle_share": sum(not value for value in every) / len(every) if every else None,
        "missing": missing,
    }
