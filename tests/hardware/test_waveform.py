"""The stand-ins tell the truth: C and Python agree, and the counters show what the wave made."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from hardware.compiled import program
from hardware.powercap import Motion, moved, zone
from hardware.waveform import Constant, Ramp, Square, Wave, burst, parse

WAVES = [
    Constant(200.5),
    Square(80, 300),
    Square(80, 300, period=0.7, duty=0.31, phase=0.43),
    burst(80, 500, phase=0.9),
    Ramp(50, 250, period=12.5, phase=0.25),
]
EPOCH = 1.8e9
SPANS = [(EPOCH + 0.1 * i, EPOCH + 0.1 * i + 0.037 * j) for i in range(40) for j in (1, 30, 2000)]


@pytest.mark.parametrize("wave", WAVES)
def test_c_and_python_agree_about_watts_and_joules(wave: Wave) -> None:
    spans = "".join(f"{start!r} {end!r}\n" for start, end in SPANS)
    done = subprocess.run(
        [program("wave_table"), wave.spec], input=spans, capture_output=True, text=True, check=True
    )
    told = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    known = [(wave.watts(start), wave.joules(start, end)) for start, end in SPANS]
    assert len(told) == len(SPANS)
    assert told == [pytest.approx(pair, abs=1e-6) for pair in known]


@pytest.mark.parametrize("wave", WAVES)
def test_joules_are_the_integral_of_the_watts(wave: Wave) -> None:
    step, start = 1e-4, EPOCH + 3.21
    integral = sum(wave.watts(start + (i + 0.5) * step) for i in range(30_000)) * step
    assert wave.joules(start, start + 3) == pytest.approx(integral, rel=1e-4)


@pytest.mark.parametrize("wave", WAVES)
def test_a_wave_travels_as_text(wave: Wave) -> None:
    assert parse(wave.spec) == wave


def test_a_text_that_is_no_wave_is_refused() -> None:
    with pytest.raises(ValueError, match="no such wave: sine 3"):
        parse("sine 3")


def test_a_moving_counter_shows_the_waves_energy_of_the_last_tick(tmp_path: Path) -> None:
    wave = Square(1000, 3000, period=0.1)
    path = zone(tmp_path, "intel-rapl:0", "package-0")
    wrap = 500_000_000  # each quarter of a second
    descriptor = os.open(path / "energy_uj", os.O_RDONLY)
    late, unexplained, reads = 0, 0, 0
    with moved({path: Motion(wave, wrap, base=7_000_000)}) as mover:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            before = time.time()
            shown = int(os.pread(descriptor, 32, 0))
            after = time.time()
            lowest = 7 + wave.joules(mover.epoch, before - 0.002)
            highest = 7 + wave.joules(mover.epoch, after)
            reads += 1
            unexplained += not any(
                lowest * 1e6 - 62 <= shown + wraps * wrap <= highest * 1e6
                for wraps in range(int(lowest * 1e6 // wrap), int(highest * 1e6 // wrap) + 1)
            )
        late = sum(1 for _ in mover.report.read_text().splitlines())
    os.close(descriptor)
    assert reads > 100
    # A tick that came late, which the mover owns up to, shows an older value for a while.
    assert unexplained == 0 or late > 0
    assert unexplained < reads / 2
