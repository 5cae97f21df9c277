"""Trainings in containers of a stand-in runtime, whose work is no descendant of energyctl."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import container_runtime
import pytest

from bench import REGISTRY, Bench, wait_for
from energyctl.background import load_monitor
from energyctl.campaign.foreign import cpu_time
from energyctl.campaign.training.containers import contained
from energyctl.config import registry
from energyctl.config.registry import Container, Invocation
from energyctl.launchers import container as launcher
from energyctl.system import containers, processes
from energyctl.system.process_trees import Tree

SPIN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
end = time.monotonic() + float(flags["--seconds"])
print("started", flush=True)
while time.monotonic() < end:  # a third of a core: load, and room for other tests
    sum(range(200_000))
    time.sleep(0.01)
print("loss: 0.5", flush=True)
sys.exit(int(flags["--behaviour"] or 0))
"""


@dataclass
class Runtime:
    """The stand-in on PATH, and its daemon."""

    folder: Path
    env: dict[str, str]

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def names(self) -> list[str]:
        """Of the containers that there are."""
        words = ["docker", "ps", "--all", "--format", "{{.Names}}"]
        done = subprocess.run(
            words, env={**os.environ, **self.env}, capture_output=True, text=True, check=True
        )
        return done.stdout.split()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    folder = tmp_path / "runtime"
    (folder / "bin").mkdir(parents=True)
    program = Path(container_runtime.__file__)
    command = folder / "bin" / "docker"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -S {program} "$@"\n')
    command.chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    daemon = subprocess.Popen([sys.executable, "-S", str(program), "daemon", str(folder)])
    made = Runtime(folder, {"PATH": path, "STAND_IN_RUNTIME": str(folder)})
    wait_for((folder / "socket").exists, "the daemon")
    yield made
    left = made.names()
    work = [p for p in processes.descendants([daemon.pid]) if "-S" in p.command.split()]
    daemon.kill()
    daemon.wait()
    for process in work:
        process.signal(signal.SIGKILL)
    assert left == []


@pytest.fixture
def lab(bench: Bench, runtime: Runtime) -> Bench:
    """A workspace whose two repositories run in containers."""
    models = json.loads(json.dumps(REGISTRY))["models"]
    for name, entry in models.items():
        (bench.root / "repos" / name / "spin.py").write_text(SPIN)
        del entry["train_script"], entry["model_flag"]
        entry |= {
            "command": ["{python}", "-S", "spin.py", "{params}"],
            "models": ["small"] if name == "front" else ["large"],
            "container": {"image": container_runtime.IMAGE},
            "env": {"SECRET": "of nobody else"},
        }
    text = json.dumps({"models": models})
    (bench.root / "settings" / "models_config.json").write_text(text)
    bench.env |= runtime.env
    return bench


def both_run(runtime: Runtime) -> bool:
    names = runtime.names()
    return len(names) == 2 and any("_back_large" in name for name in names)


def endless(bench: Bench, **fields: Any) -> str:
    values = {"hyperparameters": {"seconds": 300.0}}
    background = {"repo": "back", "model": "large", **values}
    settle = {"timeout_seconds": 2.0, "seconds": 1.0}  # no iteration of it ever ends
    return bench.parallel(foreground=values, background=background, settle=settle, **fields)


def test_both_trainings_of_a_run_are_in_containers(lab: Bench, runtime: Runtime) -> None:
    foreground = {"hyperparameters": {"seconds": 4.0}}
    background = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.4}}
    done = lab.run("run", lab.parallel(foreground=foreground, background=background))
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = lab.results()
    assert result["foreground_result"]["performance_metrics"]["loss"] == 0.5
    (job,) = result["background_info"]["jobs"]
    assert job["iterations"] >= 2
    assert job["failures"] == 0
    named = result["foreign"]["foreground"]["processes"] or []
    # What it spends in its last second nobody knows for its own.
    own = [one for one in named if "--seconds 4.0" in (one["command"] or "")]
    assert sum(one["cpu_seconds"] for one in own) < 0.75
    runs = [words for words in runtime.calls if words[0] == "run"]
    names = [words[words.index("--name") + 1] for words in runs]
    assert len({*names}) == len(names) >= 3
    assert not [words for words in runs if "of nobody else" in " ".join(words)]
    for said in ("still running", "ended container", "does not tell which processes"):
        assert not [line for line in result["warnings"] if said in line]


def test_a_training_that_is_out_of_time_is_ended_with_its_container(
    lab: Bench, runtime: Runtime
) -> None:
    (runtime.folder / "hides").touch()  # by the runtime alone
    training = {"repo": "front", "model": "small", "mode": "default"}
    training |= {"hyperparameters": {"seconds": 300.0}, "timeout_seconds": 1}
    done = lab.run("run", lab.settings(experiments=[training]))
    assert done.returncode == 1
    (result,) = lab.results()
    assert "timeout after 1 s" in result["foreground_result"]["error"]
    assert not [line for line in result["warnings"] if "still running" in line]
    assert runtime.names() == []
    # By force at once where the grace was over before the runtime had answered.
    assert {"stop", "rm"} & {words[0] for words in runtime.calls}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_whoever_ends_energyctl_ends_both_containers(
    lab: Bench, runtime: Runtime, signum: signal.Signals
) -> None:
    (runtime.folder / "hides").touch()
    popen = lab.start("run", endless(lab))
    wait_for(lambda: both_run(runtime), "both containers")
    popen.send_signal(signum)
    assert popen.wait(60) == (130 if signum == signal.SIGINT else -signal.SIGKILL)
    wait_for(lambda: runtime.names() == [], "their end")
    wait_for(lambda: lab.alive() == [], "the end of all")
    assert lab.run("stop").returncode == 0


def test_what_a_crash_of_everything_left_is_ended_by_stop(lab: Bench, runtime: Runtime) -> None:
    (runtime.folder / "hides").touch()
    popen = lab.start("run", endless(lab))
    wait_for(lambda: both_run(runtime), "both containers")
    popen.send_signal(signal.SIGSTOP)  # all of them die in one instant
    below = processes.descendants([popen.pid])
    for signum in (signal.SIGSTOP, signal.SIGKILL):
        for process in below:
            process.signal(signum)
    popen.kill()
    popen.wait()
    assert both_run(runtime)
    done = lab.run("stop")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ended container energyctl-") == 2
    assert runtime.names() == []


def test_a_client_that_is_killed_takes_its_container_along(lab: Bench, runtime: Runtime) -> None:
    (runtime.folder / "hides").touch()
    training = {"repo": "front", "model": "small", "mode": "default"}
    training |= {"hyperparameters": {"seconds": 300.0}}
    popen = lab.start("run", lab.settings(experiments=[training]))
    wait_for(runtime.names, "the container")
    (client,) = [line for line in lab.alive() if "container_runtime.py run" in line]
    os.kill(int(client.split()[0]), signal.SIGKILL)
    assert popen.wait(60) == 1
    (result,) = lab.results()
    assert "signal 9" in result["foreground_result"]["error"]
    assert runtime.names() == []


def test_what_cannot_work_is_said_before_the_start(lab: Bench, runtime: Runtime) -> None:
    name = endless(lab)
    path = lab.root / "settings" / "models_config.json"
    good = path.read_text()
    path.write_text(good.replace(container_runtime.IMAGE, "other:2"))
    done = lab.look("run", name)
    assert done.returncode == 2
    assert "front: its image other:2 is not here (Error: No such image" in done.stderr
    assert "docker pull other:2" in done.stderr
    path.write_text(good)
    nobody = lab.run("run", name, env={"STAND_IN_RUNTIME": "/nonexistent"})
    assert nobody.returncode == 2
    assert "front: docker does not answer: Cannot connect to the daemon" in nobody.stderr
    gone = lab.run("run", name, env={"PATH": "/usr/bin:/bin"})
    assert gone.returncode == 2
    assert "front: docker, which runs its container, is not on PATH" in gone.stderr
    assert [words for words in runtime.calls if words[0] == "run"] == []


def test_a_trial_is_in_its_container(lab: Bench, runtime: Runtime) -> None:
    done = lab.run("models", "--test", "front/small", "--set", "seconds=0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loss 0.5" in done.stdout
    (words,) = [words for words in runtime.calls if words[0] == "run"]
    assert words[words.index("--workdir") + 1] == str(lab.root / "repos" / "front")


def entry(**own: Any) -> registry.Repository:
    fields = {
        "path": "repos/x", "models": ["m"], "data": "sets", "command": ["{python}", "t.py"],
        "container": {"image": "i", **own},
    }  # fmt: skip
    return registry.parse({"models": {"x": fields}}, "models.json").repositories["x"]


def test_the_command_of_a_container(tmp_path: Path) -> None:
    own = {"runtime": "podman", "args": ["--gpus", "all"], "mounts": ["w", "/a:/b:ro"]}
    made = entry(**own)
    assert made.container == Container("i", "podman", ("--gpus", "all"), ("w", "/a:/b:ro"))
    invoked = Invocation(("python", "t.py"), "/r/sub", {"A": "1"}, workdir="/r")
    argv = contained(invoked, made, tmp_path, "a b").argv
    program = argv.index(str(Path(launcher.__file__)))
    assert argv[program + 1 : program + 3] == ("podman", "energyctl-a_b")
    assert argv[-6:] == ("--gpus", "all", "--", "i", "python", "t.py")
    assert {*pairwise(argv)} >= {("--env", "A"), ("--workdir", "/r/sub")}
    mounts = [argv[n + 1] for n, word in enumerate(argv) if word == "--mount"]
    assert mounts == [
        *(f"type=bind,source={p},target={p}" for p in (tmp_path / "repos/x", "/r",
                                                       tmp_path / "sets", tmp_path / "w")),
        "type=bind,source=/a,target=/b,readonly",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "place", "message"),
    [
        ({"container": {}}, "container.image", "is missing"),
        ({"container": {"image": "i", "runtime": "dockr"}}, "container.runtime", '"docker"'),
        ({"container": {"image": "i", "mount": ["/a"]}}, "container.mount", 'write "mounts"'),
        ({"container": {"image": "i", "args": ["--name=x"]}}, "args[0]", "has no place here"),
        ({"container": {"image": "i", "args": ["-d"]}}, "args[0]", "has no place here"),
        ({"container": {"image": "i", "mounts": ["/a:b"]}}, "mounts[0]", "is no mount"),
        ({"preflight": {"imports": ["torch"]}}, "preflight.imports", "not looked for"),
        ({"interpreter": "conda:torch"}, "interpreter", "name a command of the image"),
    ],
)
def test_a_wrong_container_is_named(own: dict[str, Any], place: str, message: str) -> None:
    fields = {"models": ["m"], "command": ["{python}"], "container": {"image": "i"}, **own}
    (problem,) = registry.problems({"models": {"x": fields}})
    assert problem.where.endswith(place)
    assert message in f"{problem.message}; {problem.suggestion}"


def test_what_a_container_spent_is_no_foreign_load() -> None:
    own = cpu_time.Entry(10, 1, 5, kernel=False, spent=100, reaped=0)
    other = cpu_time.Entry(20, 1, 5, kernel=False, spent=0, reaped=0)
    before = cpu_time.CpuSnapshot(0.0, 0, {10: own, 20: other}, frozenset(), frozenset({own.key}))
    busy = other._replace(spent=50)
    after = cpu_time.CpuSnapshot(1.0, 350, {20: busy}, frozenset(), frozenset(), ended=400)
    foreign, shares = cpu_time.foreign_between(before, after, lambda pid: False)
    assert (foreign, [share.pid for share in shares]) == (0.5, [20])


def test_the_load_of_a_job_holds_that_of_its_ended_containers() -> None:
    job, launcher_tree = load_monitor._Job(), Tree(7, 1, ticks=10)
    first, second = Tree(50, 2, ticks=100), Tree(60, 3, ticks=30)
    job.add(0.0, 0.0, 0, [launcher_tree], [first])
    assert job.spent == pytest.approx(1.1)
    job.add(1.0, 0.2, 7, [], [])  # the iteration has ended, by its launcher's word
    assert job.spent == pytest.approx(1.2)
    job.add(2.0, 0.2, 7, [Tree(8, 2, ticks=5)], [second])
    assert job.spent == pytest.approx(1.55)


def test_processes_that_stay_strange_are_said_to_be_unseen(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in runtime.env.items():
        monkeypatch.setenv(name, value)
    (runtime.folder / "hides").touch()
    (tmp_path / "1.x").write_text("docker\nx\n")
    words = ["docker", "run", "--name", "x", container_runtime.IMAGE, "sleep", "300"]
    client = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: launcher.ask(["docker", "inspect", "x"]), "the container")
        trees = containers.ContainerTrees(tmp_path, processes.new_nonce())
        assert trees.look() == {}
        assert trees.unseen == set()  # it may have been about to begin, or to end
        wait_for(lambda: trees.look() or trees.unseen, "a look that says so")
        assert trees.unseen == {"docker"}
    finally:
        launcher.end("docker", "name=^x$")
        client.wait(30)


def test_cpu_time_of_a_container_outlives_it(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in runtime.env.items():
        monkeypatch.setenv(name, value)
    nonce = processes.new_nonce()
    folder = tmp_path / "notes"
    folder.mkdir()
    (tmp_path / "spin.py").write_text(SPIN)
    env = {**os.environ, launcher.NOTES: f"{folder}/77.", "ENERGYCTL_RUN": f"{nonce}/E/background"}
    client = subprocess.Popen(
        [sys.executable, "-S", launcher.__file__, "docker", "x", "--workdir", str(tmp_path),
         "--env", "ENERGYCTL_RUN", "--", container_runtime.IMAGE,
         "python", "-S", "spin.py", "--seconds", "300", "--behaviour", ""],
        env=env, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    trees = containers.ContainerTrees(folder, nonce)
    spent = wait_for(lambda: sum(t.ticks for t in trees.look().get(77, ())) > 20, "its CPU time")
    assert spent
    assert containers.end(["docker"], nonce) == ([f"ended container x-{client.pid} (docker)"], [])
    client.wait(30)
    wait_for(lambda: not trees.look(), "its end")
    assert trees.ended_ticks > 20
    assert trees.unseen == set()
