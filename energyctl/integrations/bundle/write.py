"""A bundle, written: files first, then what is said about them, the checksums last."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from energyctl.analysis.report.sources import drift_of
from energyctl.errors import MachineError, SettingsError
from energyctl.integrations.bundle import boamps
from energyctl.integrations.bundle.archive import MANIFEST, Archive
from energyctl.integrations.bundle.contents import SETTINGS, CampaignFiles
from energyctl.integrations.bundle.crate import METADATA, crate_document
from energyctl.integrations.bundle.description import DESCRIPTION, Description
from energyctl.integrations.bundle.lock import LOCK, lock_document
from energyctl.integrations.bundle.methods import METHODS, methods_text
from energyctl.integrations.bundle.spdx import SPDX, spdx_document
from energyctl.integrations.bundle.texts import CITATION, PAGE, README, citation, readme
from energyctl.results.folder import to_text
from energyctl.results.table_writers import staging
from energyctl.text import count

REGISTRY = f"{SETTINGS}/models_config.json"
SECRET = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:$|_)")


def write(
    place: Path,
    files: CampaignFiles,
    description: Description,
    workspace: Path,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Writes the archive whole or not at all; returns the bytes of each file in it, by name.

    Raises SettingsError where a file changes meanwhile, MachineError where it cannot be read or
    written.
    """
    lock = lock_document(files.head, files.runs, workspace)
    with staging() as staged:
        fresh = staged.begin(place)
        try:
            with Archive(fresh) as archive:
                for number, member in enumerate(files.members):
                    step(number, len(files.members))
                    if member.name == files.journal_name and files.journal_text is not None:
                        archive.add_text(member.name, files.journal_text)
                    else:
                        archive.add_file(member)
                for name, text in _texts(files, description, lock).items():
                    archive.add_text(name, text)
                sizes = dict(archive.sizes)
                archive.add_text(README, readme(files, description, lock, list(sizes)))
                sizes[README] = archive.sizes[README]
                archive.add_text(METADATA, to_text(_crate(files, description, lock, sizes)))
                archive.add_manifest()
        except OSError as error:
            where = error.filename or place
            raise MachineError(f"{where} cannot be put into {place}: {error.strerror}") from error
        staged.commit()
    return archive.sizes


def _crate(
    files: CampaignFiles, description: Description, lock: Mapping[str, Any], sizes: dict[str, int]
) -> dict[str, Any]:
    """The checksums hold its own, so their size is that of a line for each file."""
    lines = (64 + 2 + len(name.encode()) + 1 for name in (*sizes, METADATA))
    return crate_document(files, description, lock, {**sizes, MANIFEST: sum(lines)})


def _texts(
    files: CampaignFiles, description: Description, lock: Mapping[str, Any]
) -> dict[str, str]:
    """Name → content of what is made for it, in the order in which it is written."""
    found = {
        files.settings_name: files.head["settings"],
        REGISTRY: to_text(files.head["registry"]),
        LOCK: to_text(lock),
        DESCRIPTION: to_text(description.document()),
        METHODS: methods_text(files.head, files.runs, drift_of(files.runs)),
        SPDX: to_text(spdx_document(files.runs, description)),
    }
    for run in boamps.reported(files.runs):
        name = f"{boamps.FOLDER}/{run.experiment_id}.json"
        found[name] = to_text(boamps.report(run, description))
    if (page := _page(files, description)) is not None:
        found[PAGE] = page
    if (cff := citation(description)) is not None:
        found[CITATION] = cff
    return dict(sorted(found.items()))


def _page(files: CampaignFiles, description: Description) -> str | None:
    """The report; None where its libraries are not installed."""
    from energyctl.analysis.report.whole import whole_page

    try:
        settings = files.head["settings"]
        return whole_page(files.runs, description.title, now=description.created, settings=settings)
    except SettingsError:
        return None


def notes(files: CampaignFiles, description: Description) -> list[str]:
    """What who makes it should know: what is not in it, and which option adds it."""
    lines = [f"left out: {line}" for line in description.left_out]
    if names := list(secret_names(files.head["registry"])):
        lines.append(f"the registry is in it, with its values of {', '.join(names)}")
    if files.missing:
        lines.append(f"{count(files.missing, 'planned run')} without a result")
    if not description.authors:
        lines.append("no authors, so no CITATION.cff: --author NAME")
    if description.license is None:
        lines.append("no licence, so nobody knows what they may do with it: --license SPDX-ID")
    if boamps.reported(files.runs) and (told := boamps.not_told(description.boamps)):
        lines.append(f"BoAmps requires what is not known, --boamps FILE: {', '.join(told)}")
    return lines


def secret_names(registry: Any) -> Iterator[str]:
    """Variables by whose names they hold what others should not know."""
    if isinstance(registry, dict):
        for key, value in registry.items():
            named = key if isinstance(value, str) else ""
            if SECRET.search(named):
                yield named
            yield from secret_names(value)
    elif isinstance(registry, list):
        for one in registry:
            yield from secret_names(one)
