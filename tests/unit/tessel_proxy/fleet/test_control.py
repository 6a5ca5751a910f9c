"""The control socket."""

import json
import socket
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Site

from tessel_proxy.console import Client, ConsoleError, Place
from tessel_proxy.fleet.control import ControlPort
from tessel_proxy.monitoring.admin import Operator, operator_site


class Api(Resource):
    """An API that keeps requests, and has one answer."""

    isLeaf = True

    def __init__(self):
        super().__init__()
        self.requests = []
        self.answer = (200, b'{"confirmed":["a"],"missing":["b"]}')

    def render(self, request):
        body = request.content.read()
        self.requests.append((request.method, request.path, json.loads(body or b"null")))
        request.setResponseCode(self.answer[0])
        return self.answer[1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control"


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def control(path, api):
    port = ControlPort(path, Site(api), reactor)
    port.start()
    yield port
    pytest_twisted.blockon(Deferred.fromCoroutine(port.stop()))


@pytest_twisted.ensureDeferred
async def test_a_request_over_the_socket_reaches_the_api(control, path, api):
    answer = await deferToThread(Client(Place(path)).post, "end", account="kim", device=None)
    assert answer == {"confirmed": ["a"], "missing": ["b"]}
    assert api.requests == [(b"POST", b"/api/v1/end", {"account": "kim"})]


def test_only_the_owner_may_connect(control, path):
    assert path.stat().st_mode & 0o777 == 0o600


def left_behind(path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


@pytest_twisted.ensureDeferred
async def test_a_socket_that_was_left_behind_is_replaced_and_removed_at_the_end(path, api):
    left_behind(path)
    port = ControlPort(path, Site(api), reactor)
    port.start()
    await port.stop()
    assert not path.exists()


def asked(path):
    """Ask the proxy at this socket, and wait for its answer for a moment."""
    return Client(Place(path), answer_s=0.1).post("upgrade")


def why_it_cannot_listen(path):
    with pytest.raises(CannotListenError) as raised:
        ControlPort(path, Site(Api()), reactor).start()
    assert raised.value.port == f"CONTROL_SOCKET={str(path)!r}"
    return str(raised.value.socketError)


def test_a_socket_in_use_is_not_replaced(control, path):
    assert why_it_cannot_listen(path) == "another proxy listens there; each needs its own path"
    assert path.is_socket()


def test_a_socket_whose_proxy_is_too_busy_to_accept_is_in_use_and_nobody_waits(path):
    with ExitStack() as stack:
        busy, waiting = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        assert "another proxy" in why_it_cannot_listen(path)
        with pytest.raises(ConsoleError, match="too many others wait"):
            asked(path)


def test_a_file_that_is_no_socket_is_not_replaced(path):
    path.write_text("kept")
    assert why_it_cannot_listen(path) == "a file that is no socket is there; remove it"
    assert path.read_text() == "kept"


def test_a_missing_folder_is_named(tmp_path):
    missing = tmp_path / "missing"
    why = why_it_cannot_listen(missing / "control")
    assert why == f"the folder {str(missing)!r} does not exist; create it"


def test_a_folder_without_permission_is_named_with_its_owner_and_mode(tmp_path, monkeypatch):
    def refuse(*_values, **_more):
        raise CannotListenError(None, "", PermissionError(13, "Permission denied"))

    port = ControlPort(tmp_path / "control", Site(Api()), SimpleNamespace(listenUNIX=refuse))
    with pytest.raises(CannotListenError) as raised:
        port.start()
    why = str(raised.value.socketError)
    assert f"Permission denied; the folder {str(tmp_path)!r} belongs to" in why
    assert "this process runs as" in why


@pytest_twisted.ensureDeferred
async def test_an_idle_connection_is_closed(path, monkeypatch):
    monkeypatch.setattr("tessel_proxy.monitoring.connections.IDLE_S", 0.2)
    port = ControlPort(path, operator_site(Operator(lambda _nothing: Api(), None)), reactor)
    port.start()
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(path))
        idle.settimeout(5.0)
        assert await deferToThread(idle.recv, 1) == b""
    await port.stop()


def test_a_proxy_that_does_not_answer_is_waited_for_with_a_limit(path):
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(1)
        with pytest.raises(ConsoleError, match=r"no answer within 0\.1 s"):
            asked(path)


def test_without_a_proxy_the_command_says_what_is_missing(path):
    with pytest.raises(ConsoleError, match=r"CONTROL_SOCKET=.*: no such socket"):
        asked(path)
    left_behind(path)
    with pytest.raises(ConsoleError, match=r"CONTROL_SOCKET=.*: no proxy listens there"):
        asked(path)
