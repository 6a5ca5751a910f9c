"""The operator's API on a proxy as a process: what is open is shown, and can be ended."""

import json
import urllib.error
import urllib.request

import pytest

from lab.waiting import eventually
from support.hardening.device import hello
from support.hardening.operating import TOKEN, Operator
from support.hardening.proxy import TOKEN as DEVICES_TOKEN
from support.hardening.proxy import running_proxy

FEATURES = ["retry/1", "reason/1", "message/1", "device/1", "goaway/1"]


@pytest.fixture(params=[1, 2])
def proxy(request, proxy_with):
    return proxy_with(WORKERS=request.param, ADMIN_PORT=0, ADMIN_TOKEN=TOKEN)


@pytest.fixture
def operator(proxy):
    return Operator(proxy)


def greeted(device, name):
    device.send(hello(DEVICES_TOKEN, features=FEATURES, device=name))
    assert device.said()[1]["object"]["authed"] is True
    return device


@pytest.fixture
def lamp(proxy, operator, device_of):
    return greeted(device_of(proxy), "lamp")


def test_a_tunnel_is_shown_with_its_device_and_tls(operator, lamp):
    (row,) = operator.get("tunnels")["tunnels"]
    assert (row["account"], row["device"], row["state"]) == ("hardcoded", "lamp", "open")
    assert row["tls_version"] == "TLSv1.3"
    assert row["address"] == "127.0.0.1"
    assert operator.get(f"tunnels/{row['id']}")["open"] == []


def test_an_ended_tunnels_device_gets_the_reason(operator, lamp):
    (row,) = operator.get("tunnels")["tunnels"]
    assert operator.delete(f"tunnels/{row['id']}?reason=go%20to%20bed")["ended"] == 1
    said = lamp.said()[1]["object"]
    assert (said["reason"], said["message"], said["retry"]) == ("ended", "go to bed", True)
    lamp.wait_until_gone(within=1.0)
    status, message = operator.refused("GET", f"tunnels/{row['id']}")
    assert (status, message) == (404, f"no tunnel {row['id']} is open")


def test_pages_hold_each_tunnel_once_and_filters_choose(proxy, operator, device_of):
    devices = [greeted(device_of(proxy), f"d{number}") for number in range(7)]
    found, after = [], ""
    while after is not None:
        page = operator.get(f"tunnels?limit=3&after={after}")
        assert page["total"] == 7
        found += [row["device"] for row in page["tunnels"]]
        after = page["next"]
    assert sorted(found) == [f"d{number}" for number in range(7)]
    assert operator.get("tunnels?device=d3")["total"] == 1
    assert operator.get("tunnels?account=nobody")["total"] == 0
    assert len(devices) == 7


def test_all_tunnels_of_an_account_are_ended(proxy, operator, device_of):
    devices = [greeted(device_of(proxy), f"d{number}") for number in range(4)]
    assert operator.post("end", account="hardcoded", device="d0", reason="x")["ended"] == 1
    devices.pop(0).wait_until_gone(within=1.0)
    ended = operator.post("end", account="hardcoded", reason="x")
    assert (ended["ended"], ended["missing"]) == (3, [])
    for each in devices:
        each.wait_until_gone(within=1.0)


def test_a_refused_device_is_ended_notified_and_kept_out_until_it_is_allowed(
    proxy, operator, lamp, device_of
):
    rule = operator.post("refused", account="hardcoded", device="lamp", reason="noisy", for_s=60)
    assert rule["ended"] == 1
    assert lamp.said()[1]["object"]["message"] == "noisy"
    lamp.wait_until_gone(within=1.0)
    assert [each["id"] for each in operator.get("refused")["refused"]] == [rule["id"]]
    again = device_of(proxy)
    again.send(hello(DEVICES_TOKEN, features=FEATURES, device="lamp"))
    assert again.said()[1]["object"]["reason"] == "refused"
    row = eventually(lambda: operator.get("accounts")["accounts"])[0]
    assert row["refused"]["TP2033"] == 1
    operator.delete(f"refused/{rule['id']}")
    greeted(device_of(proxy), "lamp")


def test_events_report_a_tunnel_that_comes_and_goes(proxy, operator, device_of):
    events = operator.events("tunnels,totals", seconds=8.0)
    next(events)  # the first totals
    lamp = greeted(device_of(proxy), "lamp")
    opened = (row for rows in told_of(events, "opened") for row in rows)
    row = next(each for each in opened if each["state"] == "open")  # after "checking" or not
    assert row["device"] == "lamp"
    lamp.reset()
    (ended,) = next(rows for rows in told_of(events, "closed") if rows)
    assert (ended["id"], ended["outcome"], ended["error"]) == (row["id"], "lost", "TP2011")


def told_of(events, what):
    """Yield the rows of the events `tunnels`."""
    return (value[what] for name, value in events if name == "tunnels")


def test_each_process_is_shown(proxy, operator):
    def roles():
        rows = operator.get("proxies")["proxies"]
        return [row["role"] for row in rows if row["ready"]]

    eventually(lambda: roles() in (["proxy"], ["worker", "worker"]))


def test_devices_are_asked_to_reconnect(operator, lamp):
    assert operator.post("rebalance", share=1)["asked"] == 1
    assert lamp.said()[1]["type"] == "goaway"


def test_a_drain_stops_the_proxy(proxy, operator, lamp):
    lamp.reset()
    assert len(operator.post("drain")["draining"]) == 1
    eventually(lambda: not proxy.alive, 20)


def test_history_and_errors_and_the_document_are_there(operator):
    assert len(operator.get("history")["all"]["opens"]) == 360
    assert operator.get("errors/TP2005")["title"] == "Wrong token"
    assert operator.refused("GET", "errors/TP9999")[0] == 404
    assert operator.refused("GET", "usage")[0] == 404


def test_commands_are_audited(proxy, operator, lamp):
    operator.post("end", account="hardcoded", reason="spring cleaning")
    (line,) = eventually(lambda: proxy.log.events("audit"))
    assert (line["by"], line["command"], line["reason"]) == ("token", "end", "spring cleaning")
    assert line["address"] == "127.0.0.1"


def audited(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("workers", [1, 2])
def test_commands_are_audited_in_a_file_of_their_own(proxy_with, tmp_path, workers):
    path = tmp_path / "audit.log"
    settings = {"WORKERS": workers, "ADMIN_PORT": 0, "ADMIN_TOKEN": TOKEN, "LOG_FORMAT": "json"}
    operator = Operator(proxy_with(AUDIT_LOG_FILE=path, **settings))
    operator.post("end", account="a", reason="one")
    (line,) = eventually(lambda: audited(path))
    assert (line["command"], line["reason"], line["result"]) == ("end", "one", "ok")
    path.rename(path.with_name("older"))
    operator.refused("POST", "end", {"account": "a"})
    (line,) = eventually(lambda: path.exists() and audited(path))
    assert (line["result"], line["status"]) == ("refused", 400)


def test_the_audit_is_in_the_log_if_its_file_cannot_be_opened(proxy_with, tmp_path):
    proxy = proxy_with(AUDIT_LOG_FILE=tmp_path / "no" / "audit", ADMIN_PORT=0, ADMIN_TOKEN=TOKEN)
    proxy.expected_faults = ["audit_not_written"]
    Operator(proxy).post("end", account="a", reason="one")
    assert eventually(lambda: proxy.log.events("audit"))[0]["reason"] == "one"
    (line,) = proxy.log.events("audit_not_written")
    assert line["error"] == "TP3042"


@pytest.mark.parametrize(
    ("method", "resource", "body", "status"),
    [
        ("GET", "tunnels?limit=0", None, 400),
        ("GET", "tunnels?limit=1e9", None, 400),
        ("GET", "tunnels?limit=nan", None, 400),
        ("GET", "tunnels?limit=1&limit=2", None, 400),
        ("GET", "tunnels?what=1", None, 400),
        ("GET", "tunnels?after=x", None, 400),
        ("GET", "tunnels/" + "x" * 2000, None, 404),
        ("PUT", "tunnels", None, 405),
        ("GET", "nothing", None, 404),
        ("DELETE", "tunnels/a-1", None, 400),
        ("POST", "end", [], 400),
        ("POST", "end", {}, 400),
        ("POST", "end", {"account": 7, "reason": "x"}, 400),
        ("POST", "end", {"account": "a", "reason": "x" * 201}, 400),
        ("POST", "end", {"account": "a", "reason": "x", "more": 1}, 400),
        ("POST", "refused", {"reason": "x"}, 400),
        ("POST", "refused", {"account": "a", "reason": "x", "for_s": -1}, 400),
        ("POST", "refused", {"address": "0.0.0.0/0", "reason": "x"}, 400),
        ("DELETE", "refused/none", None, 404),
        ("POST", "rebalance", {}, 400),
        ("POST", "upgrade", None, 404),
        ("GET", "events?topics=all", None, 400),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason(operator_alone, method, resource, body, status):
    got, message = operator_alone.refused(method, resource, body)
    assert got == status
    assert message


@pytest.fixture(scope="module")
def operator_alone(tmp_path_factory, authority):
    settings = {"AUTH_HARDCODED": "x" * 20, "ADMIN_PORT": "0", "ADMIN_TOKEN": TOKEN}
    with running_proxy(tmp_path_factory.mktemp("api"), authority, settings) as proxy:
        yield Operator(proxy)


def fetched(url, method="GET", data=None, **headers):
    """Return status, headers without the date, and body."""
    request = urllib.request.Request(url, data, method=method)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        response = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        response = error
    shown = {name: value for name, value in response.headers.items() if name != "Date"}
    return response.status, shown, response.read()


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic " + TOKEN, "Bearer"])
@pytest.mark.parametrize(
    "path", ["tunnels", "tunnels/x-1", "events?topics=totals", "openapi.json", "session", "nothing"]
)
def test_without_the_token_the_api_is_like_a_path_that_is_not_there(
    operator_alone, path, authorization
):
    url = operator_alone.url
    nothing = fetched(f"{url}/nothing/there", Authorization=authorization)
    assert nothing[0] == 404
    for method in ("GET", "POST", "DELETE"):
        if (method, path) == ("POST", "session"):
            continue
        expected = fetched(f"{url}/nothing/there", method, Authorization=authorization)
        found = fetched(f"{url}/api/v1/{path}", method, Authorization=authorization)
        assert found == expected


class Page:
    """A browser's tab that has logged in."""

    def __init__(self, url):
        self.url = url
        data = json.dumps({"token": TOKEN}).encode()
        status, headers, body = fetched(f"{url}/api/v1/session", "POST", data)
        assert status == 200
        assert {"HttpOnly", "SameSite=Strict"} <= set(headers["Set-Cookie"].split("; "))
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        self.csrf = json.loads(body)["csrf"]

    def send(self, method, resource, body=None, **headers):
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.url}/api/v1/{resource}"
        return fetched(url, method, data, Cookie=self.cookie, **headers)[0]


def test_a_command_that_the_page_has_not_sent_does_nothing(operator_alone):
    page = Page(operator_alone.url)
    end = {"account": "a", "reason": "x"}
    own = {"X_Tessel_CSRF": page.csrf, "Origin": page.url}
    assert page.send("GET", "tunnels") == 200
    assert page.send("POST", "end", end, **own) == 200
    for wrong in (
        {},
        {"Origin": page.url},
        {"X_Tessel_CSRF": page.csrf},
        {**own, "Origin": "http://evil.example"},
        {**own, "Origin": "null"},
        {**own, "X_Tessel_CSRF": "0" * 43},
    ):
        assert page.send("POST", "end", end, **wrong) == 403
    assert page.send("DELETE", "session", **own) == 200
    assert page.send("GET", "tunnels") == 404


def test_wrong_tokens_at_the_log_in_are_slowed_down(proxy_with):
    operator = Operator(proxy_with(ADMIN_PORT=0, ADMIN_TOKEN=TOKEN))
    url = f"{operator.url}/api/v1/session"
    statuses = [fetched(url, "POST", b'{"token":"wrong"}')[0] for _ in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    assert operator.get("tunnels")["total"] == 0  # the token in a header is not slowed down


def test_without_an_operators_token_there_is_no_api(proxy_with):
    proxy = proxy_with(ADMIN_PORT=0)
    (admin,) = eventually(lambda: proxy.log.events("admin_listening"))
    url = f"http://127.0.0.1:{admin['port']}"
    nothing = fetched(f"{url}/nothing")
    for path in ("/", "/api/v1/tunnels", "/api/v1/session", "/page/js/main.js", "/errors/TP2005"):
        assert fetched(url + path) == nothing
    assert fetched(url + "/readyz")[0] == 200


def test_watchers_beyond_the_limit_are_refused_and_cost_the_others_nothing(operator_alone):
    streams = []
    for _ in range(32):
        request = urllib.request.Request(f"{operator_alone.url}/api/v1/events?topics=totals")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        streams.append(urllib.request.urlopen(request, timeout=10))
    status, message = operator_alone.refused("GET", "events?topics=totals")
    assert status == 503
    assert "too many streams" in message
    assert all(each.readline() for each in streams)
    streams[0].close()
    eventually(lambda: list(operator_alone.events("totals", seconds=1.5)), 10)
    for each in streams:
        each.close()
