"""TCP to one address: with a system that tests play, and with this machine's."""

import errno
import socket
import struct

import pytest
import pytest_twisted
from twisted.internet import error, reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection as TwistedConnection
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from tessel_proxy.targets.connecting import TCPConnector
from tessel_proxy.targets.node_errors import not_connected
from tessel_proxy.targets.plain import TargetConnection

FOUR, SIX = "192.0.2.4", "2001:4860::1"


class System:
    """Makes sockets, and has them connect as a test says."""

    def __init__(self, *answers):
        self.own, self.peer = ("192.0.2.1", 40000), ("192.0.2.4", 80)
        self.options = []
        self.answers = list(answers)  # to one `connect` after the other
        self.error = 0  # that the socket tells of when it is asked
        self.refusal = None  # to make a socket
        self.family = None
        self.connected_to = []
        self.closed = False
        self.shut_down = []

    def __call__(self, family, kind):
        if self.refusal is not None:
            raise self.refusal
        assert kind == socket.SOCK_STREAM | socket.SOCK_NONBLOCK
        self.family = family
        return self

    def fileno(self):
        return 7

    def connect_ex(self, sockaddr):
        self.connected_to.append(sockaddr)
        return self.answers.pop(0)

    def setblocking(self, flag):
        """Called by Twisted's own connections only."""

    def getsockopt(self, level, name):
        assert (level, name) == (socket.SOL_SOCKET, socket.SO_ERROR)
        number, self.error = self.error, 0
        return number

    def setsockopt(self, level, name, value):
        self.option = (level, name, value)
        self.options.append(self.option)

    def getsockname(self):
        return self.own

    def getpeername(self):
        if isinstance(self.peer, OSError):
            raise self.peer
        return self.peer

    def shutdown(self, how):
        self.shut_down.append(how)

    def close(self):
        self.closed = True


class Call:
    """An attempt and who wants it."""

    def __init__(self, system, address=FOUR, protocol=Protocol):
        self.reactor = MemoryReactorClock()
        self.system = system
        self.protocol = protocol()
        self.connection = self.failure = None
        self.attempt = TCPConnector(self.reactor, system)(address, 80, self)

    def connected(self, address, connection):
        self.connection, self.address = connection, address
        connection.carry(self.protocol)
        self.tcp = self.protocol.transport

    def failed(self, address, why):
        self.failure, self.address = why, address

    @property
    def told(self):
        """The error text that the device gets."""
        return str(not_connected(self.address, 80, self.failure))

    def is_watched(self):
        return self.attempt in self.reactor.writers


def test_a_connection_that_the_system_makes_at_once_stands_inside_the_call():
    call = Call(System(errno.EINPROGRESS, 0))
    assert call.address == FOUR
    assert call.tcp in call.reactor.readers
    assert not call.reactor.writers
    assert call.system.connected_to == [("192.0.2.4", 80)] * 2
    assert not call.reactor.getDelayedCalls()


def test_one_that_stands_by_the_first_call_is_not_asked_for_again():
    assert Call(System(0)).connection


def test_one_that_takes_its_time_stands_when_the_poll_says_so():
    call = Call(System(errno.EINPROGRESS, errno.EALREADY, errno.EISCONN))
    assert call.is_watched()
    assert call.connection is None
    assert (call.attempt.fileno(), call.attempt.logPrefix()) == (7, "connecting")
    call.attempt.doWrite()
    assert call.tcp in call.reactor.readers
    assert not call.reactor.writers


def test_a_poll_that_says_so_too_early_changes_nothing():
    call = Call(System(*[errno.EINPROGRESS] * 3))
    call.attempt.doWrite()
    assert call.is_watched()
    assert call.connection is call.failure is None


def test_a_failure_by_the_call_is_told_at_once():
    call = Call(System(errno.ENETUNREACH))
    assert call.told == "connect ENETUNREACH 192.0.2.4:80"
    assert call.system.closed
    assert not call.reactor.writers


@pytest.mark.parametrize("tell", ["doWrite", "connectionLost"])
def test_a_failure_that_takes_its_time_is_told_by_its_own_name(tell):
    call = Call(System(errno.EINPROGRESS, errno.EALREADY))
    call.system.error = errno.ECONNREFUSED
    # Which of the two a reactor calls depends on its poll.
    reason = () if tell == "doWrite" else (Failure(error.ConnectionLost()),)
    getattr(call.attempt, tell)(*reason)
    call.failure.trap(error.ConnectionRefusedError)
    assert call.told == "connect ECONNREFUSED 192.0.2.4:80"
    assert call.system.closed
    assert not call.reactor.writers


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.EAGAIN])
def test_what_this_machine_has_too_little_of_is_a_failure_like_any(number):
    call = Call(System(number))
    assert call.told == f"connect {errno.errorcode[number]} 192.0.2.4:80"
    assert call.system.closed


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAFNOSUPPORT])
def test_no_socket_is_a_failure_as_well(number):
    system = System()
    system.refusal = OSError(number, "no")
    call = Call(system)
    call.failure.trap(error.ConnectBindError)
    assert call.told == f"connect {errno.errorcode[number]} 192.0.2.4:80"
    call.attempt.stop()


def test_a_reactor_that_stops_ends_it():
    call = Call(System(errno.EINPROGRESS, errno.EALREADY))
    call.attempt.connectionLost(Failure(error.ConnectionLost()))
    call.failure.trap(error.ConnectError)
    assert call.system.closed
    assert not call.reactor.writers


def test_one_that_is_stopped_is_heard_of_no_more():
    call = Call(System(errno.EINPROGRESS, errno.EALREADY))
    call.attempt.stop()
    assert call.system.closed
    assert not call.reactor.writers
    call.attempt.connectionLost(Failure(error.ConnectionLost()))  # it was in the same poll's answer
    call.attempt.stop()
    assert call.connection is call.failure is None


def test_one_that_stands_is_not_stopped_any_more():
    call = Call(System(0))
    call.attempt.stop()
    assert not call.system.closed


class Faulty(Protocol):
    def connectionMade(self):
        raise ZeroDivisionError


def test_the_connection_of_a_protocol_that_raises_is_cut():
    system = System(errno.EINPROGRESS, errno.EALREADY, 0)
    call = Call(system, protocol=Faulty)
    with pytest.raises(ZeroDivisionError):
        call.attempt.doWrite()
    call.reactor.advance(0)
    assert system.closed
    assert not call.reactor.readers


def test_the_connection_that_gets_no_protocol_is_cut():
    def no_protocol(_address, _connection):
        raise ZeroDivisionError

    system = System(errno.EINPROGRESS, errno.EALREADY, 0)
    call = Call(system)
    call.connected = no_protocol
    with pytest.raises(ZeroDivisionError):
        call.attempt.doWrite()
    call.reactor.advance(0)
    assert system.closed


def test_a_connection_with_itself_is_refused_and_reset():
    system = System(0)
    system.own = system.peer = ("192.0.2.4", 80)
    call = Call(system)
    assert call.told == "connect ECONNREFUSED 192.0.2.4:80"
    assert system.closed
    assert system.option == (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("peer", [("192.0.2.4", 80), OSError(errno.ENOTCONN, "no")])
def test_the_same_port_at_both_ends_is_no_connection_with_itself(peer):
    system = System(0)
    system.own, system.peer = ("192.0.2.1", 80), peer
    assert Call(system).connection


def test_the_system_is_to_probe_a_silent_target_and_to_send_small_pieces_at_once():
    options = Call(System(0)).system.options
    assert options == [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    ]


def test_an_address_of_ipv6_goes_as_such():
    call = Call(System(0), SIX)
    assert call.system.family == socket.AF_INET6
    assert call.system.connected_to == [("2001:4860::1", 80)]


def test_the_scope_of_an_address_goes_along():
    call = Call(System(0), "fe80::1%3")
    (sockaddr,) = call.system.connected_to
    assert sockaddr[1:] == (80, 0, 3)


def test_a_scope_that_there_is_not_is_a_failure():
    call = Call(System(0), "fe80::1%no-such-link")
    assert call.told == "connect ECONNABORTED fe80::1%no-such-link:80"


def test_a_connection_that_ends_is_closed_without_a_shutdown_of_both_directions():
    """Tells if Twisted's name for that should change: it is not public."""
    call = Call(System(0))
    call.tcp.connectionLost(Failure(CONNECTION_DONE))
    assert call.system.closed
    assert not call.system.shut_down


def test_a_connection_has_the_attributes_that_twisteds_own_has():
    """Tells if Twisted's should change: its constructors are not called."""
    own = vars(TargetConnection(System(), MemoryReactorClock()))
    twisteds = vars(TwistedConnection(System(), Protocol(), MemoryReactorClock()))
    assert own.keys() - twisteds.keys() == {"connected"}
    assert twisteds.keys() <= own.keys()
    assert own["_tempDataBuffer"] == twisteds["_tempDataBuffer"]
    assert own["_tempDataLen"] == twisteds["_tempDataLen"]


# --- this machine's


class Peer(Protocol):
    def __init__(self):
        self.heard = b""
        self.gone = Deferred()

    def dataReceived(self, data):
        self.heard += data

    def connectionLost(self, reason):
        self.gone.errback(reason)


class Real:
    """A call to this machine."""

    def __init__(self, address, port, make_socket=socket.socket):
        self.protocol = Peer()
        self.outcome = Deferred()
        TCPConnector(reactor, make_socket)(address, port, self)

    def connected(self, _address, connection):
        connection.carry(self.protocol)
        self.outcome.callback(self.protocol.transport)

    def failed(self, _address, why):
        self.outcome.errback(why)


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        listening = socket.create_server((request.param, 0), family=family)
    except OSError:
        pytest.skip("this machine has no such address")
    with listening:
        listening.settimeout(10)
        yield listening


@pytest_twisted.ensureDeferred
async def test_bytes_go_both_ways_and_addresses_are_known(listening):
    call = Real(*listening.getsockname()[:2])
    connection = await call.outcome
    accepted, peer = listening.accept()
    kind = IPv4Address if len(peer) == 2 else IPv6Address
    assert connection.getPeer() == kind("TCP", *listening.getsockname())
    assert connection.getHost() == kind("TCP", *peer)
    connection.write(b"ask")
    accepted.sendall(b"answer")
    accepted.shutdown(socket.SHUT_WR)
    with pytest.raises(error.ConnectionDone):
        await call.protocol.gone
    assert call.protocol.heard == b"answer"
    with accepted:
        accepted.settimeout(10)
        assert accepted.recv(16) == b"ask"
        assert accepted.recv(16) == b""


@pytest_twisted.ensureDeferred
async def test_an_abort_is_a_reset(listening):
    call = Real(*listening.getsockname()[:2])
    connection = await call.outcome
    accepted, _ = listening.accept()
    connection.abortConnection()
    with pytest.raises(error.ConnectionAborted):
        await call.protocol.gone
    accepted.settimeout(10)
    with accepted, pytest.raises(ConnectionResetError):
        accepted.recv(16)


@pytest_twisted.ensureDeferred
async def test_nobody_listens(listening):
    address = listening.getsockname()[:2]
    listening.close()
    with pytest.raises(error.ConnectionRefusedError):
        await Real(*address).outcome


@pytest_twisted.ensureDeferred
async def test_a_port_that_would_lead_to_the_connection_itself_is_refused(listening):
    address = listening.getsockname()[:2]
    listening.close()

    def with_that_very_port(family, kind):
        """As the system may choose by chance."""
        made = socket.socket(family, kind)
        made.bind(address)
        return made

    for _ in range(2):  # nor is the port in use afterwards
        with pytest.raises(error.ConnectionRefusedError):
            await Real(*address, with_that_very_port).outcome
