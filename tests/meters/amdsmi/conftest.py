"""A machine with two AMD GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware.amdsmi import ADDRESSES, Machine, build, pci_tree


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("amdsmi"))


@pytest.fixture
def machine(library: Path, tmp_path: Path) -> Machine:
    pci_tree(tmp_path, *ADDRESSES[:2])
    return Machine(library, tmp_path)
