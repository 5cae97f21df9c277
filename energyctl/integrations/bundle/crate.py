"""``ro-crate-metadata.json``: RO-Crate 1.1, profile Process Run Crate 0.5 (Workflow Run RO-Crate).

A run is a CreateAction: by the training's repository at its commit and energyctl, of the settings
and values, with the result and its time series.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from energyctl.errors import SettingsError
from energyctl.integrations.bundle.contents import RESULTS, CampaignFiles
from energyctl.integrations.bundle.description import Description, iso
from energyctl.results.api import Run
from energyctl.results.paths import RunFiles
from energyctl.system.dependencies import extra_install
from energyctl.text import safe_name

METADATA = "ro-crate-metadata.json"
VERSION = "1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"

FORMATS = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".html": "text/html",
    ".cff": "application/yaml",
}
PLAIN = "text/plain"


def library() -> Any:
    """The library `rocrate`. Raises SettingsError where it is not installed."""
    try:
        return importlib.import_module("rocrate.rocrate")
    except ImportError as error:
        raise SettingsError(f"bundle needs rocrate: {extra_install('bundle')}") from error


def crate_document(
    files: CampaignFiles,
    description: Description,
    lock: Mapping[str, Any],
    sizes: Mapping[str, int],
) -> dict[str, Any]:
    """sizes: bytes of each file, by name."""
    return _Crate(files, description, lock, sizes).document()


class _Crate:
    def __init__(
        self,
        files: CampaignFiles,
        description: Description,
        lock: Mapping[str, Any],
        sizes: Mapping[str, int],
    ) -> None:
        self.files, self.description, self.lock, self.sizes = files, description, lock, sizes
        self.crate = library().ROCrate(version=VERSION)
        self.authors: list[Any] = []

    def document(self) -> dict[str, Any]:
        self._root()
        for name in sorted(self.sizes):
            self._file(name)
        energyctl = self._energyctl()
        trainings = {name: self._training(name) for name in sorted(self.lock["trainings"])}
        runs = [self._run(run, trainings.get(str(run.repository)), energyctl) for run in self.runs]
        self.crate.root_dataset["mentions"] = runs
        document: dict[str, Any] = self.crate.metadata.generate()
        document["@graph"].sort(key=lambda entity: (entity["@id"] != METADATA, entity["@id"]))
        return document

    @property
    def runs(self) -> Iterable[Run]:
        return self.files.runs

    def _add(self, identifier: str, **properties: Any) -> Any:
        kind = properties.pop("type")
        from rocrate.model import ContextEntity

        return self.crate.add(ContextEntity(self.crate, identifier, {"@type": kind, **properties}))

    def _root(self) -> None:
        root, said = self.crate.root_dataset, self.description
        root["name"] = said.title
        root["description"] = (
            f"Energy campaign {said.campaign}, measured by energyctl: results, time series, "
            "settings, registry and journal"
        )
        root["datePublished"] = said.created_iso
        root["conformsTo"] = self._add(
            PROFILE, type="CreativeWork", name="Process Run Crate", version="0.5"
        )
        self.authors = [
            self._add(f"#author-{number}", type="Person", name=name)
            for number, name in enumerate(said.authors, 1)
        ]
        if self.authors:
            root["author"] = _one_or_all(self.authors)
        if said.license is None:
            root["license"] = "not known"
        else:
            root["license"] = self._add(
                f"https://spdx.org/licenses/{said.license}", type="CreativeWork", name=said.license
            )

    def _file(self, name: str) -> None:
        ending = re.search(r"\.[a-z]+$", name)
        self.crate.add_file(
            dest_path=name,
            source=None,
            properties={
                "name": name,
                "contentSize": str(self.sizes[name]),
                "encodingFormat": FORMATS.get(ending[0] if ending else "", PLAIN),
            },
        )

    def _energyctl(self) -> Any:
        python = self._add(
            "#python", type="SoftwareApplication", name="Python",
            softwareVersion=self.lock["energyctl"]["python"], url="https://www.python.org/",
        )  # fmt: skip
        versions = sorted({str(run.environment.get("energyctl")) for run in self.runs})
        return self._add(
            "#energyctl", type="SoftwareApplication", name="energyctl",
            softwareVersion=", ".join(versions), softwareRequirements=python,
        )  # fmt: skip

    def _training(self, name: str) -> Any:
        """Its repository at its commit, and the packages of its interpreter as far as known."""
        found = self.lock["trainings"][name]
        commits = found["commits"] or [found["commit_now"]] if found["path"] else []
        version = ", ".join(one for one in commits if one)
        packages = [
            self._add(
                f"#package-{quote(f'{name}-{package}-{number}')}", type="SoftwareApplication",
                name=package, softwareVersion=number,
            )
            for package, number in (found["packages"] or {}).items()
        ]  # fmt: skip
        return self._add(
            f"#training-{quote(name)}", type="SoftwareApplication", name=name,
            **({"softwareVersion": version} if version else {}),
            **({"softwareRequirements": _one_or_all(packages)} if packages else {}),
        )  # fmt: skip

    def _run(self, run: Run, training: Any, energyctl: Any) -> Any:
        number = run.row.get("run")
        action = {
            "type": "CreateAction",
            "name": f"Run {number}: {run.repository} / {run.model}, {run.condition}",
            "description": f"Training measured by energyctl, status {run.status}",
            "instrument": _one_or_all([one for one in (training, energyctl) if one is not None]),
            "object": [*self._inputs(), *self._values(run)],
            "result": [self.crate.get(quote(name)) for name in self._results(run)],
            "actionStatus": "http://schema.org/CompletedActionStatus",
        }
        if run.status != "succeeded":
            action["actionStatus"] = "http://schema.org/FailedActionStatus"
            action["error"] = str(run.row.get("error") or run.status)
        if run.started is not None:
            action["startTime"] = _moment(run.started)
        if run.ended is not None:
            action["endTime"] = _moment(run.ended)
        if self.authors:
            action["agent"] = _one_or_all(self.authors)
        return self._add(f"#run-{run.experiment_id}", **action)

    def _inputs(self) -> list[Any]:
        names = (self.files.settings_name, "settings/models_config.json")
        return [self.crate.get(quote(name)) for name in names]

    def _values(self, run: Run) -> list[Any]:
        values = {**run.hyperparameters, "condition": run.condition}
        return [
            self._add(
                f"#value-{run.experiment_id}-{quote(safe_name(name))}",
                type="PropertyValue", name=name, value=str(value),
            )
            for name, value in values.items()
        ]  # fmt: skip

    def _results(self, run: Run) -> list[str]:
        """Names of the files of the run that are in the archive."""
        files = RunFiles.of_result(run.path)
        attempts = run.result["foreground_result"].get("attempts", ())
        logs = {str(one.get("log")) for one in attempts}
        single = {f"{RESULTS}/{p.name}" for p in (files.result, files.power_around)}
        single |= {f"{RESULTS}/{name}" for name in logs}
        within = (
            f"{RESULTS}/{files.energy_prefix}",
            f"{RESULTS}/{files.outputs.name}/",
        )
        return [name for name in sorted(self.sizes) if name in single or name.startswith(within)]


def _one_or_all(entities: list[Any]) -> Any:
    """RO-Crate 1.1 would have no list of one (appendix "RO-Crate JSON-LD")."""
    return entities[0] if len(entities) == 1 else entities


def _moment(instant: float) -> str:
    return iso(instant).replace("Z", "+00:00")
