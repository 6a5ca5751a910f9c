"""The resolver that Twisted's endpoints and agents use."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHostnameResolver
from zope.interface import implementer

from tessel_service_kit.names import Early, NoAnswerError
from tessel_service_kit.resolver import SystemResolver, resolver_of


class Receiver:
    """Records its calls, with Twisted's interface."""

    def __init__(self):
        self.calls = []

    def resolutionBegan(self, resolution):
        self.calls.append(resolution.name)

    def addressResolved(self, address):
        self.calls.append(address)

    def resolutionComplete(self):
        self.calls.append("complete")


class ReceiverOfFailures(Receiver):
    """Has the additional method for failed look-ups."""

    def resolutionFailed(self):
        self.calls.append("failed")


def calls_after(answer, receiver):
    resolver = SystemResolver(None)
    resolver._lookup = lambda _name: answer
    resolver.resolveHostName(receiver, "example.com", 80)
    return receiver.calls


FOUND = ("2001:4860::1", "192.0.2.1")
ADDRESSES = [IPv6Address("TCP", "2001:4860::1", 80), IPv4Address("TCP", "192.0.2.1", 80)]


@pytest.mark.parametrize("found", [FOUND, Early(FOUND, Deferred())])
def test_addresses_are_reported_in_their_order(found):
    assert calls_after(succeed(found), Receiver()) == ["example.com", *ADDRESSES, "complete"]


@pytest.mark.parametrize(("kind", "last"), [(Receiver, "complete"), (ReceiverOfFailures, "failed")])
def test_a_failed_look_up_is_reported_as_one_if_the_receiver_can_take_it(kind, last):
    assert calls_after(fail(NoAnswerError("x")), kind()) == ["example.com", last]


@implementer(IHostnameResolver)
class InstalledResolver:
    pass


class Reactor:
    nameResolver = InstalledResolver()


def test_a_resolver_that_a_program_installed_is_kept():
    assert resolver_of(Reactor) is Reactor.nameResolver


def test_twisteds_default_resolver_is_recognised_and_replaced():
    from twisted.internet import reactor  # noqa: PLC0415 - installed when first imported

    found = type(reactor.nameResolver).__name__
    assert isinstance(resolver_of(reactor), SystemResolver), (
        f"Twisted's default resolver is now of the class {found}: adapt _TWISTEDS_DEFAULT in "
        "tessel_service_kit.resolver, else names are looked up by Twisted's resolver"
    )
