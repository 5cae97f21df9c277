"""The background of a run as supervisord entries: rendered, or as an operator edited them."""

from __future__ import annotations

from pathlib import Path

from energyctl.background import entries
from energyctl.campaign.training.invocations import Trainings
from energyctl.config.plan import Run
from energyctl.results.paths import RunFiles
from energyctl.text import safe_name


def rendered_token(run: Run) -> str:
    """Stands for the run's id in files that ``render`` writes, before there is one."""
    name = safe_name(f"{run.foreground.repo}_{run.foreground.model}")
    return f"RUN{run.index}_{name}_parallel"


def token_files(run: Run, results: Path) -> RunFiles:
    """The files of *run* before it has an id."""
    token, training = rendered_token(run), run.foreground
    return RunFiles(results, token, token, token, training.repo, training.model)


def render_run(
    run: Run,
    files: RunFiles,
    runtime: Path,
    templates: tuple[Path, Path],
    trainings: Trainings,
    keep_logs: str,
    edited: Path | None = None,
) -> entries.RenderedRun:
    """The entries and the script of *run*; their texts from the folder *edited*, where given."""
    rendered = entries.render(
        run,
        files,
        runtime,
        templates,
        lambda training, job, place: trainings.background(training, files, job, place),
        keep_logs=keep_logs,
    )
    if edited is None:
        return rendered
    return entries.edited(rendered, edited, rendered_token(run), files.experiment_id)
