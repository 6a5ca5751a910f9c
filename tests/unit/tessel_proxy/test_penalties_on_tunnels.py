"""Penalties as devices meet them."""

import pytest_twisted

from tessel_proxy.auth import Hardcoded
from unit.tessel_proxy.stage import TOKEN, LoggedEvents, Stage
from unit.tessel_proxy.test_limits_on_sockets import (
    accepted,
    authority,  # noqa: F401 -- fixtures
    connected,
    logged,  # noqa: F401
    make,  # noqa: F401
    server_tls,  # noqa: F401
)


class Asked(Hardcoded):
    """Counts."""

    def __init__(self):
        super().__init__(TOKEN)
        self.tokens = []

    def check(self, token):
        self.tokens.append(token)
        return super().check(token)


def test_a_token_that_stays_wrong_is_not_asked_about_each_time():
    asked = Asked()
    stage = Stage(asked)
    with LoggedEvents() as logged:  # noqa: F811
        for _ in range(5):
            stage.say({"token": "old", "features": ["retry/1"]})
    assert asked.tokens == ["old"] * 3
    assert [each["retry"] for each in stage.heard] == [False] * 5
    assert [each["error"] for each in logged.named("tunnel_refused")] == ["TP2005"] * 3 + [
        "TP2017"
    ] * 2


def test_the_right_token_does_not_wait_for_the_wrong_one():
    stage = Stage()
    for _ in range(4):
        stage.say({"token": "old"})
    stage.authenticate()
    assert stage.heard[-1]["authed"] is True


def test_what_is_no_token_costs_only_its_own_tunnel():
    stage = Stage(max_wrong_tokens=1)
    stage.say({"token": 5})
    stage.authenticate()
    assert stage.heard[-1]["authed"] is True


@pytest_twisted.ensureDeferred
async def test_a_guesser_is_not_answered_and_its_neighbour_is(make, authority, logged):  # noqa: F811
    proxy = make(max_wrong_tokens=1)
    neighbour, _ = await accepted(proxy, authority)
    guesser = await connected(proxy, authority)
    guesser.tunnel.message({"token": "guess"})
    await guesser.answered
    again = await connected(proxy, authority)
    again.tunnel.message({"token": "another", "features": ["retry/1"]})
    assert (await again.answered)["retry"] is True
    assert logged.named("tunnel_refused")[-1]["error"] == "TP2018"
    back, answer = await accepted(proxy, authority)
    assert answer == {"authed": True}
    for device in (neighbour, guesser, again, back):
        device.tunnel.loseConnection()
        await device.gone
