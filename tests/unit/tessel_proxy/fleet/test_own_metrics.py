"""The limits that all workers have together."""

import pytest

from tessel_proxy.fleet.own_metrics import WorkerLimits
from tessel_proxy.limits.descriptors import PLENTY, RESERVED
from tessel_proxy.startup.config import Config


@pytest.mark.parametrize(
    ("workers", "descriptors", "tunnels"),
    [(2, PLENTY, 1000), (2, 2 * RESERVED, RESERVED), (4, 2 * RESERVED, 2 * RESERVED)],
)
def test_tunnels_are_limited_by_the_setting_or_the_descriptors_of_all_workers(
    workers, descriptors, tunnels
):
    config = Config(max_tunnels=1000)
    assert WorkerLimits.of(workers, config, descriptors) == WorkerLimits(workers, tunnels)
