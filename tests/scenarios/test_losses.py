"""What is killed in the middle of a run, and what becomes of the run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from energyctl.system import processes


def daemon_of(bench: Bench) -> int:
    """The supervisord of the workspace, once it has a background job."""
    path = bench.runtime / "supervisord.pid"
    wait_for(lambda: path.exists() and path.read_text().strip(), "supervisord")
    return int(path.read_text())


def phase(bench: Bench) -> str | None:
    try:
        return str(json.loads((bench.runtime / "state.json").read_text())["phase"])
    except (OSError, ValueError):
        return None


def kill_daemon_in(bench: Bench, name: str) -> None:
    wait_for(lambda: phase(bench) == name, f"the phase {name}")
    os.kill(daemon_of(bench), signal.SIGKILL)


@pytest.mark.parametrize("when", ["background_start", "foreground"])
def test_a_lost_supervisord_costs_an_attempt_and_is_started_anew(bench: Bench, when: str) -> None:
    name = bench.parallel(
        foreground={"hyperparameters": {"seconds": 1.5}},
        max_retries=1,
        settle={"seconds": 1.5, "timeout_seconds": 30},
    )
    running = bench.start("run", name)
    kill_daemon_in(bench, when)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    (result,) = bench.results()
    first, second = result["foreground_result"]["attempts"]
    assert not first["success"]
    assert "its supervisord ended during the run" in first["error"]
    assert second["success"]
    assert result["foreground_result"]["retries"] == 1
    assert any(line.startswith("the background was lost") for line in result["warnings"])
    (job,) = result["background_info"]["jobs"]
    assert job["coverage"] > 0.5
    assert [p["name"] for p in result["phases"]].count("background_start") == 2


def test_a_supervisord_lost_after_the_training_costs_it_nothing(bench: Bench) -> None:
    settle = {"seconds": 3, "timeout_seconds": 30}
    running = bench.start("run", bench.parallel(settle=settle))
    wait_for(lambda: phase(bench) == "foreground", "the training")
    kill_daemon_in(bench, "background_only")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    (result,) = bench.results()
    assert result["status"] == "succeeded"
    assert result["foreground_result"]["retries"] == 0
    assert any("not watched to its end" in line for line in result["warnings"])
    baseline = result["energy"]["baselines"]["background_only"]
    assert baseline["after"] < baseline["before"]


def test_without_a_retry_left_a_lost_supervisord_fails_the_run_with_that_reason(
    bench: Bench,
) -> None:
    running = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 30}}))
    kill_daemon_in(bench, "foreground")
    running.communicate(timeout=60)
    assert running.returncode == 1
    (result,) = bench.results()
    assert result["status"] == "failed"
    assert "supervisord ended" in result["foreground_result"]["error"]
    assert result["background_info"]["stop"]["left"] == []


def test_what_the_foreground_hides_is_ended_when_energyctl_is_killed(bench: Bench) -> None:
    hidden = bench.root / "hidden"
    script = bench.root / "repos" / "front" / "train.sh"
    hide = f"/usr/bin/setsid /bin/sh -c 'echo $$ > {hidden}; exec /bin/sleep 1000'"
    script.write_text(f"#!/bin/sh\n(env -i {hide} &)\nsleep 1000\n")
    running = bench.start("run", "--repo", "front", "--model", "small")
    wait_for(lambda: hidden.exists() and hidden.read_text().strip(), "the hidden child")
    running.kill()
    running.communicate(timeout=60)
    pid = int(hidden.read_text())
    wait_for(lambda: processes.identify(pid) is None, "the end of the hidden child", 10)
    wait_for(lambda: not bench.alive(), "the end of all", 10)
    bench.run("stop")


def cooling(bench: Bench) -> list[Path]:
    return list((bench.root / "results").glob(".*.cooling"))


def test_a_result_that_can_be_seen_never_changes_and_a_crash_in_the_cool_down_loses_none(
    bench: Bench,
) -> None:
    experiment: dict[str, Any] = {"repo": "front", "model": "small", "mode": "default"}
    fields = {"experiments": [experiment], "runs_per_config": 2, "cooldown_seconds": 8}
    running = bench.start("run", bench.settings(**fields))
    (kept,) = wait_for(lambda: cooling(bench), "the cool-down")
    assert bench.results() == []
    running.kill()
    running.communicate(timeout=60)
    resumed = bench.start("resume")
    first = bench.root / "results" / kept.name[1:].removesuffix(".cooling")
    wait_for(first.exists, "the result that was cooling down")
    content = first.read_bytes()
    _, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, err
    assert first.read_bytes() == content
    assert [r["status"] for r in bench.results()] == ["succeeded", "succeeded"]
    assert [r["environment"]["run"]["index"] for r in bench.results()] == [1, 2]
    assert cooling(bench) == []
