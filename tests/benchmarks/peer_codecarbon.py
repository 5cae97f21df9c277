"""codecarbon around a sleep; its option is `measure_power_secs`, "default" for its own."""

from __future__ import annotations

from codecarbon import OfflineEmissionsTracker
from peer import OPTION, metered, tell, wait

options = {} if OPTION == "default" else {"measure_power_secs": float(OPTION)}
tracker = OfflineEmissionsTracker(
    country_iso_code="USA",
    save_to_file=False,
    log_level="error",
    allow_multiple_runs=True,
    **options,
)
wait()
tracker.start()
metered()
tracker.stop()
kilowatt_hours = tracker.final_emissions_data
tell(cpu=kilowatt_hours.cpu_energy * 3.6e6, gpu=kilowatt_hours.gpu_energy * 3.6e6)
