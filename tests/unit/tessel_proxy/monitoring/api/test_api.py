"""The API over a real port, with one tunnel of a proxy in memory."""

import json
import socket
import urllib.error
import urllib.request

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs

from lab.waiting import eventually
from support.operators_place import FEATURES, NOW, TOKEN, Place
from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.notices import TokensRevoked, TunnelsEnded
from tessel_proxy.monitoring.api.events import MAX_WATCHERS
from tessel_proxy.monitoring.api.routes import PREFIX
from tessel_proxy.operations import RefusalsError, UsagePage, UsageRow
from tessel_proxy.operations.process import Parts
from tessel_proxy.operations.usage import Usage
from tessel_proxy.operations.watching import FORGET_S
from tessel_proxy.records.ends import Refusal


@pytest.fixture
def place():
    place = Place()
    yield place
    pytest_twisted.blockon(Deferred.fromCoroutine(place.stop()))


@pytest.fixture
def device(place):
    place.stage.shared.tunnels.all.add(place.stage.session)
    place.stage.authenticate(*FEATURES, device="lamp")
    return place.stage.device


@pytest_twisted.ensureDeferred
async def test_a_tunnel_and_its_substreams_are_rows(place, device):
    _protocol, transport = place.stage.relay()
    transport.protocol.dataReceived(b"x" * 100)
    place.stage.pump()
    _status, page = await place.ask("GET", "tunnels")
    (row,) = page["tunnels"]
    assert (row["device"], row["account"], row["state"]) == ("lamp", "hardcoded", "open")
    assert (row["address"], row["bytes_from_target"]) == ("192.0.2.9", 100)
    _status, alone = await place.ask("GET", f"tunnels/{row['id']}")
    assert [each["target"] for each in alone["open"]] == ["93.184.216.34:80"]


@pytest_twisted.ensureDeferred
async def test_a_page_ends_where_the_next_begins(place, device):
    row = (await place.ask("GET", "tunnels"))[1]["tunnels"][0]
    assert (await place.ask("GET", f"tunnels?after={row['id']}"))[1]["tunnels"] == []
    assert (await place.ask("GET", "tunnels?after=00000000-9"))[1]["total"] == 1
    assert (await place.ask("GET", "tunnels?after=ffffffff-0"))[1]["tunnels"] == []
    assert (await place.ask("GET", "tunnels?device=tv"))[1]["total"] == 0


@pytest_twisted.ensureDeferred
async def test_an_ended_tunnel_sends_its_device_the_reason(place, device):
    row = (await place.ask("GET", "tunnels"))[1]["tunnels"][0]
    ended = await place.ask("DELETE", f"tunnels/{row['id']}?reason=bed%20time")
    assert ended[1]["ended"] == 1
    place.stage.pump()
    assert place.stage.heard[-1]["message"] == "bed time"
    assert (await place.ask("DELETE", f"tunnels/{row['id']}?reason=again"))[0] == 404
    assert (await place.ask("GET", "tunnels/other-1"))[0] == 404


@pytest_twisted.ensureDeferred
async def test_who_watches_and_the_log_learn_why_a_tunnel_was_ended(place, device):
    row = (await place.ask("GET", "tunnels"))[1]["tunnels"][0]
    look = lambda: place.operations.answer("look", {"watcher": "w", "tunnels": []})["tunnels"]  # noqa: E731
    look()
    await place.ask("DELETE", f"tunnels/{row['id']}?reason=bed%20time")
    with capturedLogs() as lines:
        place.stage.pump()
    (closed,) = look()["closed"]
    assert (closed["outcome"], closed["why"]) == ("ended_by_operator", "bed time")
    (line,) = [each for each in lines if each.get("event") == "tunnel_closed"]
    assert line["why"] == "bed time"


@pytest_twisted.ensureDeferred
async def test_who_watches_learns_how_a_lost_tunnel_was_lost(place, device):
    look = lambda: place.operations.answer("look", {"watcher": "w", "tunnels": []})["tunnels"]  # noqa: E731
    look()
    place.stage.device.abortConnection()
    place.stage.pump()
    assert look()["closed"][0]["why"] == "the connection broke"


@pytest_twisted.ensureDeferred
async def test_commands_are_notices_to_all_processes(place, device):
    body = {"account": "hardcoded", "reason": "why"}
    assert (await place.ask("POST", "end", body))[1] == {
        "ended": 1,
        "confirmed": ["a"],
        "missing": ["b"],
    }
    assert (await place.ask("POST", "check-tokens"))[1]["missing"] == ["b"]
    assert place.published == [TunnelsEnded("hardcoded", None, "why"), TokensRevoked(None)]
    place.error = EngineError("the engine is away")
    status, answer = await place.ask("POST", "end", body)
    assert (status, answer["error"]["message"]) == (503, "the engine is away")


@pytest_twisted.ensureDeferred
async def test_rules_are_added_shown_and_removed(place, device):
    body = {"account": "hardcoded", "reason": "noise", "for_s": 60}
    _status, rule = await place.ask("POST", "refused", body)
    assert (rule["ended"], rule["until_at"], rule["by"]) == (1, NOW + 60, "token")
    assert len((await place.ask("GET", "refused"))[1]["refused"]) == 1
    assert (await place.ask("DELETE", f"refused/{rule['id']}"))[0] == 200
    assert (await place.ask("DELETE", f"refused/{rule['id']}"))[0] == 404
    place.rules.error = RefusalsError("nothing was changed")
    assert (await place.ask("POST", "refused", body))[0] == 503


@pytest_twisted.ensureDeferred
async def test_an_account_has_its_refusals_and_the_bytes_of_today(place, device):
    place.record.log_refused(Refusal.TOO_MANY_TUNNELS_OF_ACCOUNT)
    place.usage = UsagePage([UsageRow("2026-11-30", "hardcoded", Usage(10, 20, 1, 1, 0))])
    _status, page = await place.ask("GET", "accounts")
    (row,) = page["accounts"]
    assert (row["account"], row["bytes_today"], row["tunnels"]) == ("hardcoded", 30, 1)
    assert row["refused"] == {"TP2016": 1}
    assert row["last_refusal"]["at"] == NOW
    assert (await place.ask("GET", "accounts?after=hardcoded"))[1]["accounts"] == []


@pytest_twisted.ensureDeferred
async def test_usage_is_rows_or_the_way_to_keep_it(place):
    status, answer = await place.ask("GET", "usage")
    assert (status, answer["error"]["code"]) == (404, "not_kept")
    place.usage = UsagePage([UsageRow("2026-11-30", "kim", Usage(1, 2, 3, 4, 5))], True)
    _status, answer = await place.ask("GET", "usage?account=kim&from=2026-11-01&limit=1")
    assert answer["usage"][0]["opens"] == 3
    assert answer["next"] == "2026-11-30/kim"
    assert (await place.ask("GET", "usage?from=yesterday"))[0] == 400


@pytest_twisted.ensureDeferred
async def test_processes_history_and_errors_are_shown(place, device):
    _status, proxies = await place.ask("GET", "proxies")
    assert proxies["engine"] == {"url": "valkey://engine", "away": True}
    assert proxies["proxies"][0]["tunnels"] == 1
    place.stage.relay()
    place.history.step()
    _status, history = await place.ask("GET", "history")
    assert history["all"]["opens"][-1] == history["accounts"]["hardcoded"]["opens"][-1] == 1
    assert (await place.ask("GET", "errors/TP2005"))[1]["name"] == "wrong_token"
    assert (await place.ask("GET", "errors/x"))[0] == 404
    assert (await place.send("GET", "/errors/TP2005"))[0] == 200
    assert (await place.send("GET", "/errors/TP9"))[0] == 404


@pytest_twisted.ensureDeferred
async def test_devices_are_moved_and_the_process_is_drained(place, device):
    assert (await place.ask("POST", "rebalance", {"share": 1}))[1]["asked"] == 1
    assert (await place.ask("POST", "rebalance", {"tunnels": 5, "member": "no"}))[1]["asked"] == 0
    assert (await place.ask("POST", "rebalance", {}))[0] == 400
    assert (await place.ask("POST", "drain", {"member": "no"}))[0] == 404
    assert place.drained == []
    assert (await place.ask("POST", "drain"))[1]["draining"] == ["host-1-abc"]
    assert place.drained == [True]


@pytest.mark.parametrize(
    ("method", "resource", "body", "status"),
    [
        ("GET", "tunnels?limit=0", None, 400),
        ("GET", "tunnels?limit=nan", None, 400),
        ("GET", "tunnels?limit=x", None, 400),
        ("GET", "tunnels?what=1", None, 400),
        ("GET", "tunnels?after=x", None, 400),
        ("POST", "end", [], 400),
        ("POST", "end", {"account": 7, "reason": "x"}, 400),
        ("POST", "end", {"account": "a", "reason": "x", "more": 1}, 400),
        ("POST", "rebalance", {"share": 2}, 400),
        ("GET", "events?topics=all", None, 400),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_wrong_argument_is_named(place, method, resource, body, status):
    found, answer = await place.ask(method, resource, body)
    assert found == status
    assert answer["error"]["message"]


@pytest_twisted.ensureDeferred
async def test_a_bug_is_logged_and_the_next_request_works(place, device, logged_failures):
    place.operations.answer = None
    status, _headers, body = await place.send("GET", "tunnels")
    assert (status, json.loads(body)["error"]["code"]) == (500, "internal")
    assert logged_failures.flush(TypeError)
    assert (await place.send("GET", "refused"))[0] == 200


@pytest_twisted.ensureDeferred
async def test_only_who_has_access_learns_of_the_api(place):
    nothing = await place.send("GET", "/nothing", Accept="*/*")
    for headers in (
        {"Accept": "*/*"},
        {"Authorization": "Bearer x"},
        {"Cookie": "tessel_session=x"},
    ):
        for path in ("/api/v1/tunnels", "/api/v2", "/api", "/errors/TP2005", "/page/none"):
            found = await place.send("GET", path, **headers)
            assert (found[0], found[2]) == (nothing[0], nothing[2])
    assert (await place.send("GET", "/", Accept="*/*"))[0] == 200
    assert (await place.send("OPTIONS", "/", Accept="*/*"))[0] == 200
    assert (await place.send("POST", "/page/icon.svg", {}, Accept="*/*"))[0] == 405
    etag = (await place.send("GET", "/page/icon.svg", Accept="*/*"))[1]["ETag"]
    again = {"If-None-Match": etag}
    assert (await place.send("GET", "/page/icon.svg", **again))[0] == 304


class Tab:
    """A tab of a browser that has logged in."""

    @classmethod
    async def opened(cls, place):
        tab = cls()
        tab.place = place
        status, headers, body = await place.send("POST", "session", {"token": TOKEN}, X="1")
        assert status == 200
        tab.cookie = headers["Set-Cookie"].partition(";")[0]
        tab.own = {"X-Tessel-CSRF": json.loads(body)["csrf"], "Origin": place.url}
        return tab

    async def send(self, method, resource, body=None, **headers):
        found = await self.place.send(method, resource, body, Cookie=self.cookie, **headers)
        return found[0]


@pytest_twisted.ensureDeferred
async def test_a_sessions_commands_need_its_secret_and_origin(place):
    tab = await Tab.opened(place)
    body = {"account": "a", "reason": "x"}
    assert await tab.send("GET", "session") == 200
    assert await tab.send("POST", "end", body, **tab.own) == 200
    same_site = {"X-Tessel-CSRF": tab.own["X-Tessel-CSRF"], "Sec-Fetch-Site": "same-origin"}
    assert await tab.send("POST", "end", body, **same_site) == 200
    for wrong in (
        {"X": "1"},
        {"Origin": place.url},
        {"X-Tessel-CSRF": tab.own["X-Tessel-CSRF"]},
        {**tab.own, "Origin": "http://evil.example"},
        {**tab.own, "X-Tessel-CSRF": "x"},
    ):
        assert await tab.send("POST", "end", body, **wrong) == 403
    assert len(place.published) == 2
    assert await tab.send("DELETE", "session", **tab.own) == 200
    assert await tab.send("GET", "tunnels") == 404


@pytest_twisted.ensureDeferred
async def test_wrong_tokens_are_slowed_down(place):
    statuses = [(await place.send("POST", "session", {"token": "x"}, X="1"))[0] for _ in range(6)]
    assert statuses == [403] * 5 + [429]
    assert (await place.send("POST", "session", [], X="1"))[0] == 400


def read(place, topics, lines, found):
    """Read lines of a stream of events, in a thread."""
    request = urllib.request.Request(f"{place.url}{PREFIX}events?topics={topics}")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=10) as stream:
        while sum(line.startswith("data: ") for line in found) < lines:
            found.append(stream.readline().decode().strip())


@pytest_twisted.ensureDeferred
async def test_events_report_what_is_new(place, device):
    row = (await place.ask("GET", "tunnels"))[1]["tunnels"][0]
    found = []
    reading = deferToThread(
        read, place, f"totals,refusals,proxies,substreams:{row['id']}", 5, found
    )
    while not any(line == "event: totals" for line in found):
        await deferToThread(eventually, lambda: found)
        place.stage.clock.advance(0)
    place.stage.clock.advance(1.0)
    place.stage.relay()
    place.record.log_refused(Refusal.TOO_MANY_TUNNELS)
    place.record.log_refused(Refusal.TOO_MANY_TUNNELS)
    await reading
    names = {line.removeprefix("event: ") for line in found if line.startswith("event: ")}
    assert names == {"totals", "refusals", "proxies", "substreams"}
    refusal = json.loads(after(found, "refusals"))
    assert (refusal["error"], refusal["count"], refusal["address"]) == ("TP2014", 2, "192.0.2.9")
    (opened,) = json.loads(after(found, "substreams"))["opened"]
    assert opened["target"] == "93.184.216.34:80"


def after(lines, name):
    """Return the data of the last event of this name."""
    at = max(number for number, line in enumerate(lines) if line == f"event: {name}")
    return lines[at + 1].removeprefix("data: ") if len(lines) > at + 1 else "{}"


def test_a_look_reports_what_has_changed_since_the_look_before(place, device):
    look = lambda: place.operations.answer("look", {"watcher": "w", "tunnels": []})["tunnels"]  # noqa: E731
    assert look() == {"opened": [], "changed": [], "closed": []}
    _protocol, transport = place.stage.relay()
    transport.protocol.dataReceived(b"x" * 50)
    place.stage.pump()
    place.stage.clock.advance(1.0)
    (changed,) = look()["changed"]
    assert changed[1:] == [0, 50, 0.0, 50.0, 1]
    place.stage.clock.advance(1.0)
    (still,) = look()["changed"]
    assert still[3:] == [0.0, 0.0, 1]
    place.stage.clock.advance(1.0)
    assert look()["changed"] == []
    place.stage.device.abortConnection()
    place.stage.pump()
    (closed,) = look()["closed"]
    assert closed["error"] == "TP2011"
    place.stage.clock.advance(11.0)
    place.operations.answer("look", {"watcher": "other", "tunnels": []})
    assert list(place.happenings.mailboxes) == ["other"]


@pytest_twisted.ensureDeferred
async def test_more_watchers_than_allowed_are_refused(place):
    place.events._watchers = set(range(MAX_WATCHERS))
    status, answer = await place.ask("GET", "events?topics=totals")
    assert (status, answer["error"]["code"]) == (503, "too_many_watchers")
    place.events._watchers = set()


def raw(place, method, resource, data):
    """Send bytes that need not be JSON; return the status."""
    request = urllib.request.Request(place.url + PREFIX + resource, data, method=method)
    request.add_header("Authorization", f"Bearer {TOKEN}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("method", "resource", "data"),
    [
        ("GET", "tunnels?limit=inf", None),
        ("GET", "tunnels?limit=-inf", None),
        ("GET", "tunnels?limit=1e400", None),
        ("POST", "rebalance", b'{"tunnels":1e999}'),
        ("POST", "rebalance", b'{"tunnels":NaN}'),
        ("POST", "rebalance", b'{"share":NaN}'),
        ("POST", "rebalance", b'{"tunnels":1' + b"0" * 400 + b"}"),
        ("POST", "refused", b'{"account":"a","reason":"x","for_s":1e300}'),
        ("POST", "refused", b'{"account":"\\ud800","reason":"x"}'),
        ("POST", "end", b'{"account":"\\ud800","reason":"\\ud800"}'),
        ("POST", "end", b"[" * 4000),
        ("POST", "end", b"\xff\xfe"),
        ("GET", "tunnels/%ff-1", None),
        ("GET", "tunnels?after=-1", None),
        ("GET", "tunnels?after=a-" + "9" * 250, None),
        ("GET", "events?topics=substreams:" + "x" * 200, None),
        ("HEAD", "events?topics=totals", None),
    ],
)
@pytest_twisted.ensureDeferred
async def test_odd_requests_break_nothing(place, device, method, resource, data):
    assert await deferToThread(raw, place, method, resource, data) < 500


def watching(place):
    host, port = place.url.removeprefix("http://").split(":")
    stream = socket.create_connection((host, int(port)), 5)
    head = f"GET {PREFIX}events?topics=totals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}"
    stream.sendall(f"{head}\r\n\r\n".encode())
    return stream


def soon(condition):
    return deferToThread(eventually, condition, 10)


@pytest_twisted.ensureDeferred
async def test_many_connections_cut_no_stream_of_events(place, device):
    stream = await deferToThread(watching, place)
    await soon(lambda: place.events._watchers)
    address = place.port.getHost()
    others = [
        await deferToThread(socket.create_connection, (address.host, address.port), 5)
        for _ in range(70)
    ]
    assert (await place.ask("GET", "refused"))[0] == 200
    assert len(place.events._watchers) == 1
    for each in (*others, stream):
        each.close()


@pytest_twisted.ensureDeferred
async def test_nothing_is_kept_when_the_last_watcher_has_left(place, device):
    stream = await deferToThread(watching, place)
    await soon(lambda: place.happenings.mailboxes)
    stream.close()
    await soon(lambda: not place.events._watchers)
    await soon(lambda: not place.events._loop.running)
    place.stage.clock.advance(FORGET_S)
    assert not place.happenings.mailboxes


@pytest_twisted.ensureDeferred
async def test_a_rule_for_an_address_says_how_many_tunnels_it_ends(place, device):
    _status, rule = await place.ask("POST", "refused", {"address": "192.0.2.0/24", "reason": "x"})
    assert rule["ended"] == 1


def test_each_watched_tunnel_gets_the_ends_of_its_substreams_once(place, device):
    tunnel = place.inventory.id_of(place.record)
    other = tunnel.replace("-7", "-8")

    def look(*tunnels):
        asked = {"watcher": "w", "tunnels": list(tunnels)}
        return place.operations.answer("look", asked)["substreams"]

    look(other, tunnel)
    _protocol, transport = place.stage.relay()
    transport.lose(ConnectionDone())
    place.stage.pump()
    found = look(other, tunnel)
    (ended,) = found[tunnel]["closed"]
    assert (ended["target"], ended["outcome"]) == ("93.184.216.34:80", "ended")
    assert found[other]["closed"] == []
    place.stage.relay()[1].lose(ConnectionDone())
    place.stage.pump()
    look()
    assert look(tunnel)[tunnel]["closed"] == []


@pytest_twisted.ensureDeferred
async def test_a_process_that_has_not_answered_may_have_the_tunnel(place, device):
    async def nobody(_method, _arguments):
        return Parts({}, ["worker 2"])

    place.operations.ask = nobody
    for method, resource in (
        ("GET", "tunnels/00000000-1"),
        ("DELETE", "tunnels/00000000-1?reason=x"),
        ("GET", "history"),
    ):
        status, answer = await place.ask(method, resource)
        assert status == 503
        assert "no answer from worker 2" in answer["error"]["message"]


@pytest_twisted.ensureDeferred
async def test_another_site_cannot_use_up_the_tries_of_the_log_in(place):
    foreign = {"Origin": "http://evil.example"}
    for _ in range(6):
        assert (await place.send("POST", "session", {"token": "x"}, **foreign))[0] == 403
    assert (await place.send("POST", "session", {"token": TOKEN}, Origin=place.url))[0] == 200
