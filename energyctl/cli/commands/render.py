"""The command ``render``."""

from __future__ import annotations

import click

from energyctl.cli import options
from energyctl.cli.output.lines import show
from energyctl.cli.problems import show_problems
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace


@click.command()
@options.settings_file
@click.option(
    "--out", metavar="DIR", default="rendered", show_default=True, help="Write the entries to DIR."
)
@options.seed
@options.models
@options.results
@click.pass_obj
def render(
    workspace: Workspace,
    file: str,
    out: str,
    seed: int | None,
    models: str | None,
    folder: str | None,
) -> int:
    """Write the supervisord entries that `run` would use.

    They are for reading and editing; after an edit, use them with
    `energyctl run FILE --rendered DIR`.
    """
    from energyctl.campaign.prepare import prepare_file, render_only
    from energyctl.campaign.rendering import rendered_token
    from energyctl.cli.result_arguments import results_folder
    from energyctl.results.paths import RunFiles

    prepared = prepare_file(workspace, file, models, seed, folder)
    show_problems(prepared.name, prepared.problems)
    if prepared.settings is None or prepared.plan is None:
        return SettingsError.exit_code
    runs = [run for run in prepared.plan.runs if run.background]
    if not runs:
        raise SettingsError(f"{prepared.name}: no parallel run in it, so nothing to render")
    results, place = results_folder(workspace, folder), workspace.given(out)
    for run in runs:
        rendered = render_only(workspace, prepared, results, run)
        place.mkdir(parents=True, exist_ok=True)
        files = RunFiles.of(place, rendered_token(run))
        for path, text in ((files.entries, rendered.entries), (files.script, rendered.script)):
            path.write_text(text, encoding="utf-8")
            show(str(path))
    return int(prepared.invalid)
