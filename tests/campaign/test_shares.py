"""Energies of trainings that share a GPU, against what each of them is known to have used."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import energyctl
from bench import bench_in
from hardware import shared_gpu
from hardware.compiled import library_folder, program
from sharing import Pair, World, run_pair, training


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
    World(
        "two stages",
        background=training("light", units=100_000, watts=60, then_watts=400, after=450),
    ),
    World("restarted", background=training("light", units=25)),
    World("sleeper", background=training("light", watts=0, busy=0, host=20)),
]


REFUSED = {
    "foreign": "a foreign process was on it, beside the background: pid",
    "lost samples": "who kept it busy is not known for",
    "two stages": "the references explain",
}
"""World → the reason why nothing is divided."""
UNSURE = "two stages"
"""Refused unless the training began once the load was in its second stage: then the band holds."""


AT_ONCE = 5
"""Campaigns beside each other: they mostly wait."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Pair]]:
    """A pair of each world."""

    def run(world: World, folder: Path) -> Pair:
        with bench_in(folder) as bench:
            return run_pair(bench, world)

    for name in ("shared_gpu", "sharing_training"):
        program(name)  # compiled before it is started from several threads
    library_folder()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            world.name: pool.submit(run, world, tmp_path_factory.mktemp("pair")) for world in WORLDS
        }


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_shares_hold_what_each_has_used(pairs: dict[str, Future[Pair]], world: World) -> None:
    pair = pairs[world.name].result()
    judge_total(pair)
    (found,) = energyctl.load(pair.folder).pairs
    domain, truth = found.document()["domains"]["gpu-0"], pair.parts(pair.beside)
    if world.name in REFUSED and (world.name != UNSURE or domain["verdict"] == "refused"):
        assert domain["verdict"] == "refused"
        assert any(REFUSED[world.name] in why for why in domain["reasons"]), domain["reasons"]
        assert domain["foreground_joules"] is None
        assert (domain["estimators"]["activity"], domain["estimators"]["work"]) == (None, None)
        return
    assert (domain["verdict"], domain["reasons"]) == ("agreed", [])
    parts = ("idle", "context", "foreground", "background")
    total = sum(domain[f"{part}_joules"] for part in parts)
    assert total == pytest.approx(domain["total_joules"], rel=1e-9)
    assert domain["context_joules"] == pytest.approx(truth.context, rel=0.1)
    told = {name: domain["estimators"][name] for name in ("activity", "work")}
    told = {name: one for name, one in told.items() if one is not None}
    assert set(told) == TOLD.get(world.name, {"activity", "work"})
    for name, one in {**told, "published": domain}.items():
        for side in ("foreground", "background"):
            off = one[f"{side}_joules"] - truth.kernels.get(side, 0.0)
            assert abs(off) <= one[f"{side}_uncertainty_joules"], (name, side, off)
    halves = [domain[f"{side}_context_joules"] for side in ("foreground", "background")]
    assert sum(halves) == pytest.approx(domain["context_joules"], rel=1e-9)
    share = domain["foreground_joules"] + halves[0]
    assert share == pytest.approx(truth.share("foreground"), rel=NEAR.get(world.name, 0.03))


TOLD = {"mps": {"work"}}
NEAR = {UNSURE: 0.15, "cap": 0.1, "contend": 0.1, "mps": 0.15}


def judge_total(pair: Pair) -> None:
    for result in (pair.alone, pair.beside):
        parts = pair.parts(result)
        assert result["energy"]["gpu_joules"] == pytest.approx(parts.total, rel=0.01)
        shares = sum(parts.share(side) for side in parts.kernels)
        assert parts.idle + shares == pytest.approx(parts.total, rel=1e-6)
