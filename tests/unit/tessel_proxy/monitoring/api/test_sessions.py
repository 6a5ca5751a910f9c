"""Sessions of the page: their end, their number, their cookies, and who may use them."""

from contextlib import suppress

import pytest
from twisted.web.test.requesthelper import DummyChannel, DummyRequest

from support.operators_place import TOKEN
from tessel_proxy.monitoring.api.access import MAX_SESSIONS, SESSION_S, Access, ForgedError

HOST = "127.0.0.1:9105"


class Page:
    """A tab of a browser, whose requests are asked about directly."""

    def __init__(self):
        self.now = 0.0
        self.access = Access(TOKEN, lambda: self.now, lambda: self.now)

    def request(self, *cookies, method=b"GET", host=HOST, **headers):
        request = DummyRequest([b"api"])
        request.method = method
        request.channel = DummyChannel()
        for name, value in {"host": host, **headers}.items():
            request.requestHeaders.setRawHeaders(name.replace("_", "-"), [value])
        request.requestHeaders.setRawHeaders("cookie", cookies)
        return request

    def log_in(self):
        name, session = self.access.log_in(self.request(), TOKEN)
        return f"tessel_session={name}", session

    def may(self, *cookies, **headers):
        return self.access.caller(self.request(*cookies, **headers)) is not None


@pytest.fixture
def page():
    return Page()


def test_a_session_ends_after_twelve_hours(page):
    cookie, session = page.log_in()
    assert session.expires_at == SESSION_S == 12 * 3600
    page.now = SESSION_S - 1
    assert page.may(cookie)
    page.now = SESSION_S
    assert not page.may(cookie)
    assert not page.access.is_open(session)


def test_the_oldest_session_ends_for_one_too_many(page):
    (first, _), *others = [page.log_in() for _ in range(MAX_SESSIONS + 1)]
    assert not page.may(first)
    assert all(page.may(cookie) for cookie, _session in others)


def test_an_ended_session_makes_room_before_an_open_one_does(page):
    ended = [page.log_in() for _ in range(MAX_SESSIONS - 1)]
    page.now = SESSION_S / 2
    cookie, _ = page.log_in()
    page.now = SESSION_S
    assert page.may(page.log_in()[0])
    assert page.may(cookie)
    assert not any(page.may(each) for each, _session in ended)


@pytest.mark.parametrize(
    "others",
    [
        ["a=1; {}; b=2"],
        ["[odd]=1; {}"],
        ['a="x; {}'],
        ["a=b=c; ; =; é=ü; {}"],
        ["{}; a={{}}"],
        ["tessel_session=planted; {}"],
        ["{}; tessel_session=planted"],
        ["a=1", "{}"],
    ],
)
def test_other_cookies_do_not_end_a_session(page, others):
    cookie, _session = page.log_in()
    assert page.may(*[each.format(cookie) for each in others])


def test_a_cookie_that_only_resembles_ours_gives_no_access(page):
    cookie, _session = page.log_in()
    for each in ("x" + cookie, cookie + "x", cookie.upper(), cookie.replace("=", " = x"), ""):
        assert not page.may(each)


def test_a_session_is_of_the_host_at_which_it_began(page):
    cookie, _session = page.log_in()
    assert page.may(cookie)
    assert not page.may(cookie, host="evil.example:9105")  # a name that was pointed at this host


@pytest.mark.parametrize(
    ("site", "may"),
    [("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False)],
)
def test_a_page_of_another_port_cannot_read_or_use_up_streams(page, site, may):
    cookie, _session = page.log_in()
    assert page.may(cookie, sec_fetch_site=site) is may


def test_a_header_that_is_there_twice_gives_no_access(page):
    cookie, session = page.log_in()
    own = {"x_tessel_csrf": session.csrf, "origin": f"http://{HOST}"}
    assert page.access.caller(page.request(cookie, method=b"POST", **own))
    for name in ("x-tessel-csrf", "origin", "host"):
        request = page.request(cookie, method=b"POST", **own)
        values = request.requestHeaders.getRawHeaders(name)
        request.requestHeaders.setRawHeaders(name, [*values, "http://evil.example"])
        with suppress(ForgedError):
            assert page.access.caller(request) is None
    bearer = page.request(authorization=f"Bearer {TOKEN}")
    bearer.requestHeaders.addRawHeader("authorization", "Bearer other")
    assert page.access.caller(bearer) is None
