"""Time series of an attempt, as its CSV files hold them."""

from __future__ import annotations

from pathlib import Path

from energyctl.results import time_series


def test_gpus_have_the_names_of_their_domains(tmp_path: Path) -> None:
    rows = ["timestamp,gpu,power_draw_w,energy_j", "1.0,0,100.0,0.0", "1.0,module-1,300.0,0.0"]
    (tmp_path / "gpu_power.csv").write_text("\n".join([*rows, ""]))
    power = time_series.power(tmp_path)
    assert power["domain"].to_list() == ["gpu-0", "module-1"]
