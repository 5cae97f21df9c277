"""What the machine has received over the network."""

from __future__ import annotations

from energyctl.system.network import growth, received_bytes

DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets
    lo: 9999999     100    0    0    0     0          0         0  9999999     100
  eth0: 65000123    500    0    0    0     0          0         0      321       5
docker0:4096 2 0 0 0 0 0 0 0 0
broken: ?
"""


def test_each_interface_but_the_loopback_is_read() -> None:
    assert received_bytes(DEV) == {"eth0": 65000123, "docker0": 4096}
    assert "lo" not in received_bytes()


def test_the_interface_that_grew_most_counts_and_not_their_sum() -> None:
    before = {"eth0": 100, "docker0": 50, "reset": 900, "gone": 1}
    after = {"eth0": 160, "docker0": 100, "reset": 5, "new": 10**9}
    assert growth(before, after) == 60
    assert growth({"reset": 900}, {"reset": 5}) is None
    assert growth({}, after) is None
