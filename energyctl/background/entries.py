"""Edge: the entries and the script of a run's background: rendered, or edited by an operator."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from energyctl.background import templates as programs
from energyctl.background.protocol import GROUP_PREFIX, LAUNCHER
from energyctl.background.templates import EntryPaths, RenderedRun
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Invocation
from energyctl.errors import SettingsError
from energyctl.results.folder import read_text
from energyctl.results.paths import RunFiles
from energyctl.system import processes


def render(
    run: Run,
    files: RunFiles,
    runtime: Path,
    templates: tuple[Path, Path],
    invocations_of: Callable[[Training, str], tuple[Invocation, ...]],
    marker: str,
    *,
    keep_logs: str,
) -> RenderedRun:
    """The entries and the script of *run* (pure but for reading the templates)."""
    places = EntryPaths(
        runtime=runtime,
        script=runtime / "background.sh",
        logs=files.background_logs,
        environment_file=runtime / "environment",
        clock=runtime / "clock",
        python=sys.executable,
        launcher=LAUNCHER,
        keep_logs=keep_logs,
    )
    marks = {processes.MARKER: marker}
    jobs = programs.make_jobs(run, files.experiment_id, places, invocations_of, marks)
    return programs.render(files.experiment_id, jobs, places, templates)


def edited(rendered: RenderedRun, folder: Path, token: str, experiment_id: str) -> RenderedRun:
    """*rendered* with the texts that the operator edited in *folder* (``render`` wrote them).

    The run's id is not known when they are written, so they hold *token* in its place.
    Raises SettingsError where one is missing or does not fit this run.
    """
    texts, files = [], RunFiles.of(folder, token)
    for path in (files.entries, files.script):
        texts.append(read_text(path, "a rendered file").replace(token, experiment_id))
    if f"[group:{rendered.group}]" not in texts[0]:
        raise SettingsError(
            f"{files.entries}: no [group:{GROUP_PREFIX}{token}];"
            " render it again, and keep that line"
        )
    return RenderedRun(rendered.group, rendered.jobs, texts[0], texts[1])
