"""A board with each radio, on the real reactor: programs over a chip, simulated or on pins."""

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import deferLater

from support.fake_air import HOME
from support.fake_pins import Machine, Wiring
from tessel import dgram, dns, http, net, wifi
from tessel.board import Board
from tessel.emulator import emulated_chip as emulator
from tessel.emulator.air import Air
from tessel.errors import NodeError
from tessel.radio.interface import LinkState
from tessel.radio_factory import chosen
from tessel.settings import Settings

SIMULATED = {"RADIO": "cc3000-sim"}
ON_PINS = {"RADIO": "cc3000", "WIFI_SSID": HOME.ssid.decode(), "WIFI_PASSWORD": HOME.key.decode()}


@pytest.fixture
def boards():
    """Makes boards, one at a time, and switches each off."""
    made = []

    def make(environ):
        board = Board(reactor, environ, lambda: 1.0, uncaught=made.append)
        made.append(board)
        board.power_on()
        return board

    yield make
    board, *uncaught = made
    pytest_twisted.blockon(Deferred.fromCoroutine(board.power_off()))
    assert not uncaught
    assert not [one for one in reactor.getReaders() if board.owns(one)]


@pytest.fixture
def machine(monkeypatch):
    air = Air(reactor, lambda name: fail(LookupError(name)))
    air.appear(HOME)
    machine = Machine(Wiring(emulator.EmulatedChip(air)))
    machine.install(monkeypatch)
    yield machine
    assert not machine.requests, "a line is still held"


def told(emitter, *events):
    """Fires with the first of these events, and what it brings."""
    first = Deferred()

    def tell(event, *args):
        if not first.called:
            first.callback((event, *args))

    for event in events:
        emitter.on(event, lambda *args, event=event: tell(event, *args))
    return first


async def talk(board):
    """A server and a client on the same board: each has a socket of the chip."""
    server = net.create_server(lambda socket: socket.on("data", socket.write)).listen(0)
    await told(server, "listening")
    client = net.connect(server.address()["port"], "127.0.0.1")
    client.write("over the chip and back")
    event, data = await told(client, "data", "error")
    ended = told(client, "close")
    client.destroy()
    await ended
    server.close()
    await told(server, "close")
    await deferLater(reactor, 0)  # until the last handle is closed
    return event, data


@pytest_twisted.ensureDeferred
async def test_a_program_serves_and_calls_over_the_simulated_chip(boards):
    board = boards(SIMULATED)

    assert await talk(board) == ("data", b"over the chip and back")
    assert board.radio.connections_opened == 1
    assert not board.handles


@pytest_twisted.ensureDeferred
async def test_and_over_one_on_the_pins_of_this_machine(machine, boards):
    board = boards(ON_PINS)

    assert await talk(board) == ("data", b"over the chip and back")
    assert machine.lengths, "nothing went over the pins"


@pytest_twisted.ensureDeferred
async def test_a_page_is_served_over_the_chip(boards):
    boards(SIMULATED)
    server = http.create_server(lambda _, response: response.end("from the chip")).listen(0)
    await told(server, "listening")
    page = Deferred()
    agent = http.Agent()
    options = {"host": "127.0.0.1", "port": server.address()["port"], "agent": agent}
    http.get(options, lambda response: response.on("data", page.callback))

    assert (await page) == b"from the chip"
    agent.destroy()
    server.close()
    await told(server, "close")


@pytest.mark.parametrize("radio", ["cc3000-sim", "host"])
@pytest_twisted.ensureDeferred
async def test_datagrams_go_over_either_radio(boards, radio):
    boards({"RADIO": radio})
    there = dgram.create_socket("udp4").bind(0)
    await told(there, "listening")
    here = dgram.create_socket("udp4")
    here.send("a datagram", there.address()["port"], "127.0.0.1")

    event, data, sender = await told(there, "message", "error")
    assert (event, data) == ("message", b"a datagram")
    assert sender["address"] == "127.0.0.1"
    for socket in (here, there):
        socket.close()
        await told(socket, "close")


@pytest_twisted.ensureDeferred
async def test_a_program_leaves_its_network_and_comes_back(boards):
    board = boards(SIMULATED)
    await told(wifi.once("nothing", print), "connect")
    assert wifi.connection()["ssid"] == "tesselnet"
    assert wifi.mac_address().hex(":") == "08:00:28:5a:1b:2c"
    await asked(wifi.disconnect)

    _, error = await told(net.connect(1, "127.0.0.1"), "error")
    assert (str(error), error.code) == ("ENETUNREACH: Wifi is not connected.", "ENETUNREACH")
    await asked(lambda callback: wifi.connect({"ssid": "tesselnet"}, callback))
    assert wifi.is_connected()
    await asked(wifi.disable)
    assert board.radio.link is LinkState.OFF
    await asked(lambda callback: wifi.connect({"ssid": "tesselnet"}, callback))
    assert wifi.is_connected()


def asked(call):
    """Fires when it is done; fails with the error that the callback is given."""
    answer = Deferred()
    call(lambda error, _: answer.errback(error) if error else answer.callback(None))
    return answer


@pytest_twisted.ensureDeferred
async def test_a_port_that_closes_while_the_network_is_left_is_gone_once(boards):
    boards(SIMULATED)
    socket = dgram.create_socket("udp4").bind(0)
    await told(socket, "listening")
    closed = told(socket, "close")
    socket.close()
    await asked(wifi.disconnect)

    await closed


@pytest_twisted.ensureDeferred
async def test_a_network_that_does_not_let_the_chip_in_is_reported(machine, boards):
    boards({**ON_PINS, "WIFI_PASSWORD": "of somebody else"})
    _, error = await told(net.connect(1, "127.0.0.1"), "error")

    assert str(error) == "ENETUNREACH: Wifi is not connected."
    assert "network" in error.hint


@pytest_twisted.ensureDeferred
async def test_pins_that_cannot_be_had_are_reported(machine, boards):
    board = boards({**ON_PINS, "CC3000_SPI": "/dev/spidev9.9"})
    _, error = await told(net.connect(1, "127.0.0.1"), "error")

    assert isinstance(error, NodeError)
    assert str(error).startswith("RADIO=cc3000: /dev/spidev9.9 cannot be opened")
    assert board.radio is None


@pytest.mark.parametrize(("profile", "sizes"), [("cc3000", (512, 1024)), ("ideal", (1460, 1460))])
def test_streams_go_in_the_tessels_pieces_unless_the_chip_is_ideal(profile, sizes):
    settings = Settings.from_env({**SIMULATED, "CC3000_PROFILE": profile}).radio
    found = chosen(settings, reactor, reactor)

    taken = found.radio._connections._context.sizes
    assert (taken.read, taken.write) == sizes
    found.close()


# The radio goes off and on.

REOPENED_WITHIN = 100  # tries, 50 ms apart: the chip opens its ports one after the other


async def answer_of(port):
    """What a server of this board says, once it listens."""
    for _ in range(REOPENED_WITHIN):
        client = net.connect(port, "127.0.0.1")
        event, *data = await told(client, "data", "error")
        closed = told(client, "close")
        client.destroy()
        await closed
        if event == "data":
            return data[0]
        await deferLater(reactor, 0.05)
    raise TimeoutError("the server does not listen again")


@pytest.mark.parametrize("how", ["reset", "disable and enable", "disable and connect"])
@pytest_twisted.ensureDeferred
async def test_servers_and_datagram_sockets_go_on_after_the_radio_was_off(boards, how):
    boards(SIMULATED)
    await told(wifi.once("nothing", print), "connect")
    server = net.create_server(lambda socket: socket.end("hello")).listen(0)
    await told(server, "listening")
    udp = dgram.create_socket("udp4").bind(0)
    await told(udp, "listening")
    port, udp_port = server.address()["port"], udp.address()["port"]
    lost = []
    for emitter in (server, udp):
        emitter.on("error", lost.append).on("close", lambda *_: lost.append("close"))

    joined = Deferred()
    wifi.once("connect", joined.callback)
    if how == "reset":
        await asked(wifi.reset)
        assert wifi.is_enabled()
    else:
        await asked(wifi.disable)
        assert not wifi.is_enabled()
        if how == "disable and enable":
            await asked(wifi.enable)
        else:
            await asked(lambda callback: wifi.connect({"ssid": "tesselnet"}, callback))
    await joined
    assert await answer_of(port) == b"hello"

    assert server.listening
    assert server.address()["port"] == port
    here = dgram.create_socket("udp4")
    here.send("again", udp_port, "127.0.0.1")
    _, data, _ = await told(udp, "message")
    assert data == b"again"
    assert lost == []
    for emitter in (here, server, udp):
        closed = told(emitter, "close")
        emitter.close()
        await closed


@pytest_twisted.ensureDeferred
async def test_look_ups_and_datagrams_of_a_radio_that_goes_off_are_reported(boards):
    boards(SIMULATED)
    await told(wifi.once("nothing", print), "connect")
    udp = dgram.create_socket("udp4").bind(0)
    await told(udp, "listening")
    outcomes = []
    dns.lookup("localhost", lambda *args: outcomes.append("during"))
    udp.send("x", 9, "localhost", lambda *args: outcomes.append("during"))
    await asked(wifi.disable)
    dns.lookup("localhost", lambda error, *_: outcomes.append(error.code))
    udp.send("x", 9, "localhost", lambda error, *_: outcomes.append(error.code))
    closed = told(udp, "close")
    for _ in range(REOPENED_WITHIN):
        if len(outcomes) == 4:
            break
        await deferLater(reactor, 0.05)

    assert sorted(outcomes) == ["ENETUNREACH", "ENETUNREACH", "during", "during"]
    udp.close()
    await closed
