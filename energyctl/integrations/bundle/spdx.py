"""The trained models, as SPDX 3.0.1 with the AI profile has them (spdx.github.io/spdx-spec/v3.0.1).

A package for each training that ended well: its values, metrics, and, of one that ran alone, its
energy. Of a run beside a background the energy is not the model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from energyctl.integrations.bundle import boamps
from energyctl.integrations.bundle.description import Description, iso
from energyctl.results.api import Run, Runs
from energyctl.text import energy as energy_words

SPDX = "spdx.json"
CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
NOT_KNOWN = "NOASSERTION"

STAGES = {
    "training": "ai_trainingEnergyConsumption",
    "finetuning": "ai_finetuningEnergyConsumption",
    "inference": "ai_inferenceEnergyConsumption",
}
"""Stage, as BoAmps has it, → its property."""

QUANTITY = "ai_energyQuantity"


def spdx_document(runs: Runs, description: Description) -> dict[str, Any]:
    space = f"urn:uuid:{description.namespace}#"
    creation = "_:creation"
    tool = {
        "type": "Tool",
        "spdxId": f"{space}energyctl",
        "creationInfo": creation,
        "name": f"energyctl {description.energyctl}",
    }
    authors = [
        {"type": "Agent", "spdxId": f"{space}author-{n}", "creationInfo": creation, "name": name}
        for n, name in enumerate(description.authors or (NOT_KNOWN,), 1)
    ]
    trained = [run for run in runs if run.status == "succeeded" and not run.warm_up]
    packages = [_package(run, description, space, authors[0]["spdxId"]) for run in trained]
    elements = [tool, *authors, *packages]
    document = {
        "type": "SpdxDocument",
        "spdxId": f"{space}document",
        "creationInfo": creation,
        "name": description.title,
        "profileConformance": ["core", "software", "ai"],
        "element": [one["spdxId"] for one in elements],
        "rootElement": [one["spdxId"] for one in packages] or [tool["spdxId"]],
    }
    made = {
        "type": "CreationInfo",
        "@id": creation,
        "specVersion": "3.0.1",
        "created": description.created_iso,
        "createdBy": [one["spdxId"] for one in authors],
        "createdUsing": [tool["spdxId"]],
    }
    return {"@context": CONTEXT, "@graph": [made, document, *elements]}


def _package(run: Run, description: Description, space: str, supplier: str) -> dict[str, Any]:
    return {
        "type": "ai_AIPackage",
        "spdxId": f"{space}{run.experiment_id}",
        "creationInfo": "_:creation",
        "name": f"{run.repository}/{run.model}",
        "software_packageVersion": run.experiment_id,
        "software_primaryPurpose": "model",
        "software_downloadLocation": NOT_KNOWN,
        "suppliedBy": supplier,
        "releaseTime": iso(run.ended or description.created),
        "ai_typeOfModel": [str(run.model)],
        **_entries("ai_hyperparameter", run.hyperparameters),
        **_entries("ai_metric", run.metrics),
        "ai_informationAboutTraining": _words(run),
        **_energy(run, description.boamps),
    }


def _entries(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    entries = [
        {"type": "DictionaryEntry", "key": key, "value": str(value)}
        for key, value in sorted(values.items())
        if value is not None
    ]
    return {name: entries} if entries else {}


def _words(run: Run) -> str:
    energy = run.energy
    total = None if energy is None else energy.total_joules
    if energy is None or total is None:
        return f"energy: not known; condition: {run.condition}"
    words = energy_words(total, energy.uncertainty_joules, measured=energy.measured)
    of = "the whole machine's, with the background's in it" if run.jobs else "the whole machine's"
    return f"energy: {words}, {of}; condition: {run.condition}"


def _energy(run: Run, told: Mapping[str, Any]) -> dict[str, Any]:
    kind = STAGES.get(str(told.get("task", {}).get("taskStage", "training")))
    if kind is None or not boamps.reported(Runs([run])):
        return {}
    assert run.energy is not None
    assert run.energy.total_joules is not None
    described = {
        "type": "ai_EnergyConsumptionDescription",
        QUANTITY: megajoules(run.energy.total_joules),
        "ai_energyUnit": "megajoule",
    }
    return {"ai_energyConsumption": {"type": "ai_EnergyConsumption", kind: [described]}}


def megajoules(joules: float) -> str:
    """A decimal as XML Schema has it: every digit, no power of ten."""
    return f"{Decimal(repr(joules)).scaleb(-6).normalize():f}"
