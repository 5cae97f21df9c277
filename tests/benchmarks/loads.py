"""What the benchmarks share: their loads, each wave from a random place of its period on."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import replace

from hardware.waveform import Constant, Ramp, Square, Wave, burst
from hardware.world import RANGE_JOULES, Load

PLAIN = argparse.RawDescriptionHelpFormatter
# The packages' counters start over several times a minute, at other times each.
WRAPS = (1700.0, 1100.0)
# So small that they start over about each two seconds: many times in a run, and in most runs within
# their first second.
QUICK_WRAPS = (200.0, 130.0)


def _load(wave: Callable[[float, float], Wave], wraps: tuple[float, float] = WRAPS) -> Load:
    """wave: from low and high watts. Packages and DRAM draw a third and a tenth of a GPU."""
    packages = wave(45, 170), wave(30, 110)
    return Load(packages, wave(9, 33), (wave(80, 300), wave(70, 320)), wraps)


LOADS: dict[str, Callable[[], Load]] = {
    "constant": lambda: _load(lambda low, high: Constant((low + high) / 2)),
    "square": lambda: _load(lambda low, high: Square(low, high, phase=random.random())),
    "burst": lambda: _load(lambda low, high: burst(low, high, phase=random.random())),
    "ramp": lambda: _load(lambda low, high: Ramp(low, high, 120.0, random.random())),
    "wraps": lambda: _load(lambda low, high: Square(low, high, phase=random.random()), QUICK_WRAPS),
}


def wrapping_once(load: Load, seconds: float) -> Load:
    """With the range of real counters, which start over once: so long from now."""
    now = time.time()
    until = [wave.joules(now, now + seconds) for wave in load.packages]
    base = RANGE_JOULES - until[0], RANGE_JOULES - until[1]
    return replace(load, wrap_joules=(RANGE_JOULES, RANGE_JOULES), base_joules=base)
