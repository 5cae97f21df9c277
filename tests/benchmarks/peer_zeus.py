"""zeus around a sleep. Its CPU figure is that of indices 0 and 1: it counts psys as a third CPU."""

from __future__ import annotations

from peer import metered, tell, wait
from zeus.monitor import ZeusMonitor

if __name__ == "__main__":  # it starts processes that import this file
    monitor = ZeusMonitor()
    wait()
    monitor.begin_window("all", sync_execution=False)
    metered()
    window = monitor.end_window("all", sync_execution=False)
    cpu = window.cpu_energy or {}
    packages = [cpu.get(index) for index in (0, 1)]
    tell(
        cpu=None if None in packages else sum(packages),
        gpu=sum(window.gpu_energy.values()) if window.gpu_energy else None,
    )
