"""The figures of docs/figures.md, from results: python docs/figures/make.py RESULTS RUN LIMITS

RESULTS: a folder of results, of one campaign with conditions in blocks, alone among them; RUN: an
experiment id in it, of a run beside a background; LIMITS: a folder of results of a campaign over
power limits. What is drawn is the same whenever the results are.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIGURES = {
    "plot-power.svg": ["{results}/{run}.json"],
    "plot-conditions.svg": ["{results}", "--kind", "conditions"],
    "plot-shares.svg": ["{results}", "--kind", "shares"],
    "plot-tradeoff.svg": ["{limits}", "--kind", "tradeoff"],
    "plot-comparison.svg": ["{results}", "--kind", "comparison", "--width", "170mm"],
}


def main(results: str, run: str, limits: str) -> None:
    names = {"results": Path(results).resolve(), "run": run, "limits": Path(limits).resolve()}
    for name, arguments in FIGURES.items():
        filled = [each.format(**names) for each in arguments]
        place = Path(__file__).with_name(name).resolve()
        command = [sys.executable, "-m", "energyctl", "plot", *filled, "--out", str(place)]
        subprocess.run([*command, "--force"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
