"""The command ``attribute``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import json_text

if TYPE_CHECKING:
    from energyctl.results.pairs import Pairs


@click.command()
@options.results_or_campaigns
@options.as_json
@click.pass_obj
def attribute(workspace: Workspace, results: tuple[str, ...], as_json: bool) -> int:
    """Show what trainings cost beside a background, pair by pair.

    A pair is a run beside a background and a run alone of the same training, values and seed. It
    shows how much both hinder each other, and what doing both together saves or costs. RESULTS are
    result files, folders of them, experiment ids or campaigns (default: the newest campaign).
    docs/interference.md says what each figure means.
    """
    from energyctl.analysis import interference
    from energyctl.cli.result_arguments import load_campaigns

    runs = load_campaigns(workspace, results)
    found = runs.pairing
    if not found.pairs:
        raise SettingsError(_no_pairs(found))
    if as_json:
        click.echo(json_text(interference.document(found)))
    else:
        from energyctl.cli.output.attribute import show
        from energyctl.cli.output.console import make_console

        show(found, make_console())
    return int(bool(runs.problems))


def _no_pairs(found: Pairs) -> str:
    why = f" ({'; '.join(found.notes)})" if found.notes else ""
    return (
        f"there is no pair of a run beside a background and one alone{why}; `conditions` in the "
        "settings file runs the same training under both (docs/interference.md)"
    )
