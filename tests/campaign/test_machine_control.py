"""Power limits, clocks and governors: set for each run, read back, put back whatever crashes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import DEADLINE_SECONDS, Bench, wait_for
from energyctl.meters.base import CLOCKS_SECONDS
from hardware.compiled import library_folder
from hardware.nvml import environment

GPU_0 = "GPU-10000000-0000-0000-0000-000000000000"
TRAINING = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 0.5}}
BEFORE = {"limit_0": "350000", "limit_1": "350000", "clock_0": "0", "clock_1": "0"}

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root sets limits of GPUs")


class Machine:
    """A workspace on a machine with two GPUs and two CPUs, of which *controls* and *governors*
    tell what is set."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.library, self._cpus = bench, folder / "library", folder / "cpus"
        self.library.mkdir()
        for file in library_folder().iterdir():
            (self.library / file.name).symlink_to(file)
        for name in ("cpu0", "cpu1"):
            frequency = self._cpus / name / "cpufreq"
            frequency.mkdir(parents=True)
            (frequency / "scaling_available_governors").write_text("performance powersave\n")
            (frequency / "scaling_governor").write_text("powersave\n")
        bench.env |= environment(self.library, GPUS="2")
        bench.env["ENERGYCTL_CPUFREQ"] = str(self._cpus)

    @property
    def controls(self) -> dict[str, str]:
        """What was set on the GPUs: milliwatts, MHz; 0: no lock."""
        return {path.name: path.read_text() for path in self.library.glob("*_[01]")}

    def set_limit(self, gpu: int, milliwatts: int) -> None:
        """As somebody else does."""
        (self.library / f"limit_{gpu}").write_text(str(milliwatts))

    @property
    def governors(self) -> set[str]:
        return {file.read_text().strip() for file in self._cpus.rglob("scaling_governor")}

    def restored(self) -> bool:
        now = {name: value for name, value in self.controls.items() if value}
        return now.items() <= BEFORE.items() and self.governors == {"powersave"}

    def grid(self, grid: dict[str, list[Any]], **fields: Any) -> str:
        experiment = {**TRAINING, "mode": "grid", "grid": grid, **fields.pop("experiment", {})}
        return self.bench.settings(experiments=[experiment], **fields)


@pytest.fixture
def machine(bench: Bench, tmp_path: Path) -> Machine:
    return Machine(bench, tmp_path)


def test_each_run_has_its_level_and_the_result_says_what_acted(machine: Machine) -> None:
    limits = [200, 300]
    # Longer than it can be between two looks at a clock.
    training = {"hyperparameters": {"seconds": CLOCKS_SECONDS + 1.5}}
    name = machine.grid(
        {"gpu_power_limit_watts": limits},
        governor="performance",
        gpu_clock_mhz=1200,
        experiment=training,
    )
    done = machine.bench.run("run", name)
    assert done.returncode == 0, done.stderr
    assert machine.restored()
    results = machine.bench.results()
    assert sorted(r["machine_settings"]["gpu_power_limit_watts"]["requested"] for r in results) == (
        limits
    )
    for result in results:
        settings, facts = result["machine_settings"], result["environment"]
        limit = settings["gpu_power_limit_watts"]
        watts = limit["requested"]
        gpus = [(gpu["index"], gpu["before"], gpu["enforced"]) for gpu in limit["gpus"]]
        assert gpus == [(0, 350.0, watts), (1, 350.0, watts)]
        assert [gpu["power_limit_watts"] for gpu in facts["gpus"]] == [watts, watts]
        assert settings["governor"] == {"requested": "performance", "enforced": ["performance"]}
        assert facts["governors"] == ["performance"]
        assert facts["governor_asked"] == "performance"
        assert settings["gpu_clock_mhz"]["requested"] == 1200
        assert not [line for line in result["warnings"] if "power limit of" in line]
    assert f"set: governor performance, gpu_power_limit_watts {limits[0]}" in done.stdout


def test_the_clock_of_the_training_is_told_and_one_that_is_not_locked_warned_of(
    machine: Machine,
) -> None:
    training = {**TRAINING, "hyperparameters": {"seconds": 7.0}}  # clocks are looked at each 3 s
    experiments = [{**training, "mode": "default", "gpu_clock_mhz": mhz} for mhz in (1200, 1500)]
    name = machine.bench.settings(experiments=experiments, gpus=[0])
    popen = machine.bench.start("run", name)
    wait_for(lambda: machine.bench.trials, "the first training")
    (machine.library / "ignore_clock_0").touch()
    _, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, err
    locked, ignored = machine.bench.results()
    (gpu,) = locked["machine_settings"]["gpu_clock_mhz"]["gpus"]
    assert gpu == {"index": 0, "uuid": GPU_0, "enforced": 1200.0}
    (gpu,) = ignored["machine_settings"]["gpu_clock_mhz"]["gpus"]
    assert gpu["enforced"] < 1500  # it stayed as it was
    machine.library.joinpath("ignore_clock_0").unlink()


def test_a_run_that_asks_for_nothing_has_the_machine_as_it_was(machine: Machine) -> None:
    plain = {**TRAINING, "mode": "default"}
    limited = {**plain, "gpu_power_limit_watts": 250}
    done = machine.bench.run("run", machine.bench.settings(experiments=[limited, plain]))
    assert done.returncode == 0, done.stderr
    with_limit, without = machine.bench.results()
    assert [gpu["power_limit_watts"] for gpu in with_limit["environment"]["gpus"]] == [250.0, 250.0]
    assert "machine_settings" not in without
    assert [gpu["power_limit_watts"] for gpu in without["environment"]["gpus"]] == [350.0, 350.0]
    assert machine.restored()


def test_a_gpu_that_is_not_metered_is_left_alone(machine: Machine) -> None:
    name = machine.grid({"gpu_power_limit_watts": [200]}, gpus=[1])
    assert machine.bench.run("run", name).returncode == 0
    assert set(machine.controls) == {"limit_1"}
    assert machine.restored()


def test_a_limit_that_does_not_act_is_told(machine: Machine) -> None:
    machine.bench.env["FAKE_ENFORCED"] = "220"
    done = machine.bench.run("run", machine.grid({"gpu_power_limit_watts": [300]}, gpus=[0]))
    assert done.returncode == 0, done.stderr
    (result,) = machine.bench.results()
    (gpu,) = result["machine_settings"]["gpu_power_limit_watts"]["gpus"]
    assert gpu == {"index": 0, "uuid": GPU_0, "before": 350.0, "enforced": 220.0}
    said = "the power limit of gpu-0 acts at 220 W, not at 300 W"
    assert [line for line in result["warnings"] if said in line]
    assert said in done.stdout


def test_what_somebody_else_changes_during_a_run_is_told(machine: Machine) -> None:
    name = machine.grid(
        {"gpu_power_limit_watts": [300]},
        gpus=[0],
        experiment={"hyperparameters": {"seconds": 60.0}},
    )
    popen = machine.bench.start("run", name)
    wait_for(lambda: machine.bench.trials, "the training")
    machine.set_limit(0, 380000)
    machine.bench.end_trainings()
    popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0
    (result,) = machine.bench.results()
    said = "the power limit of gpu-0 was 380 W after the training, and set to 300 W before it"
    assert [line for line in result["warnings"] if said in line]
    assert machine.restored()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"gpu_power_limit_watts": 700},
            "gpu_power_limit_watts cannot be set: gpu-0, gpu-1: the driver takes 100 to 400 W, "
            "not 700 W",
        ),
        (
            {"gpu_clock_mhz": 1201},
            "gpu-0, gpu-1: there is no clock of 1201 MHz; near it are 1200, 1215 MHz",
        ),
        ({"gpu_clock_mhz": 1200, "gpus": []}, "cannot be set: no NVIDIA GPU is metered here"),
        ({"governor": "ondemand"}, "is not offered here; there are performance, powersave"),
    ],
)
def test_what_cannot_be_set_is_said_before_anything_starts(
    machine: Machine, fields: dict[str, Any], said: str
) -> None:
    training = {**TRAINING, "mode": "default"}
    done = machine.bench.run("run", machine.bench.settings(experiments=[training], **fields))
    assert done.returncode == 3
    (line,) = done.stderr.strip().splitlines()
    assert said in line
    assert f'leave "{next(iter(fields))}" out' in line
    assert not machine.bench.trials
    assert not list((machine.bench.root / "results").rglob("*.json*"))
    assert machine.controls == {}


def test_every_level_is_checked_before_the_first_run(machine: Machine) -> None:
    name = machine.grid({"gpu_power_limit_watts": [200, 300, 500], "governor": ["fast-forward"]})
    assert machine.bench.run("run", name).returncode == 1  # no governor has that name
    name = machine.grid({"gpu_power_limit_watts": [200, 300, 500]})
    done = machine.bench.run("run", name)
    assert done.returncode == 3
    assert "not 500 W" in done.stderr
    assert not machine.bench.trials


def test_a_user_without_root_is_told_to_use_sudo(machine: Machine) -> None:
    from energyctl.campaign import machine_checks
    from energyctl.errors import MachineError
    from energyctl.meters.gpu_controls import GpuControls

    gpu = GpuControls(0, GPU_0, 350.0, 350.0, 100.0, 400.0, (1200,))
    before = os.geteuid()
    os.seteuid(65534)
    try:
        with pytest.raises(MachineError, match="gpu_power_limit_watts cannot be set without root"):
            machine_checks.check([{"gpu_power_limit_watts": 300}], [gpu])
    finally:
        os.seteuid(before)


def refuse(machine: Machine, how: str) -> Path:
    """The driver refuses, or takes and does not apply, what is set: as ``refuse_limit_0``."""
    file = machine.library / how
    file.touch()
    return file


@pytest.mark.parametrize("kind", ["limit", "clock"])
def test_what_the_driver_refuses_stands_in_nobodys_way_afterwards(
    machine: Machine, kind: str
) -> None:
    refuse(machine, f"refuse_{kind}_1")
    wanted = {"gpu_power_limit_watts": 300} if kind == "limit" else {"gpu_clock_mhz": 1200}
    training = {**TRAINING, "mode": "default"}
    for _ in range(2):
        name = machine.bench.settings(experiments=[training, {**training, **wanted}])
        done = machine.bench.run("run", name)
        assert done.returncode == 3  # before the first run, which does not ask for it
        assert "could not be set: the NVIDIA driver says: " in done.stderr
        assert not machine.bench.trials
        assert machine.restored()
    done = machine.bench.run(
        "run", machine.bench.settings(experiments=[training], governor="performance")
    )
    assert done.returncode == 0, done.stderr
    assert "left by a crash" not in done.stderr
    (result,) = machine.bench.results()
    assert not [line for line in result["warnings"] if "put back" in line]


def test_a_limit_that_the_driver_takes_and_does_not_apply_is_refused(machine: Machine) -> None:
    refuse(machine, "ignore_limit_0")
    done = machine.bench.run("run", machine.grid({"gpu_power_limit_watts": [200]}))
    assert done.returncode == 3
    said = "the driver took it, and did not apply it on gpu-0, which has 350 W"
    assert said in done.stderr
    assert not machine.bench.trials


def test_limits_are_set_whatever_the_total_is(machine: Machine) -> None:
    name = machine.grid({"gpu_power_limit_watts": [200]}, total="cpu")
    done = machine.bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = machine.bench.results()
    gpus = result["machine_settings"]["gpu_power_limit_watts"]["gpus"]
    assert [gpu["enforced"] for gpu in gpus] == [200.0, 200.0]


@pytest.mark.records
def test_where_the_helper_is_killed_no_run_is_done_under_another_level(machine: Machine) -> None:
    plain = {**TRAINING, "mode": "default"}
    first = {**plain, "hyperparameters": {"seconds": 60.0}, "gpu_power_limit_watts": 200}
    control = {"every": 1, "repo": "front", "model": "small", "hyperparameters": {"seconds": 0.1}}
    name = machine.bench.settings(experiments=[first, first, plain], control=control)
    popen = machine.bench.start("run", name)
    seen = wait_for(lambda: len(machine.bench.trials) > 1 and machine.bench.trials, "the first run")
    assert seen
    os.kill(helper_of(popen.pid), signal.SIGKILL)
    machine.bench.end_trainings()
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 1, (out, err)
    assert "what was set before could not be put back" in err
    for result in machine.bench.results():
        assert [gpu["power_limit_watts"] for gpu in result["environment"]["gpus"]] == [200.0, 200.0]
        assert "gpu_power_limit_watts" in result["machine_settings"]
    assert [line for line in machine.bench.results()[0]["warnings"] if "has ended" in line]
    machine.bench.run("stop")
    assert machine.restored()


def test_a_limit_that_is_set_already_needs_no_root() -> None:
    from energyctl.campaign import machine_checks
    from energyctl.meters.gpu_controls import GpuControls

    gpu = GpuControls(0, GPU_0, 300.0, 300.0, 100.0, 400.0, ())
    before = os.geteuid()
    os.seteuid(65534)
    try:
        machine_checks.check([{"gpu_power_limit_watts": 300}], [gpu])
    finally:
        os.seteuid(before)


def kill(popen: Any) -> None:
    popen.kill()
    popen.communicate(timeout=DEADLINE_SECONDS)


@pytest.mark.records
@pytest.mark.parametrize("also_helper", [False, True])
def test_a_killed_campaign_leaves_nothing_set(machine: Machine, also_helper: bool) -> None:
    name = machine.grid(
        {"gpu_power_limit_watts": [200]},
        governor="performance",
        gpu_clock_mhz=900,
        experiment={"hyperparameters": {"seconds": 60.0}},
    )
    popen = machine.bench.start("run", name)
    wait_for(lambda: machine.bench.trials, "the training")
    assert machine.controls == {"limit_0": "200000", "limit_1": "200000"} | {
        "clock_0": "900",
        "clock_1": "900",
    }
    if also_helper:
        os.kill(helper_of(popen.pid), signal.SIGKILL)
    kill(popen)
    if also_helper:
        assert not machine.restored()
        named = machine.bench.run("models", "--json").stderr
        assert "power limit and clock of " + GPU_0 in named
        assert "sudo energyctl stop" in named
        said = machine.bench.run("stop").stdout
        assert "put back as before a crash: " in said
        assert "governor powersave" in said
        assert f"power limit and clock of {GPU_0}" in said
    waited(machine.restored)
    machine.bench.run("stop")


def waited(condition: Callable[[], bool]) -> None:
    wait_for(condition, "everything to be put back", 10)


def helper_of(pid: int) -> int:
    """The process that stays root."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"privileged_helper" in command:
            return int(entry.name)
    raise AssertionError("there is no helper")


def test_a_level_that_fails_in_the_middle_keeps_what_is_finished(machine: Machine) -> None:
    """A driver that refuses later what it took before."""
    experiments = [
        {**TRAINING, "mode": "default", "gpu_power_limit_watts": watts} for watts in (200, 300)
    ]
    folder = machine.library
    popen = machine.bench.start("run", machine.bench.settings(experiments=experiments))
    wait_for(lambda: machine.bench.trials, "the first training")
    (folder / "limit_1").unlink()
    (folder / "limit_1").mkdir()  # cannot be written any more
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 1, (out, err)
    assert "what is finished is kept, go on with: energyctl" in err
    assert "Traceback" not in err
    (result,) = machine.bench.results()
    assert result["status"] == "succeeded"
    (folder / "limit_1").rmdir()
    stopped = machine.bench.run("stop")
    assert machine.restored(), (machine.controls, stopped.stdout, stopped.stderr)
    assert json.loads((machine.bench.root / "settings" / "x.json").read_text())
