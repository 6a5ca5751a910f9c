"""The tunnels of an account in a simulated fleet: late calls, moves, deaths, outages, lost data."""

from random import Random

import pytest

from support.fleet_world import World
from tessel_proxy.startup.config import Config

NAMES = [None, None, "till", "door", "shed", "lamp", "gate"]


def config(limit):
    return Config(max_tunnels_per_account=limit, bytes_per_day=0)


def device_does_something(world):
    process, name = world.pick(), world.random.choice(NAMES)
    match world.random.randrange(8):
        case 0 | 1 | 2 | 3:
            for _ in range(world.random.choice([1, 1, 1, 8])):
                process.open(name)
        case 4 | 5 | 6:
            if name in process.here or (name is None and process.unnamed):
                process.close(name)
        case 7:
            if process.asking:
                world.random.choice(process.asking).cancel()


def fill(world):
    """Open tunnels until none more is allowed."""
    before = -1
    while before != world.open_now:
        before = world.open_now
        for each in list(world.processes.values()):
            each.open(None)
            world.passes(0.5)


@pytest.mark.parametrize("limit", [5, 90])
@pytest.mark.parametrize("seed", range(6))
def test_with_its_engine_an_account_has_exactly_its_limit(seed, limit):
    world = World(Random(seed), config(limit))
    for _ in range(150):
        for _ in range(4):
            device_does_something(world)
            world.passes(world.random.choice([0.0, 0.01, 0.05]))
        if world.random.random() < 0.02:
            world.die(world.pick())
            world.start_one()
        world.passes(world.random.choice([0.2, 1.0]))  # notices of moves arrive
        assert world.open_now <= limit
    world.passes(3.0)
    names = [name for each in world.processes.values() for name in each.here]
    assert len(names) == len(set(names))  # each device was told to where it had been
    fill(world)
    assert world.open_now == limit


@pytest.mark.parametrize("seed", range(6))
def test_an_engine_that_lost_its_data_or_was_away_admits_nothing_above_the_limit(seed):
    limit = 9
    world = World(Random(seed), config(limit))
    for _ in range(12):
        for _ in range(10):
            device_does_something(world)
            world.passes(0.2)
        world.passes(2.0)
        before = world.open_now
        world.fail(world.random.choice(["lost", "cut", "deaf"]))
        for _ in range(20):
            device_does_something(world)
            world.passes(0.3)
        assert world.open_now <= max(before, limit) + world.allowed_alone
        world.recover()
        world.passes(5.0)
        after = world.open_now
        fill(world)
        assert world.open_now <= max(limit, after)
        world.close_all()
    fill(world)
    assert world.open_now == limit
