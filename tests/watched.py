"""Scenes of a campaign, as `run` and `watch` draw them, and what they draw as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from energyctl.background.job_view import JobView
from energyctl.campaign.observer import GpuView, View
from energyctl.campaign.watcher import CampaignProgress, FinishedRun, Scene
from energyctl.cli.output.watch import screen
from energyctl.config.plan import BackgroundJob, Run, Training

NOW = 1_900_000_000.0
HELD = "gpu-0 was held down by heat for 12.5 % of the training (SM clock 1290 MHz): it worked more "
HELD += "slowly, and drew less, than it would have"


def runs(conditions: int = 3, blocks: int = 4) -> list[Run]:
    """Of one training, alone and beside others, in blocks."""
    other = BackgroundJob(Training("examples", "mnist_rnn", {}))
    beside: list[tuple[str, Any, tuple[BackgroundJob, ...]]] = [
        ("alone", "default", ()),
        ("beside mnist_rnn", "parallel", (other,)),
        ("beside two", "parallel", (other, other)),
    ]
    return [
        Run(
            block * conditions + number + 1, 0, block + 1, mode,
            Training("examples", "mnist", {"epochs": 10, "learning_rate": 0.0125 + block}),
            background=background, condition=condition, block=block + 1,
        )
        for block in range(blocks)
        for number, (condition, mode, background) in enumerate(beside[:conditions])
    ]  # fmt: skip


def finished(index: int, run: Run, **changes: Any) -> FinishedRun:
    facts: dict[str, Any] = {
        "status": "succeeded", "joules": 12345.6 + 210 * index, "uncertainty_joules": 71.0,
        "measured": True, "condition": run.condition, "block": run.block,
    }  # fmt: skip
    return FinishedRun(index, f"20300317_17000{index}_examples_mnist", **{**facts, **changes})


def view(gpus: int = 1, jobs: int = 2, **changes: Any) -> View:
    """A run beside so many jobs, 70 s into its training."""
    names = ["examples_mnist_rnn", "訓練_2", *(f"copy_{number}" for number in range(3, jobs + 1))]
    facts: dict[str, Any] = {
        "phase": "foreground", "phase_since": NOW - 70, "attempt": 0, "progress": (4.0, 10.0),
        "condition": "beside two", "block": 2,
        "watts": {"package-0": 121.4, **{f"gpu-{n}": 250.25 + n for n in range(gpus)}},
        "joules": {"package-0": 8498.0, **{f"gpu-{n}": 17518.0 for n in range(gpus)}},
        "gpus": [
            GpuView(f"gpu-{n}", 98.0, 74.0, 43.0, 1290.0, ["heat"] if n == 0 else [])
            for n in range(gpus)
        ],
        "jobs": [
            JobView(names[0], 12, 0, True, 0.0, 0.9971, 0.02, 0.98, progress=(4.0, 10.0)),
            JobView(names[1], 3, 3, False, 4.0, 0.5, 4.0, None),
            *(JobView(name, 7, 0, True, 0.0, 1.0, 0.02, 0.5) for name in names[2:]),
        ][:jobs],
        "warnings": [HELD],
        **changes,
    }  # fmt: skip
    return View(6, "20300317_174640_examples_mnist_parallel", "examples / mnist", **facts)


def scene(shown: View | None = None, **changes: Any) -> Scene:
    """The sixth of twelve runs, of which one has failed."""
    shown, planned = shown or view(), runs()
    done = [finished(run.index, run) for run in planned[:5]]
    done[1] = finished(2, planned[1], status="failed", warnings=[HELD.replace("12.5", "3.1"), "x"])
    facts: dict[str, Any] = {
        "ends": NOW + 4000, "run": planned[5], "next_runs": planned[6:], "done": done,
        "power": {
            domain: [watts * (0.3 + 0.1 * (i % 8)) for i in range(90)] + [None, watts]
            for domain, watts in shown.watts.items() if watts is not None
        },
        "lines": [f"epoch {n} of 10  loss {0.9 / n:.6f}" for n in range(1, 4)]
        + ["\x1b[32m第四\x1b[0m epoch\tloss 0.225 " + "x" * 300],
        "closed": CampaignProgress(
            "learning rates", 12, 12, {one.index: one.status for one in done}, None, False,
            "energyctl resume x",
        ),
        **changes,
    }  # fmt: skip
    return Scene(NOW, view=shown, **facts)


def drawn(what: Scene, width: int, height: int, full: str = "", hint: str = "") -> str:
    """The screen as text."""
    console = Console(width=width, height=height, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(screen(what, width, height, full, hint))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"
