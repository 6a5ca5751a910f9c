"""The audit: a line for each command, in a file of its own or in the log."""

import json
import stat
from errno import ENOSPC
from http import HTTPStatus

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from lab.waiting import eventually
from support.operators_place import TOKEN, Place
from tessel_proxy.monitoring.api.audit import Audit, Command, audit_file
from tessel_service_kit.logs import LogFormat

END = Command("token", "192.0.2.1", "end", {"account": "kim", "reason": "noise"})
ENDED = {"ended": 1}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.log"


def written(path, form=LogFormat.JSON, status=HTTPStatus.OK, answer=ENDED):
    file = audit_file(path, 1000, form)
    Audit.into(file, form).write(END, status, answer)
    file.flush()
    return path.read_text()


def test_a_line_says_who_what_why_and_what_came_of_it(path):
    line = json.loads(written(path))
    assert (line["by"], line["address"], line["command"]) == ("token", "192.0.2.1", "end")
    assert (line["arguments"], line["reason"]) == ({"account": "kim"}, "noise")
    assert (line["event"], line["result"], line["answer"]) == ("audit", "ok", {"ended": 1})


def test_a_line_for_people_says_the_same(path):
    line = written(path, LogFormat.TEXT)
    assert line.endswith(' audit token 192.0.2.1: end {"account": "kim"}: OK; noise\n')


def test_lines_are_in_the_file_alone_whose_owner_alone_reads_it(path):
    with capturedLogs() as log:
        written(path)
    assert log == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (HTTPStatus.FORBIDDEN, "refused"),
        (HTTPStatus.CONFLICT, "refused"),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "error"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "error"),
    ],
)
def test_a_line_says_why_nothing_was_done(path, status, result):
    line = json.loads(written(path, status=status, answer={"error": {"message": "why"}}))
    assert (line["result"], line["status"]) == (result, status.value)
    assert line["answer"] == {"message": "why"}


def no_space(*_args):
    raise OSError(ENOSPC, "No space left on device")


def test_a_line_that_the_file_does_not_take_is_in_the_log_with_an_error(path, monkeypatch):
    file = audit_file(path, 1000, LogFormat.JSON)
    monkeypatch.setattr("tessel_service_kit.output.os.write", no_space)
    with capturedLogs() as log:
        Audit.into(file, LogFormat.JSON).write(END, HTTPStatus.OK, ENDED)
        eventually(lambda: log)
    (event,) = log
    assert (event["event"], event["error"]) == ("audit_not_written", "TP3042")
    assert json.loads(event["why"])["command"] == "end"


# --- which requests have a line


@pytest.fixture
def place():
    place = Place()
    yield place
    pytest_twisted.blockon(Deferred.fromCoroutine(place.stop()))


async def audited(place, *request, **headers):
    with capturedLogs() as log:
        await place.send(*request, **headers)
    return [each for each in log if each.get("event") == "audit"]


@pytest_twisted.ensureDeferred
async def test_a_command_that_breaks_has_a_line(place, logged_failures):
    place.operations.answer = None
    (line,) = await audited(place, "DELETE", "tunnels/00000000-1?reason=noise")
    assert (line["result"], line["status"]) == ("error", 500)
    assert (line["command"], line["reason"]) == ("end_tunnel", "noise")
    assert line["arguments"] == {"tunnel_id": "00000000-1"}
    assert logged_failures.flush(TypeError)


@pytest.mark.parametrize(
    ("method", "resource", "command", "status"),
    [
        ("POST", "end", "end", 400),
        ("DELETE", "refused/none", "allow", 404),
        ("PUT", "tunnels", "PUT tunnels", 405),
        ("POST", "upgrade", "POST upgrade", 404),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_command_that_is_refused_has_a_line(place, method, resource, command, status):
    (line,) = await audited(place, method, resource)
    assert (line["command"], line["status"], line["result"]) == (command, status, "refused")
    assert (line["by"], line["address"]) == ("token", "127.0.0.1")


@pytest_twisted.ensureDeferred
async def test_a_forged_command_has_a_line(place):
    _status, headers, _body = await place.send("POST", "session", {"token": TOKEN}, X="1")
    cookie = headers["Set-Cookie"].partition(";")[0]
    (line,) = await audited(place, "POST", "end", {"account": "a"}, Cookie=cookie)
    assert (line["by"], line["command"], line["status"]) == ("session", "POST end", 403)


@pytest.mark.parametrize("token", [TOKEN, "a-guessed-one"])
@pytest_twisted.ensureDeferred
async def test_a_log_in_has_a_line_without_secrets(place, token):
    (line,) = await audited(place, "POST", "session", {"token": token}, X="1")
    assert (line["command"], line["result"]) == ("log_in", "ok" if token == TOKEN else "refused")
    assert token not in str(line)
    assert "csrf" not in str(line)


@pytest_twisted.ensureDeferred
async def test_who_has_no_access_writes_no_lines(place):
    for headers in ({"X": "1"}, {"Origin": "http://evil.example"}, {"Authorization": "Bearer x"}):
        assert await audited(place, "POST", "end", {"account": "a"}, **headers) == []
    evil = {"Origin": "http://evil.example"}
    assert await audited(place, "POST", "session", {"token": "x"}, **evil) == []
    assert await audited(place, "GET", "tunnels") == []
