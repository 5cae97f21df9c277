"""What of the machine was set for runs: in tables, objects and pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl.cli.output.console import make_console
from energyctl.cli.output.runs_table import Limits, runs_table
from energyctl.results import machine_settings
from set_machines import LIMITS, setting, write_levels
from written_results import write_pair, write_runs


def test_a_run_tells_what_was_asked_for_and_what_was_enforced(tmp_path: Path) -> None:
    gpus = [
        {"index": n, "uuid": f"GPU-{n}", "enforced": mhz} for n, mhz in ((0, 1185.0), (1, None))
    ]
    settings = {
        "gpu_power_limit_watts": setting("gpu_power_limit_watts", 300, 280.5),
        "gpu_clock_mhz": {"requested": 1200, "gpus": [*gpus, {**gpus[0], "index": 2}]},
        "governor": {"requested": "powersave", "enforced": ["performance", "powersave"]},
    }
    (run,) = energyctl.load(write_runs(tmp_path, "default", [5.0], machine_settings=settings))
    assert run.machine_settings == settings
    table = energyctl.load(tmp_path).table()
    found = {
        name: table[name][0] for name in table.columns if "quested_" in name or "forced_" in name
    }
    assert found == {
        "requested_gpu_power_limit_watts": 300.0, "enforced_gpu_power_limit_watts": "280.5",
        "requested_gpu_clock_mhz": 1200, "enforced_gpu_clock_mhz": "1185; 1185",
        "requested_governor": "powersave", "enforced_governor": "performance; powersave",
    }  # fmt: skip
    assert machine_settings.enforced(run.row, "governor") == ["performance", "powersave"]
    assert machine_settings.told(run.row) == {
        "CPU governor": "powersave, enforced performance, powersave",
        "GPU power limit": "300 W, enforced 280.5 W",
        "GPU clock": "1,200 MHz, in the mean 1185 MHz, 1185 MHz",
    }


def test_of_a_run_for_which_nothing_was_set_all_of_it_is_null(tmp_path: Path) -> None:
    (run,) = energyctl.load(write_runs(tmp_path, "default", [5.0]))
    assert run.machine_settings == {}
    names = [name for name in run.row if name.startswith(("requested_", "enforced_"))]
    assert len(names) == 6
    assert {run.row[name] for name in names} == {None}
    assert machine_settings.enforced(run.row, "gpu_clock_mhz") == []


def test_the_table_of_runs_has_the_levels_that_vary(tmp_path: Path) -> None:
    runs = energyctl.load(write_levels(tmp_path, LIMITS, blocks=1))
    console = make_console()
    with console.capture() as captured:
        console.print(*runs_table(runs, Limits(), 100))
    shown = captured.get()
    for watts in (700, 500, 300):
        assert f"gpu_power_limit_watts {watts}" in shown


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [
        ("gpu_power_limit_watts", 300.0, "300 W"),
        ("gpu_power_limit_watts", 312.5, "312.5 W"),
        ("gpu_clock_mhz", 1200, "1,200 MHz"),
        ("governor", "performance", None),
        ("batch_size", 32, None),
    ],
)
def test_levels_have_their_unit_and_give_their_number_back(
    name: str, level: Any, words: str | None
) -> None:
    assert machine_settings.level_in_words(name, level) == words
    if words is not None:
        assert machine_settings.number_in(words) == level


def test_runs_of_other_clocks_are_no_pair(tmp_path: Path) -> None:
    """Not even in one block; limits and governors are those of the environment."""
    first, second = write_pair(tmp_path, 1)
    for one, mhz in ((first, 1200), (second, 1500)):
        one["environment"]["run"] = {"machine": {"gpu_clock_mhz": mhz}}
        (tmp_path / f"{one['experiment_id']}.json").write_text(json.dumps(one))
    found = energyctl.load(tmp_path).pairing
    assert not found.pairs
    assert (
        "no run alone with its driver, power limits, GPU clock and CPU governor" in found.notes[0]
    )
    second["environment"] = first["environment"]
    (tmp_path / f"{second['experiment_id']}.json").write_text(json.dumps(second))
    assert len(energyctl.load(tmp_path).pairs) == 1
