"""Replies that no Valkey sends: each ends in an EngineError, and none in a wrong count."""

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from support.fleet_engines import Engines, passes, until
from tessel_proxy.fleet import Demand, EngineError
from tessel_proxy.fleet.valkey import protocol as protocol_module


class Scripted(Protocol):
    """Answers INFO as a server does, waits in XREAD, and answers EVALSHA as the test says."""

    def connectionMade(self):
        self.factory.open.append(self)

    def dataReceived(self, data):
        for _ in range(data.count(b"INFO")):
            self.transport.write(b"$21\r\nredis_version:7.2.4\r\n\r\n")
        for _ in range(data.count(b"EVALSHA")):
            self.transport.write(self.factory.reply)

    def connectionLost(self, reason):
        self.factory.open.remove(self)


@pytest_twisted.async_yield_fixture
async def hostile():
    factory = Factory.forProtocol(Scripted)
    factory.reply, factory.open, factory.noisy = b"", [], False
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    factory.port = port.getHost().port
    engines = Engines()
    factory.engine = engines(factory.port)
    await until(lambda: factory.engine.is_up)
    yield factory
    await engines.close()
    await port.stopListening()
    await until(lambda: not factory.open)


UNREADABLE = {
    "no type": b"hello\r\n",
    "a length that is no number": b"$x\r\n",
    "a negative length": b"$-7\r\nabc\r\n",
    "an array of negative length": b"*-7\r\n:1\r\n",
    "no UTF-8 in a line": b"+\xff\xfe\r\n",
    "a line without an end": b"+" + b"a" * 20_000,
    "an array": b"*2\r\n:1\r\n:2\r\n",
    "an integer": b":1\r\n",
    "nothing": b"$-1\r\n",
    "an error": b"-ERR no\r\n",
    "an error without a text": b"-\r\n",
    "no script, for ever": b"-NOSCRIPT no\r\n",
    "two replies": b"$1\r\n1\r\n$1\r\n1\r\n",
    "a half": b"$100\r\nabc",
    "a deep array": b"*1\r\n" * 5000,
    "RESP3": b"%1\r\n+a\r\n+b\r\n",
}
MEANINGLESS = {
    "empty": b"$0\r\n\r\n",
    "text": b"$5\r\nhello\r\n",
    "too many numbers": b"$17\r\n1 1 1 1 1 1 1 1 1\r\n",
    "no UTF-8": b"$3\r\n\xff\xfe\xfd\r\n",
    "floats": b"$15\r\n1 1.5 0 0 0 0 1\r\n",
}


@pytest.mark.parametrize("reply", UNREADABLE.values(), ids=UNREADABLE)
@pytest_twisted.ensureDeferred
async def test_an_unreadable_reply_fails_the_call_and_the_next_connection_works(hostile, reply):
    hostile.reply = reply
    with pytest.raises(EngineError):
        await hostile.engine.admit("a", "shop", None, 0, 5)
    hostile.reply = b"$15\r\n1 4 0 0 0 0 123\r\n"
    await passes(0.1)
    await until(lambda: hostile.engine.is_up)


@pytest.mark.parametrize("reply", MEANINGLESS.values(), ids=MEANINGLESS)
@pytest_twisted.ensureDeferred
async def test_a_reply_without_meaning_fails_each_call(hostile, reply):
    hostile.reply = reply
    engine = hostile.engine
    for call in (
        engine.admit("a", "shop", None, 0, 5),
        engine.exchange("a", {"shop": Demand(1), "till": Demand(1)}),
        engine.take_bytes("shop", 1, 5),
    ):
        with pytest.raises(EngineError, match="the engine answered"):
            await call


@pytest_twisted.ensureDeferred
async def test_a_reply_that_nobody_waits_for_is_not_taken_for_the_next_one(hostile):
    await until(lambda: hostile.open)
    for each in hostile.open:
        each.transport.write(b"$15\r\n1 4 0 0 0 0 123\r\n")
    await until(lambda: not hostile.engine.is_up)


@pytest_twisted.ensureDeferred
async def test_a_long_reply_does_not_fill_the_memory(hostile, monkeypatch):
    monkeypatch.setattr(protocol_module, "MAX_REPLY_BYTES", 100_000)
    hostile.reply = b"$1000000000\r\n" + b"x" * 300_000
    with pytest.raises(EngineError, match="a reply has more than 100000 bytes"):
        await hostile.engine.admit("a", "shop", None, 0, 5)


@pytest_twisted.ensureDeferred
async def test_calls_do_not_pile_up_without_replies(hostile, monkeypatch):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.link.MAX_WAITING", 3)
    from twisted.internet.defer import Deferred  # noqa: PLC0415

    calls = [Deferred.fromCoroutine(hostile.engine.renew("a")) for _ in range(3)]
    with pytest.raises(EngineError, match="3 calls wait for an answer already"):
        await hostile.engine.renew("a")
    for each in calls:
        with pytest.raises(EngineError):
            await each
