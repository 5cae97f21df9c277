"""Packages with a source of energy figures, as an installer leaves them."""

from __future__ import annotations

from pathlib import Path

from energyctl.meters.discovery import GROUP


def install(site: Path, module: str, source: str, entry: str) -> None:
    """One module and one entry point."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(source, "utf-8")
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{entry}\n")
