"""The maker of the CPU, as the kernel tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from energyctl.meters import topology


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc/cpuinfo to write the maker into."""
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n")
    monkeypatch.setattr(topology, "CPUINFO", path)
    return path
