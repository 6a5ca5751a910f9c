"""The resolver that reactors are given."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHostnameResolver
from zope.interface import implementer

from tessel_service_kit.names import Early, NoAnswerError
from tessel_service_kit.resolver import SystemResolver, resolver_of


class Receiver:
    """As Twisted's are."""

    def __init__(self):
        self.told = []

    def resolutionBegan(self, resolution):
        self.told.append(resolution.name)

    def addressResolved(self, address):
        self.told.append(address)

    def resolutionComplete(self):
        self.told.append("complete")


class Careful(Receiver):
    """One that can be told more."""

    def resolutionFailed(self):
        self.told.append("failed")


def told(answer, receiver):
    resolver = SystemResolver(None)
    resolver._lookup = lambda _name: answer
    resolver.resolveHostName(receiver, "example.com", 80)
    return receiver.told


FOUND = ("2001:4860::1", "192.0.2.1")
ADDRESSES = [IPv6Address("TCP", "2001:4860::1", 80), IPv4Address("TCP", "192.0.2.1", 80)]


@pytest.mark.parametrize("found", [FOUND, Early(FOUND, Deferred())])
def test_addresses_are_told_in_their_order(found):
    assert told(succeed(found), Receiver()) == ["example.com", *ADDRESSES, "complete"]


@pytest.mark.parametrize(("kind", "last"), [(Receiver, "complete"), (Careful, "failed")])
def test_that_nobody_can_say_is_told_to_those_who_understand_it(kind, last):
    assert told(fail(NoAnswerError("x")), kind()) == ["example.com", last]


@implementer(IHostnameResolver)
class Own:
    pass


class Reactor:
    nameResolver = Own()


def test_a_resolver_of_a_programs_own_is_kept():
    from twisted.internet import reactor  # noqa: PLC0415 - installed when first imported

    assert resolver_of(Reactor) is Reactor.nameResolver
    assert isinstance(resolver_of(reactor), SystemResolver)
