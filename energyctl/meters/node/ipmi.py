"""The machine's BMC from inside: `ipmitool dcmi power reading`.

The command prints "Instantaneous power reading: 215 Watts" among six lines (ipmitool,
lib/ipmi_dcmi.c, ipmi_dcmi_pwr_rd). Its "Sampling period" is that of the minimum, the maximum and
the mean, days on some machines. Over how long the reading itself is averaged, how often it is new,
and how true it is, no BMC says: cautious values are assumed, unless its owner states others. Some
BMCs call a good reading "deactivated", and some tell 0 W where they have none.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading

from energyctl.config.node_meters import Ipmi
from energyctl.meters.node.device import BMC_MAX_WATTS, NoAnswer, NodeDevice, node_domain

COMMAND = ("ipmitool", "dcmi", "power", "reading")
DEVICES = ("/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0")
"""What ipmitool opens, in its order (src/plugins/open/open.c)."""
READING = re.compile(r"^\s*Instantaneous power reading:\s*(\d+) Watts", re.MULTILINE)
UPDATE_SECONDS, AVERAGING_SECONDS, ACCURACY = 10.0, 30.0, 0.05


class IpmiReading(NodeDevice):
    poll_seconds, limit_seconds = 2.0, 5.0

    def __init__(self, name: str, meter: Ipmi) -> None:
        self.place = " ".join(COMMAND)
        self.domain = node_domain(
            name,
            "ipmi",
            quantity="power",
            resolution_watts=1.0,
            update_seconds=UPDATE_SECONDS,
            averaging_seconds=AVERAGING_SECONDS,
            relative_uncertainty=ACCURACY,
            max_watts=BMC_MAX_WATTS,
            missing=_why_not(),
        )
        self._lock = threading.Lock()  # guards the process
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False

    def ask(self) -> float:
        output, errors = self._run()
        match = READING.search(output)
        if match is None:
            said = (errors.strip() or output.strip()).splitlines()
            raise NoAnswer(f"{self.place}: {said[0] if said else 'printed no power'}")
        return float(match[1])

    def _run(self) -> tuple[str, str]:
        with self._lock:
            if self._cancelled:
                raise NoAnswer("it is closed")
            try:
                self._process = subprocess.Popen(
                    COMMAND,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    env={**os.environ, "LC_ALL": "C"},
                )
            except OSError as error:
                raise NoAnswer(f"{self.place}: {error.strerror}") from None
        with self._process as process:
            try:
                return process.communicate(timeout=self.limit_seconds)
            except subprocess.TimeoutExpired:
                limit = self.limit_seconds
                raise NoAnswer(f"{self.place}: no answer within {limit:g} s") from None
            finally:
                process.kill()
                with self._lock:
                    self._process = None

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()


def may_use(device: str) -> bool:
    return os.access(device, os.R_OK | os.W_OK)


def _why_not() -> str | None:
    """Why the BMC cannot be asked from here, and what to do; None: it can."""
    if shutil.which(COMMAND[0]) is None:
        return "there is no ipmitool on the PATH: install the package ipmitool"
    device = next((path for path in DEVICES if os.path.exists(path)), None)
    if device is None:
        return (
            "there is no /dev/ipmi0: load the kernel's driver (modprobe ipmi_si ipmi_devintf), "
            "or ask the BMC over the network (redfish)"
        )
    if not may_use(device):
        return (
            f"{device} is root's: give it to a group by a udev rule, which lets that group do "
            "anything to the BMC, also switch the machine off; or ask the BMC over the network "
            "by an account that may only read (redfish)"
        )
    return None
