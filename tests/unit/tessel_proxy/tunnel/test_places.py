"""What a tunnel tells those that count tunnels together with other processes."""

from dataclasses import replace

import pytest

from support.proxy_in_memory import Stage


class Places:
    """Allows each tunnel if `allows`, and keeps what was said."""

    def __init__(self, allows=True):
        self.allows = allows
        self.said = []

    async def take(self, account, device):
        self.said.append(("take", account, device))
        return self.allows

    def left(self, account, device):
        self.said.append(("left", account, device))


def staged(places):
    stage = Stage()
    stage.shared = replace(stage.shared, places=places)
    stage.begin_again()
    return stage


@pytest.fixture
def places():
    return Places()


def test_a_named_device_whose_tunnel_ends_has_left(places):
    stage = staged(places)
    stage.authenticate("device/1", device="board")
    stage.session.stop()
    stage.pump()
    account = places.said[0][1]
    assert places.said == [("take", account, "board"), ("left", account, "board")]


def test_a_device_without_a_name_leaves_nothing_to_report(places):
    stage = staged(places)
    stage.authenticate()
    stage.session.stop()
    stage.pump()
    assert [each[0] for each in places.said] == ["take"]


def test_a_device_that_is_refused_has_not_left():
    places = Places(allows=False)
    stage = staged(places)
    stage.authenticate("device/1", device="board")
    stage.pump()
    assert [each[0] for each in places.said] == ["take"]


def test_a_device_that_comes_back_here_has_left_before_it_is_counted_again(places):
    stage = staged(places)
    stage.authenticate("device/1", device="board")
    stage.begin_again()
    stage.authenticate("device/1", device="board")
    assert [each[0] for each in places.said] == ["take", "left", "take"]
