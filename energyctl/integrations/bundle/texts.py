"""``README.md`` and ``CITATION.cff`` of an archive."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from energyctl.integrations.bundle import boamps
from energyctl.integrations.bundle.archive import MANIFEST
from energyctl.integrations.bundle.contents import CampaignFiles
from energyctl.integrations.bundle.crate import METADATA
from energyctl.integrations.bundle.description import DESCRIPTION, Description
from energyctl.integrations.bundle.lock import LOCK, lock_words
from energyctl.integrations.bundle.methods import METHODS
from energyctl.integrations.bundle.spdx import SPDX
from energyctl.text import count

README, CITATION, PAGE = "README.md", "CITATION.cff", "report.html"

_PARTS = {
    METHODS: "what was measured and how, with its limits, for the methods of a paper",
    PAGE: "the report, to be opened in a browser; it needs nothing beside it",
    "results/": "a JSON file for each run; beside it time series, logs and supervisord entries",
    "results/campaigns/": "the journal: settings, registry, every drawn value, and what was done",
    "settings/": "settings file and model registry, as the journal holds them",
    LOCK: "machines, drivers, Python packages, commits of the trainings' repositories",
    METADATA: "all of it described for machines: RO-Crate 1.1, profile Process Run Crate 0.5",
    f"{boamps.FOLDER}/": "reports in the format of BoAmps, one for each training that ran alone",
    SPDX: "the trained models, SPDX 3.0.1 with the AI profile",
    CITATION: "how to cite it",
    MANIFEST: "SHA-256 of each file",
    DESCRIPTION: "what the archive was made with, read by `energyctl bundle --check`",
}


def readme(
    files: CampaignFiles, description: Description, lock: Mapping[str, Any], names: Sequence[str]
) -> str:
    """names: of all other files that are in it."""
    lines = [
        f"# {description.title}",
        "",
        f"The energy campaign `{description.campaign}` (journal `{description.journal}`), measured "
        f"by energyctl: {count(len(files.runs), 'run')}, the last of which ended on "
        f"{description.created_iso}. Made by energyctl {description.energyctl}.",
        "",
        f"Authors: {', '.join(description.authors) or 'not known'}. "
        f"Licence: {description.license or 'not known'}.",
        "",
        "## What is in it",
        "",
        "| file | |",
        "|---|---|",
        *(f"| `{name}` | {what} |" for name, what in _PARTS.items() if _there(name, names)),
        "",
        "Figures are of the whole machine, each with the half-width of its band; what is estimated "
        "says so. Host name, paths of the workspace, user names of other processes and the "
        "trainings' own output stand in it as the runs wrote them.",
        "",
        "## Check it",
        "",
        "```sh",
        f"sha256sum -c {MANIFEST}          # in the folder that it was unpacked to",
        "energyctl bundle --check FILE.zip   # also that all parts say the same",
        "```",
        "",
        "## Look at it, run it again",
        "",
        "```sh",
        "energyctl report results                # in the folder that it was unpacked to",
        "energyctl bundle --reproduce FILE.zip   # in a workspace with the same clones in repos/",
        "```",
        "",
        "`--reproduce` runs the commands of `settings/models_config.json` as you: read them first.",
        "",
        *_not_in_it(files, description, lock),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _there(name: str, names: Sequence[str]) -> bool:
    always = (README, CITATION, MANIFEST, METADATA, DESCRIPTION)
    if name == CITATION:
        return name in names
    return name in always or any(one == name or one.startswith(name) for one in names)


def _not_in_it(
    files: CampaignFiles, description: Description, lock: Mapping[str, Any]
) -> list[str]:
    lines = [f"Left out: {line}" for line in description.left_out]
    if files.missing:
        lines.append(f"No result: {count(files.missing, 'planned run')}")
    if not description.authors:
        lines.append("Not known: the authors, so there is no CITATION.cff")
    if description.license is None:
        lines.append("Not known: the licence. Without one nobody may use it but as the law allows")
    told = boamps.not_told(description.boamps)
    if told and boamps.reported(files.runs):
        lines.append(
            f"Not known, and required by BoAmps: {', '.join(told)}; the reports are incomplete "
            "without them"
        )
    lines += [f"Not known: {line}" for line in lock_words(lock)]
    lines.append(
        "Not known: where models and data sets are published, and whether files of a clone "
        "differed from its commit"
    )
    return ["## What is not in it", "", *(f"- {line}." for line in lines)]


def citation(description: Description) -> str | None:
    """Citation File Format 1.2.0; None without authors, whom it requires."""
    if not description.authors:
        return None
    lines = [
        "cff-version: 1.2.0",
        'message: "If you use these measurements, please cite them as below."',
        "type: dataset",
        f"title: {_quoted(description.title)}",
        "authors:",
    ]
    for author in description.authors:
        family, comma, given = (part.strip() for part in author.partition(","))
        if comma:
            lines += [f"  - family-names: {_quoted(family)}", f"    given-names: {_quoted(given)}"]
        else:
            lines.append(f"  - name: {_quoted(author)}")
    lines.append(f"date-released: {_quoted(description.created_iso[:10])}")
    if description.license is not None:
        lines.append(f"license: {_quoted(description.license)}")
    lines.append('keywords: ["energy", "machine learning", "measurement"]')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A string of YAML, which a string of JSON is, too (YAML 1.2, 1.3)."""
    return json.dumps(text)
