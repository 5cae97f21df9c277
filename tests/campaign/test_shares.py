"""Energies of trainings that share a GPU, against what each of them is known to have used."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench import Bench
from hardware import shared_gpu
from sharing import World, run_pair, training

pytestmark = pytest.mark.xdist_group("shares")


@contextmanager
def stranger(gpu: shared_gpu.SharedGpu) -> Iterator[None]:
    """A training that is of nobody's campaign."""
    command = shared_gpu.training("stranger", watts=200, busy=5, host=15, forever=1)
    env = {**os.environ, **gpu.environment}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


WORLDS = [
    World("timeslice"),
    World("twins", background=training("heavy", units=48)),
    World("cap", world="cap"),
    World(
        "contend",
        world="contend",
        parameters={"factors": "heavy 1.1 0.9 light 0.92 0.95"},
    ),
    World("mps", world="mps"),
    World("foreign", beside=stranger),
    World("lost samples", parameters={"loss": 0.1, "accounting": 0}),
    World("two stages", background=training("light", units=900, then_watts=300, after=500)),
    World("restarted", background=training("light", units=25)),
    World("sleeper", background=training("light", watts=0, busy=0, host=20)),
]


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_the_energy_of_the_gpu_is_what_was_used(bench: Bench, world: World) -> None:
    pair = run_pair(bench, world)
    for result in (pair.alone, pair.beside):
        parts = pair.parts(result)
        assert result["energy"]["gpu_joules"] == pytest.approx(parts.total, rel=0.01)
        shares = sum(parts.share(side) for side in parts.kernels)
        assert parts.idle + shares == pytest.approx(parts.total, rel=1e-6)
