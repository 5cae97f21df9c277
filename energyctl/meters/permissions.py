"""Who may read the CPU's energy counters, and the cures in words."""

from __future__ import annotations

import os
from pathlib import Path

from energyctl.system import privileges

PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
GROUP = "energy"

# udev(7): KERNEL matches the zone's name (a control type has no colon), %S is where sysfs is
# mounted, %p the zone's path below it. RUN needs absolute paths and knows no shell.
UDEV_RULE = f"""\
# CPU energy counters (RAPL) for the group "{GROUP}". Written by: energyctl doctor --udev
#
# Install it:
#   sudo groupadd --system {GROUP}
#   sudo usermod --append --groups {GROUP} "$USER"      # and log in anew
#   energyctl doctor --udev | sudo tee /etc/udev/rules.d/70-energyctl.rules
#   sudo udevadm control --reload
#   sudo udevadm trigger --subsystem-match=powercap
# Take it back: delete the file, then
#   sudo chmod 0400 /sys/class/powercap/*:*/energy_uj
#
# What it opens up: since Linux 5.10 only root may read energy_uj, because the energy of a package
# tells about the data and the keys that any process on it works with (PLATYPUS, CVE-2020-8694
# and, on AMD, CVE-2020-12912). With this rule, each member of the group can watch every user of
# this machine so. Let in only whom you would also let become root.
SUBSYSTEM=="powercap", ACTION=="add|change", KERNEL=="intel-rapl*:*", \\
  RUN+="/bin/chgrp {GROUP} %S%p/energy_uj", RUN+="/bin/chmod 0440 %S%p/energy_uj"
#
# For all users instead, which is what CVE-2020-8694 warns of: put this line in place of the rule.
#SUBSYSTEM=="powercap", ACTION=="add|change", KERNEL=="intel-rapl*:*", \\
#  RUN+="/bin/chmod 0444 %S%p/energy_uj"
"""


def perf_event_paranoid() -> int | None:
    """kernel.perf_event_paranoid; None where the kernel has no perf events."""
    try:
        return int(PARANOID.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def denied(powercap_root: Path, perf_root: Path) -> str:
    """Why the counters cannot be read and every cure that would do here; one text for all sources.

    Documentation/admin-guide/sysctl/kernel.rst: from perf_event_paranoid 1 on, events of a whole
    CPU need CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8).
    """
    if os.geteuid() == 0 or privileges.given_up():
        cures = ["this root lacks CAP_PERFMON: start its container with --cap-add PERFMON"]
    else:
        cures = ["run with sudo"]
    if any(powercap_root.glob("intel-rapl*:*/energy_uj")):
        cures.append(
            "or let a group read them by the rule that `energyctl doctor --udev` prints "
            f"(all users, until the next boot: sudo chmod a+r {powercap_root}/*:*/energy_uj)"
        )
    if (perf_root / "power" / "type").exists():
        now = perf_event_paranoid()
        cures.append(
            "or allow power events to all users: sudo sysctl kernel.perf_event_paranoid=0"
            + ("" if now is None else f" (it is {now})")
        )
    return (
        "the kernel lets only root read the CPU's energy counters, which tell about the data that "
        f"it works with (CVE-2020-8694): {', '.join(cures)}"
    )
