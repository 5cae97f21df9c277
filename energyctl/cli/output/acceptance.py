"""``doctor --accept`` in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from energyctl.cli.output.lines import show
from energyctl.meters.acceptance.judgements import Finding

BEGIN = "about ten minutes; the GPU and the machine should do nothing else"


def show_finding(finding: Finding) -> None:
    """A line for each step, when it is over."""
    show(f"{finding.step:<9}{'passed' if finding.passed else 'FAILED'}   {finding.sentence}")


def show_record(document: Mapping[str, Any], claim: str) -> None:
    gpu = document["gpu"]
    show("", f"GPU {gpu['index']} ({gpu['name']}): {claim}", f"written to {document['file']}")
