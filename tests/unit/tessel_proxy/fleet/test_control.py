"""The control socket, and the command that asks it."""

import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread

from tessel_proxy.fleet.control import ControlError, ControlPort, ask


async def succeeds():
    return None


async def fails():
    return "new worker 1 ended before it served"


async def breaks():
    raise KeyError("bug")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control"


@pytest.fixture
def control(path):
    port = ControlPort(path, {"upgrade": succeeds, "fail": fails, "break": breaks}, reactor)
    port.start()
    yield port
    pytest_twisted.blockon(Deferred.fromCoroutine(port.stop()))


@pytest_twisted.ensureDeferred
async def test_a_command_is_run_and_its_success_is_the_answer(control, path):
    assert await deferToThread(ask, path, "upgrade", 5.0) is None


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("fail", "new worker 1 ended before it served"),
        ("break", "internal error; the log has a traceback"),
        ("unknown", "unknown command; known: upgrade, fail, break"),
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
