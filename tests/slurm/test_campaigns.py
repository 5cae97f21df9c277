"""Campaigns on a real Slurm cluster of three nodes, all of them this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import shadow_modules, wait_for
from clustered import Lab, lab
from energyctl.slurm.attempts import Tries
from slurm_cluster import Cluster, cluster, unavailable
from supervised import living

LARGEST = 5
"""MaxArraySize, so that more than four tasks need several arrays."""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    why = unavailable()
    if why is not None:
        pytest.skip(f"no Slurm cluster here: {why}")
    with contextlib.ExitStack() as stack:
        # A socket's path is short.
        folder = Path(stack.enter_context(_short_folder()))
        yield stack.enter_context(cluster(folder, max_array_size=LARGEST))


@contextlib.contextmanager
def _short_folder() -> Iterator[str]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ec-slurm-", dir="/tmp") as name:
        yield name


@pytest.fixture
def place(slurm: Cluster, tmp_path: Path) -> Iterator[Lab]:
    made = lab(tmp_path / "workspace", slurm)
    yield made
    slurm.run("scancel", "--user=root", check=False)
    slurm.wait_until_empty()
    wait_for(lambda: not living(made.root), f"{living(made.root)} to end", 20)


def tasks_of(place: Lab) -> list[int]:
    """The energyctl of each task that runs."""
    return [p.pid for p in living(place.root) if "__main__.py -C" in p.command]


def training(place: Lab, runs: int = 1) -> Callable[[], bool]:
    """Whether so many foregrounds have begun."""

    def begun() -> bool:
        trials = place.root / "trials.jsonl"
        rows = trials.read_text().splitlines() if trials.exists() else []
        return sum(json.loads(row)["role"] == "foreground" for row in rows) >= runs

    return begun


def test_a_task_imports_no_module_of_the_workspace(place: Lab) -> None:
    """Slurm starts it there."""
    shadow_modules(place.root, seen := place.root / "imported")
    place.settings(1)
    place.run("submit", "x.json")
    place.run("collect")
    assert not seen.exists(), seen.read_text()
    assert place.problems(1) == []


def test_each_run_is_done_once_and_no_two_at_a_time_on_a_node(place: Lab) -> None:
    place.settings(6, slurm={"gres": "gpu:2", "options": {"comment": 'a "b" %c # d'}})
    said = place.run("submit", "x.json")
    # Four tasks in the first array, since the largest index is four here.
    assert re.findall(r"submitted job \d+: (\d) tasks \((\d-\d)\)", said.stdout) == [
        ("4", "1-4"),
        ("2", "5-6"),
    ]
    comments = place.cluster.run("squeue", "--noheader", "-o", "%k").stdout.splitlines()
    assert set(comments) == {'a "b" %c # d'}
    done = place.run("collect", "--interval", "1")
    assert "study: 6 of 6 runs finished" in done.stdout
    assert "calibration" not in done.stdout
    assert "runs on one machine differ by" in done.stdout
    assert place.problems(6) == []
    nodes = {result["environment"]["node"] for result in place.finished()}
    assert nodes <= set(place.cluster.nodes)
    assert len(nodes) > 1
    facts = place.finished()[0]["environment"]["slurm"]
    assert facts["exclusive"] is True
    assert facts["partition"] == "main"
    assert (facts["restarts"], facts["constraint"]) == (0, None)
    status = place.status
    assert status["over"] is True
    assert status["counts"]["succeeded"] == 6
    assert place.run("resume").stdout.endswith("nothing is left to submit\n")


def test_a_workspace_of_any_name(place: Lab, slurm: Cluster, tmp_path: Path) -> None:
    odd = lab(tmp_path / 'it\'s 5% "of" ü; #all', slurm)
    odd.settings(1)
    odd.run("submit", "x.json")
    odd.run("collect", "--interval", "1")
    assert odd.problems(1) == []


def test_several_runs_in_a_task_share_a_node_and_rest_in_between(place: Lab) -> None:
    place.settings(4, cooldown_seconds=1, idle_seconds=1.5, slurm={"runs_per_task": 2})
    place.run("submit", "x.json", "--nodes", "1")
    place.run("collect", "--interval", "1")
    assert place.problems(4) == []
    results = sorted(place.finished(), key=lambda r: r["environment"]["run"]["index"])
    assert [r["environment"]["slurm"]["task"] for r in results] == [1, 1, 2, 2]
    for first, second in (results[:2], results[2:]):
        # The idle baseline is measured once a task.
        assert first["phases"][0]["name"] == "idle"
        assert first["phases"][-1]["name"] == "cooldown"
        assert "idle" not in {phase["name"] for phase in second["phases"]}
        assert second["energy"]["idle_of"] == first["experiment_id"]
        assert "idle_of" not in first["energy"]
        for result in (first, second):
            added = result["energy"]["above_idle_joules"]
            idle = first["phases"][0]["watts"]["cpu"]
            expected = result["energy"]["total_joules"] - idle * result["energy"]["seconds"]
            assert added == pytest.approx(expected, rel=0.02, abs=0.2)
    began = sorted(result["phases"][0]["start"] for result in results)
    ended = sorted(
        next(p["end"] for p in reversed(r["phases"]) if p["name"] != "cooldown") for r in results
    )
    if len({result["environment"]["node"] for result in results}) == 1:
        # Also the second task, which follows the first one on its node.
        assert all(b - e >= 0.9 for b, e in zip(began[1:], ended[:-1], strict=True))


def test_all_conditions_of_a_block_are_measured_on_one_node(place: Lab) -> None:
    back = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.3}}
    training = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 0.5}}
    study = {**training, "conditions": {"alone": None, "loaded": back}}
    place.settings(3, experiments=[study], warm_up_runs=1)
    said = place.run("submit", "x.json").stdout
    assert "on a cluster one task, on one node, does all runs of a block" in said
    assert "3 tasks (1-3)" in said
    place.run("collect", "--interval", "1")
    assert place.problems(7) == []
    tasks = {
        (result["block"], result["warm_up"]): result["environment"]["slurm"]["task"]
        for result in place.finished()
    }
    assert tasks == {(None, True): 1, (1, False): 1, (2, False): 2, (3, False): 3}
    for block in (1, 2, 3):
        runs = [result for result in place.finished() if result["block"] == block]
        assert {result["condition"] for result in runs} == {"alone", "loaded"}
        assert len({result["environment"]["node"] for result in runs}) == 1


def test_a_repository_is_prepared_once_on_each_node(place: Lab) -> None:
    path = place.root / "settings" / "models_config.json"
    registry = json.loads(path.read_text())
    told = place.root / "prepared"
    command = ["/bin/sh", "-c", f"echo once >> {shlex.quote(str(told))}"]
    registry["models"]["front"]["prepare"] = command
    path.write_text(json.dumps(registry))
    place.settings(2)
    place.run("submit", "x.json", "--nodes", "1")
    place.run("collect", "--interval", "1")
    assert place.problems(2) == []
    nodes = {result["environment"]["node"] for result in place.finished()}
    assert told.read_text() == "once\n" * len(nodes)
    logs = list((place.root / "results").glob("prepare_front_*.log"))
    assert len(logs) == len(nodes)


def test_cancel_ends_everything_and_resume_does_the_rest(place: Lab) -> None:
    place.settings(4, seconds=60.0)
    place.run("submit", "x.json")
    wait_for(training(place, 2), "two trainings")
    shown = place.run("status").stdout
    assert "4 runs" in shown
    assert re.search(r"running on e\d+n\d", shown)
    assert "waiting" in shown
    done = place.run("cancel")
    assert "nothing is left in the queue" in done.stdout
    assert place.cluster.queue() == []
    wait_for(lambda: not living(place.root), "the tasks to end", 10)
    statuses = {result["status"] for result in place.results()}
    assert statuses == {"interrupted"}
    assert len(place.results()) >= 2
    assert place.torn() == []
    assert place.status["counts"]["missing"] == 4
    # The trainings' length is a value of the plan, so it stays; what is asked here is the queue.
    assert "4 tasks" in place.run("resume").stdout.replace("submitted job", "")
    place.run("cancel")


def test_a_task_that_is_killed_is_done_again_on_resume(place: Lab) -> None:
    place.settings(2, seconds=2.0)
    place.run("submit", "x.json")
    wait_for(training(place), "a training")
    pid = wait_for(lambda: tasks_of(place), "a task")[0]
    os.kill(pid, signal.SIGKILL)
    done = place.run("collect", "--interval", "1", code=1)
    assert "neither finished nor in the queue" in done.stdout
    assert "was cut off" in done.stdout
    (cut,) = [result for result in place.results() if result["status"] == "interrupted"]
    assert cut["environment"]["node"] in place.cluster.nodes
    assert "submitted job" in place.run("resume").stdout
    place.run("collect", "--interval", "1")
    assert place.problems(2) == []


def test_a_task_begins_again_on_the_node_where_it_was_killed(place: Lab) -> None:
    """With what the killed one had there: the same job on the same node has the same places."""
    node = place.cluster.nodes[0]
    place.settings(1, seconds=4.0, slurm={"nodelist": node})
    place.run("submit", "x.json")
    wait_for(training(place), "the training")
    (queued,) = place.cluster.queue()
    (pid,) = wait_for(lambda: tasks_of(place), "the task")
    os.kill(pid, signal.SIGKILL)
    place.cluster.wait_until_empty()
    place.cluster.run("scontrol", "requeue", str(queued.job))
    place.run("collect", "--interval", "1")
    assert place.problems(1) == []
    (result,) = place.finished()
    assert result["environment"]["slurm"]["restarts"] == 1
    assert "refused" not in {event["event"] for event in place.journal.events()}


def test_a_requeued_task_keeps_its_attempts_apart(place: Lab) -> None:
    place.settings(1, seconds=3.0)
    place.run("submit", "x.json")
    wait_for(training(place), "the training")
    (queued,) = place.cluster.queue()
    place.cluster.run("scontrol", "requeue", str(queued.job))
    place.run("collect", "--interval", "1")
    assert place.problems(1) == []
    (result,) = place.finished()
    assert result["environment"]["slurm"]["restarts"] == 1
    assert [r["status"] for r in place.results()].count("interrupted") == 1
    (run,) = place.status["runs"]
    assert run["attempts"] == 2
    assert run["title"] == "front / small, beside back/large"
    assert (run["condition"], run["block"]) == ("beside back/large", None)
    assert "start 2" in place.logs()


def test_what_a_dead_node_took_with_it_is_done_elsewhere(place: Lab) -> None:
    place.settings(3, seconds=4.0)
    place.run("submit", "x.json")
    wait_for(training(place, 3), "three trainings")
    node = place.cluster.nodes[0]
    place.cluster.kill_node(node)
    try:
        place.run("collect", "--interval", "1")
    finally:
        place.cluster.start_slurmd(node)
    assert place.counts(3) == place.overlaps() == place.torn() == place.values() == []
    assert node not in {
        r["environment"]["node"] for r in place.finished() if r["environment"]["slurm"]["restarts"]
    }
    assert place.problems(3) == []


def test_an_attempt_that_another_one_supersedes_is_kept_apart(place: Lab) -> None:
    """The orphan of a node that is only cut off, beside the task that Slurm started again."""
    place.settings(1, seconds=6.0)
    place.run("submit", "x.json")
    wait_for(training(place), "the training")
    attempts = Tries(place.folder, place.journal)
    (claim,) = attempts.claims.all()
    # Another node claims the run, as its task would at its begin.
    facts = {name: getattr(claim, name) for name in ("job", "array_job", "task")}
    newer = attempts.claims.claim(
        1, experiment_id="elsewhere", restarts=1, node="elsewhere", **facts
    )
    assert newer.number == claim.number + 1
    wait_for(lambda: not place.cluster.queue(), "the task to end")
    assert place.finished() == []
    kept = place.journal.own_folder / "superseded" / claim.experiment_id
    result = json.loads((kept / f"{claim.experiment_id}.json").read_text())
    assert result["status"] == "superseded"
    assert result["superseded"] == {"by": "elsewhere", "status": "succeeded"}
    assert (kept / result["foreground_result"]["log"]).is_file()
    assert place.status["superseded"] == 1
    assert place.status["counts"]["missing"] == 1


def test_runs_under_different_governors_have_an_idle_baseline_each(place: Lab) -> None:
    frequency = place.root / "cpus" / "cpu0" / "cpufreq"
    frequency.mkdir(parents=True)
    (frequency / "scaling_available_governors").write_text("performance powersave\n")
    (frequency / "scaling_governor").write_text("powersave\n")
    place.env["ENERGYCTL_CPUFREQ"] = str(place.root / "cpus")
    governors = {"governor": ["performance", "powersave"]}
    experiment = {"repo": "front", "model": "small", "mode": "grid", "grid": governors}
    place.settings(1, experiments=[experiment], idle_seconds=1.5, slurm={"runs_per_task": 2})
    place.run("submit", "x.json")
    place.run("collect", "--interval", "1")
    results = place.finished()
    assert sorted(r["environment"]["governors"][0] for r in results) == governors["governor"]
    assert not [result for result in results if "idle_of" in result["energy"]]
    assert (frequency / "scaling_governor").read_text() == "powersave"


def test_a_time_limit_ends_a_run_as_interrupted_and_says_what_to_do(place: Lab) -> None:
    place.settings(1, seconds=100.0, slurm={"time": 1, "warning_seconds": 50})
    place.run("submit", "x.json")
    done = place.run("collect", "--interval", "1", code=1)
    assert "1 missing" in done.stdout
    assert [result["status"] for result in place.results()] == ["interrupted"]
    assert "the time limit is near, and no run was finished within it" in place.logs()
    assert place.torn() == []


def test_a_task_with_runs_left_at_its_time_limit_goes_back_into_the_queue(place: Lab) -> None:
    place.settings(3, slurm={"time": 1, "warning_seconds": 20, "runs_per_task": 3})
    # The second training lasts until the task is warned: one run is done, and two are left.
    script, starts = place.root / "repos" / "front" / "train.sh", place.root / "starts"
    counted = (
        f'with open("{starts}", "a+") as file:\n    file.write("x")\n    second = file.tell() == 2'
    )
    lasting = f"{counted}\nif second:\n    time.sleep(200)"
    imports, rest = script.read_text().split("\nflags = ")
    script.write_text(f"{imports}\n{lasting}\nflags = {rest}")
    place.run("submit", "x.json")
    place.run("collect", "--interval", "1")
    assert place.problems(3) == []
    assert "back into the queue" in place.logs()
    restarts = [r["environment"]["slurm"]["restarts"] for r in place.finished()]
    assert sorted(restarts) == [0, 1, 1]


def test_a_node_that_is_not_ours_alone_is_refused(place: Lab) -> None:
    place.edit("#SBATCH --exclusive\n", "#SBATCH --oversubscribe\n")
    place.settings(1, slurm={"shared_node": "fail"})
    place.run("submit", "x.json")
    done = place.run("collect", "--interval", "1", code=1)
    assert "this node may be shared with other jobs (OverSubscribe=" in done.stdout
    assert place.results() == []
    place.settings(1, slurm={"shared_node": "warn"})
    place.run("submit", "x.json")
    place.run("collect", "--interval", "1")
    (result,) = place.finished()
    assert any("may be shared with other jobs" in line for line in result["warnings"])
    assert result["environment"]["slurm"]["exclusive"] is False


def test_foreign_load_on_a_node_is_refused(place: Lab) -> None:
    place.settings(1, slurm={"shared_node": "fail"})
    # Something that computes on the node, and is none of ours.
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            place.run("submit", "x.json")
            done = place.run("collect", "--interval", "1", code=1)
        finally:
            busy.kill()
    assert "this machine is not exclusive to this job: foreign load before the start" in done.stdout
    assert place.results() == []


def test_a_controller_that_is_away_is_said_and_harms_nothing(place: Lab) -> None:
    place.settings(1, seconds=45.0)  # squeue itself tries for ten
    place.run("submit", "x.json")
    wait_for(training(place), "the training")
    # Not killed: one that forgets what it has not saved yet ends the task when it comes back.
    controller = place.cluster.daemons["slurmctld"]
    controller.send_signal(signal.SIGSTOP)
    try:
        status = place.status
    finally:
        controller.send_signal(signal.SIGCONT)
    assert status["over"] is False
    assert status["queue_problem"]
    assert status["counts"]["unknown"] == 1
    place.run("collect", "--interval", "1")
    assert place.problems(1) == []


def test_sbatch_says_why_it_refuses_and_nothing_is_left_of_it(place: Lab) -> None:
    place.settings(2)
    done = place.run("submit", "x.json", "--sbatch", "partition=nowhere", code=3)
    assert "invalid partition" in done.stderr.lower()
    assert "nothing was submitted" in done.stderr
    assert list(place.folder.campaigns.iterdir()) == []


def test_a_node_is_calibrated_once(place: Lab) -> None:
    place.settings(2, calibration=True, slurm={"runs_per_task": 2})
    place.run("submit", "x.json")
    place.run("collect", "--interval", "1")
    assert place.problems(2) == []
    (path,) = place.journal.own_folder.glob("calibration/*/calibration.json")
    result = json.loads(path.read_text())
    assert result["status"] == "succeeded"
    assert path.parent.name == result["environment"]["node"]
    assert [phase["name"] for phase in result["phases"]][:2] == ["idle", "foreground"]
    assert result["energy"]["total_joules"] > 0
    assert len(place.finished()) == 2


def test_an_epilog_ends_what_a_job_left(place: Lab) -> None:
    """Where Slurm does not know the processes of a job: those that left its session live on."""
    place.settings(1, seconds=100.0)
    place.run("submit", "x.json")
    wait_for(training(place), "the training")
    (queued,) = place.cluster.queue()
    done = place.run("stop", "--job", str(queued.job), node=queued.node)
    assert "ended pid" in done.stdout
    assert "nothing is left" in done.stdout
    wait_for(lambda: not living(place.root), "everything to end", 20)
    again = place.run("stop", "--job", str(queued.job), node=queued.node)
    assert again.stdout == "nothing is running\n"
