"""A campaign beside a meter of the whole machine, and with it as the total."""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench import Bench
from hardware import node_servers
from hardware.node_servers import serving

WATTS = 300.0


def declare(bench: Bench, url: str) -> None:
    path = bench.root / "settings/meters.json"
    path.write_text(json.dumps({"wall": {"kind": "shelly", "url": url}}), encoding="utf-8")


def counting() -> node_servers.Answer:
    return node_servers.shelly(lambda: 5000 + WATTS * time.monotonic() / 3600, WATTS)


def test_the_wall_is_the_total_where_that_is_asked_for(bench: Bench) -> None:
    with serving(counting()) as server:
        declare(bench, server.url)
        name = bench.parallel(total="wall", foreground={"hyperparameters": {"seconds": 2.0}})
        done = bench.run("run", name)
        assert done.returncode == 0, done.stderr
        (result,) = bench.results()
    energy = result["energy"]
    counted = [d["name"] for d in energy["domains"] if d["in_total"]]
    assert counted == ["wall"]
    assert energy["measured"]
    truth = WATTS * energy["seconds"]
    assert abs(energy["total_joules"] - truth) <= energy["uncertainty_joules"]
    phases = [phase["joules"]["wall"] for phase in result["phases"]]
    assert all(joules is not None for joules in phases)


def test_a_total_that_is_not_there_starts_nothing(bench: Bench) -> None:
    declare(bench, "http://127.0.0.1:9")
    for total, words in (("plug", "there is no plug"), ("wall", "wall cannot be measured: http")):
        done = bench.run("run", bench.parallel(total=total))
        assert done.returncode == 3
        assert f'energyctl: "total": {words}' in done.stderr
    assert bench.trials == []


def test_a_wrong_file_of_meters_is_told_before_anything_starts(bench: Bench) -> None:
    path = Path(bench.root / "settings/meters.json")
    path.write_text('{"wall": {"kind": "shelly"}}', encoding="utf-8")
    done = bench.run("run", "--dry-run", bench.parallel())
    assert done.returncode == 2
    assert f"{path}: line 1: wall.url: is missing" in done.stderr
    assert bench.trials == []
