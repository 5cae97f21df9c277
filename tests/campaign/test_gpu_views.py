"""GPUs as the live view has them."""

from __future__ import annotations

from energyctl.campaign.gpu_views import GpuViews
from energyctl.campaign.observer import GpuView
from energyctl.meters.base import GpuState


def test_clocks_that_only_some_looks_tell_are_remembered() -> None:
    views = GpuViews()
    told = GpuState(0, "a", 1.0, 70.0, None, 98.0, 40.0, sm_mhz=1290.0, limits=("heat",))
    other = GpuState(3, "b", 1.0)
    first, silent = views.of([told, other])
    assert first == GpuView("gpu-0", 98.0, 70.0, 40.0, 1290.0, ("heat",))
    assert silent == GpuView("gpu-3")
    later = GpuState(0, "a", 1.5, 71.0, None, 50.0, 40.0)
    assert views.of([later]) == [GpuView("gpu-0", 50.0, 71.0, 40.0, 1290.0, ("heat",))]
    free = GpuState(0, "a", 3.0, sm_mhz=1980.0, limits=())
    (view,) = views.of([free])
    assert (view.sm_mhz, view.limits) == (1980.0, ())
