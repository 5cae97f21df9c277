"""Trainings on GPUs and CPUs of their own, beside a stand-in driver with three GPUs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import REGISTRY, Bench
from energyctl.campaign.load_figures import LoadFigures
from energyctl.campaign.training import places
from energyctl.config.places import Place
from energyctl.config.plan import BackgroundJob, Run, Training
from energyctl.energy import Domain
from energyctl.errors import SettingsError
from energyctl.meters.base import GpuState
from energyctl.results.background_load import JobLoad
from hardware import nvml

ALLOWED = sorted(os.sched_getaffinity(0))
FIRST = str(ALLOWED[0])
ABSENT = "4095"
UUIDS = [f"GPU-{gpu + 1}0000000-0000-0000-0000-000000000000" for gpu in range(3)]

TRAIN = f"""#!{sys.executable} -S
import json, os, time
with open(os.environ["TRIALS"], "a") as file:
    role = os.environ["ENERGYCTL_RUN"].rpartition("/")[2]
    row = {{"role": role, "visible": os.environ.get("CUDA_VISIBLE_DEVICES")}}
    file.write(json.dumps(row | {{"cpus": sorted(os.sched_getaffinity(0))}}) + "\\n")
time.sleep(0.5)
print("loss: 1.0", "Accuracy: 1", flush=True)
"""


@pytest.fixture
def placed(bench: Bench, tmp_path: Path) -> Bench:
    """A workspace whose trainings note what they see, on a machine with three GPUs."""
    for name in REGISTRY["models"]:
        (bench.root / "repos" / name / "train.sh").write_text(TRAIN)
    (tmp_path / "library").mkdir()
    found = nvml.environment(nvml.build(tmp_path / "library"), GPUS="3")
    bench.env |= {key: found[key] for key in found if key.startswith(("FAKE_", "LD_"))}
    return bench


def job(**fields: Any) -> dict[str, Any]:
    return {"repo": "back", "model": "large", **fields}


def seen(bench: Bench, role: str) -> set[tuple[str | None, tuple[int, ...]]]:
    """What the trainings of a role saw: the GPUs, the CPUs."""
    rows = [row for row in bench.trials if row["role"] == role]
    return {(row["visible"], tuple(row["cpus"])) for row in rows}


# -- real runs ----------------------------------------------------------------------------------


def test_each_training_sees_its_gpus_and_cpus_and_these_gpus_are_metered(placed: Bench) -> None:
    background = job(copies=2, place=[{"gpus": [2], "cpus": FIRST}, {"gpus": []}])
    foreground = {"place": {"gpus": [2, UUIDS[1][:6]], "cpus": FIRST}}
    name = placed.parallel(foreground=foreground, background=background)
    done = placed.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = placed.results()
    assert seen(placed, "foreground") == {(f"{UUIDS[2]},{UUIDS[1]}", (ALLOWED[0],))}
    assert seen(placed, "background") == {(UUIDS[2], (ALLOWED[0],)), ("", tuple(ALLOWED))}
    gpus = [d["name"] for d in result["energy"]["domains"] if d["kind"] == "gpu"]
    assert gpus == ["gpu-1", "gpu-2"]
    place = {"gpus": [2, 1], "uuids": [UUIDS[2], UUIDS[1]], "cpus": FIRST}
    assert result["foreground_result"]["place"] == place
    first, second = result["background_info"]["jobs"]
    assert first["place"] == {"gpus": [2], "uuids": [UUIDS[2]], "cpus": FIRST}
    assert second["place"] == {"gpus": [], "uuids": [], "cpus": None}
    assert result["environment"]["run"]["place"] == foreground["place"]
    assert not [text for text in result["warnings"] if "is not metered" in text]
    experiment = result["experiment_id"]
    entries = placed.root / "results" / f"background_training_{experiment}.conf"
    assert entries.read_text().count(f"--cpus {FIRST}") == 1
    assert f"export CUDA_VISIBLE_DEVICES={UUIDS[2]}" in entries.with_suffix(".sh").read_text()


def test_the_plan_shows_places_and_warns_of_one_that_is_not_metered(placed: Bench) -> None:
    background = job(copies=2, place=[{"gpus": [0]}, {"cpus": FIRST}])
    name = placed.parallel(
        foreground={"place": {"gpus": [1], "cpus": FIRST}}, background=background, gpus=[0]
    )
    done = placed.run("plan", name)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert f"front / small on GPU 1, CPUs {FIRST}" in text
    assert f"back / large x2 on GPU 0; CPUs {FIRST}" in text
    warning = "the foreground front / small sees GPU 1 (place=1), but the metered GPUs are 0: its"
    assert warning in done.stderr
    (run,) = json.loads(placed.run("plan", name, "--json").stdout)["runs"]
    assert run["place"] == {"gpus": [1], "cpus": FIRST}
    assert run["background"][0]["place"] == [{"gpus": [0]}, {"cpus": FIRST}]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"gpus": [7]}, f'"place": there is no GPU 7; this machine has 0 ({UUIDS[0]})'),
        ({"gpus": ["GPU-"]}, '"place": several GPUs begin with GPU-'),
        ({"cpus": f"{FIRST},{ABSENT}"}, f'"place": CPU {ABSENT} of {FIRST},{ABSENT} is not there'),
    ],
)
def test_a_place_that_is_not_there_is_one_line_and_nothing_starts(
    placed: Bench, place: dict[str, Any], says: str
) -> None:
    name = placed.parallel(foreground={"place": place})
    for command in (("run", name), ("run", name, "--dry-run"), ("render", name)):
        done = placed.run(*command)
        assert done.returncode == 2
        assert sum(says in line for line in done.stderr.splitlines()) == 1
        assert "Traceback" not in done.stderr
    assert f"not ready: {says}" in " ".join(placed.run("plan", name).stdout.split())
    assert placed.trials == []
    assert placed.results() == []


def test_without_a_driver_a_placed_gpu_is_refused(bench: Bench) -> None:
    done = bench.look("run", bench.parallel(foreground={"place": {"gpus": [0]}}))
    assert done.returncode == 2
    assert '"place": there is no GPU 0; this machine has none' in done.stderr


def test_the_registry_places_a_role_and_its_trial(placed: Bench) -> None:
    registry = json.loads(json.dumps(REGISTRY))
    registry["models"]["front"]["place"] = {"foreground": {"gpus": [1], "cpus": FIRST}}
    (placed.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    assert placed.run("models", "--test", "front/small").returncode == 0
    assert seen(placed, "foreground") == {(UUIDS[1], (ALLOWED[0],))}
    assert f"foreground on: GPU 1, CPUs {FIRST}" in placed.run("models").stdout


# -- templates of earlier versions ----------------------------------------------------------------


def earlier_template(bench: Bench) -> Path:
    """The workspace gets the template as it was without places."""
    template = bench.root / "templates" / "background.conf.j2"
    block = "{% if job.cpus %}\n  --cpus {{ job.cpus }}\n{% endif %}\n"
    text = template.read_text()
    assert block in text
    template.write_text(text.replace(block, ""))
    return template


def test_a_template_of_an_earlier_version_places_on_gpus(placed: Bench) -> None:
    earlier_template(placed)
    done = placed.run("run", placed.parallel(background=job(place={"gpus": [1]})))
    assert done.returncode == 0, done.stderr
    assert seen(placed, "background") == {(UUIDS[1], tuple(ALLOWED))}


def test_a_template_of_an_earlier_version_is_refused_where_it_would_lose_cpus(
    placed: Bench,
) -> None:
    template = earlier_template(placed)
    done = placed.run("run", placed.parallel(background=job(place={"cpus": FIRST})))
    assert done.returncode == 2
    assert f"{template}: hands on no CPUs, which a job has by its place; write" in done.stderr
    assert placed.trials == []


# -- what is metered ------------------------------------------------------------------------------


def run_of(foreground: Place, *copies: Place) -> Run:
    training = Training("r", "m", {})
    background = (BackgroundJob(training, copies=len(copies), places=copies),) if copies else ()
    return Run(1, 0, 1, "parallel", training, background=background, place=foreground)


NOWHERE = Place()


@pytest.mark.parametrize(
    ("run", "gpus", "shell", "metered"),
    [
        (run_of(NOWHERE, NOWHERE), None, None, None),
        (run_of(NOWHERE), None, "1", None),
        (run_of(Place(cpus="0")), None, None, None),
        (run_of(Place(gpus=(1,)), Place(gpus=(0, 1))), None, None, [1, 0]),
        (run_of(Place(gpus=(1,)), Place(gpus=())), None, "0", [1]),
        (run_of(Place(gpus=())), None, None, []),
        # What is not placed sees what it saw before.
        (run_of(Place(gpus=(1,)), NOWHERE), None, None, None),
        (run_of(Place(gpus=(1,)), NOWHERE), None, "0,-1,2", [1, "0"]),
        (run_of(Place(gpus=(1,)), NOWHERE), [2], "0", [2]),
        (run_of(Place(gpus=(1,))), [], None, []),
    ],
)
def test_the_gpus_of_all_places_together_are_metered(
    run: Run, gpus: Sequence[int] | None, shell: str | None, metered: list[int | str] | None
) -> None:
    environ = {} if shell is None else {"CUDA_VISIBLE_DEVICES": shell}
    assert places.metered([run], gpus, environ) == metered


def test_cpus_that_this_process_may_not_use_are_named() -> None:
    run = run_of(Place(cpus=f"{FIRST},{ABSENT}"), Place(cpus=FIRST))
    with pytest.raises(SettingsError) as caught:
        places.find([run])
    text = f'"place": CPU {ABSENT} of {FIRST},{ABSENT} is not there, or may not be used here'
    assert str(caught.value).startswith(text)


# -- where the load of a placed job is looked for -------------------------------------------------


class Loads:
    """A driver that does not tell who is on a GPU, and a job that keeps 0.05 cores busy."""

    latest = 0.0

    def look(self) -> None:
        pass

    def between(self, start: float, end: float, **_: float) -> dict[str, JobLoad]:
        return {"job": JobLoad(None, None, 0.05, "cpu", {})}

    def seen_on(self, job: str) -> set[int]:
        return set()

    def tells(self, gpu: int) -> bool:
        return False


def figures_of(percents: Sequence[float]) -> LoadFigures:
    """GPUs that are that busy, by whomever."""
    gpus = [
        GpuState(index, "GPU", 0.0, utilization_percent=percent, power_watts=100.0)
        for index, percent in enumerate(percents)
    ]
    sampler = SimpleNamespace(
        latest=lambda: SimpleNamespace(gpus=gpus),
        recording=lambda: SimpleNamespace(phases=[]),
        look=lambda: None,
    )
    domains = {f"gpu-{g.gpu}": Domain(f"gpu-{g.gpu}", "gpu", "nvml") for g in gpus}
    context = SimpleNamespace(parts=domains, shared_idle=None)
    loads: Any = Loads()
    live: Any = SimpleNamespace(sampler=sampler, context=context)
    figures = LoadFigures(live, loads)
    figures.read()
    return figures


@pytest.mark.parametrize(
    ("gpus", "missing", "on"),
    [
        (None, None, {"gpu-0", "gpu-1"}),  # it may be on any
        ({0}, None, {"gpu-0"}),
        ({1}, "no load on gpu-1, 0.05 cores busy", {"gpu-1"}),
        ({0, 1}, None, {"gpu-0", "gpu-1"}),
        ({2}, "0.05 cores busy", set()),  # not metered: by its CPU time
    ],
)
def test_the_load_of_a_placed_job_is_looked_for_on_its_gpus(
    gpus: set[int] | None, missing: str | None, on: set[str]
) -> None:
    figures = figures_of([90.0, 0.0])
    assert figures.missing("job", on_cpus=False, gpus=gpus) == missing
    assert figures.on["job"] == on
