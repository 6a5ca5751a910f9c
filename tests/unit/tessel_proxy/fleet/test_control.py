"""The control socket, and the command that asks it."""

import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread

from tessel_proxy.fleet.control import ControlError, ControlPort, ask, tell, telling
from tessel_proxy.fleet.engine import Confirmations, EngineError, TokensRevoked, TunnelsEnded


async def succeeds(argument):
    return f"done with {argument!r}"


async def fails(_argument):
    raise ControlError("new worker 1 ended before it served")


async def breaks(_argument):
    raise KeyError("bug")


class Told:
    """Publishes notices: to one member, which confirms them, and to one that does not."""

    error = None

    def __init__(self):
        self.notices = []

    async def publish(self, notice):
        if self.error is not None:
            raise self.error
        self.notices.append(notice)
        return Confirmations(("a",), ("b",))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control"


@pytest.fixture
def control(path, told):
    commands = {"upgrade": succeeds, "fail": fails, "break": breaks, "tell": telling(told.publish)}
    port = ControlPort(path, commands, reactor)
    port.start()
    yield port
    pytest_twisted.blockon(Deferred.fromCoroutine(port.stop()))


@pytest_twisted.ensureDeferred
async def test_a_command_is_run_and_its_success_is_the_answer(control, path):
    assert await deferToThread(ask, path, "upgrade", 5.0) == "done with ''"
    assert await deferToThread(ask, path, "upgrade to é", 5.0) == "done with 'to é'"


LONGEST = TunnelsEnded("\N{OLD PERSIAN SIGN A}" * 256, "\N{OLD PERSIAN SIGN A}" * 64)


@pytest.mark.parametrize(
    "notice", [TokensRevoked(None), TunnelsEnded("kim's shop", "a b"), LONGEST]
)
@pytest_twisted.ensureDeferred
async def test_a_notice_is_published_and_the_answer_says_who_has_acted(control, path, told, notice):
    assert await deferToThread(tell, path, notice) == Confirmations(("a",), ("b",))
    assert told.notices == [notice]


@pytest.mark.parametrize("argument", ["", "[]", '["Unknown",{}]', '["TokensRevoked",{"x":1}]'])
@pytest_twisted.ensureDeferred
async def test_a_notice_that_is_not_known_is_refused(control, path, told, argument):
    with pytest.raises(ControlError, match="no notice that this proxy knows"):
        await deferToThread(ask, path, f"tell {argument}", 5.0)
    assert told.notices == []


@pytest_twisted.ensureDeferred
async def test_an_engine_that_is_away_is_the_reason_why_nobody_was_told(control, path, told):
    told.error = EngineError("it is away")
    with pytest.raises(ControlError, match="it is away"):
        await deferToThread(tell, path, TokensRevoked("kim"))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("fail", "new worker 1 ended before it served"),
        ("break", "internal error; the log has a traceback"),
        ("unknown", "unknown command; known: upgrade, fail, break, tell"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_why_a_command_failed_is_the_answer(control, path, command, why, logged_failures):
    with pytest.raises(ControlError, match=why):
        await deferToThread(ask, path, command, 5.0)
    logged_failures.flush(KeyError)


def test_only_the_owner_may_connect(control, path):
    assert path.stat().st_mode & 0o777 == 0o600


def left_behind(path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


@pytest_twisted.ensureDeferred
async def test_a_socket_that_was_left_behind_is_replaced_and_removed_at_the_end(path):
    left_behind(path)
    port = ControlPort(path, {}, reactor)
    port.start()
    await port.stop()
    assert not path.exists()


def test_a_socket_in_use_is_not_replaced(control, path):
    with pytest.raises(CannotListenError):
        ControlPort(path, {}, reactor).start()


def test_without_a_proxy_the_command_says_what_is_missing(path):
    with pytest.raises(ControlError, match=r"CONTROL_SOCKET=.*No such file"):
        ask(path, "upgrade")
