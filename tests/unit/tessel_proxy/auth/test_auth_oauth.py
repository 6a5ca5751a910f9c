"""TesselOAuth against a real HTTP server on loopback that answers as a test tells it to."""

import base64
import gzip
import json

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.server import Site

from support.token_site import GRANT, KEY, PROFILE, Listening, TokenSite, oauth
from tessel_proxy.auth import (
    Account,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
    authenticator_for,
)
from tessel_proxy.auth.attempts import PAUSES_S
from tessel_proxy.auth.oauth import (
    MAX_ANSWER_BYTES,
    MAX_KEY_CHARACTERS,
    BodyTooLargeError,
    read_body,
)
from tessel_proxy.auth.settings_parsers import TokenService
from tessel_proxy.startup.config import Config


def oauth_error(word, code=400):
    return code, {"code": code, "error": word, "error_description": f"{word} {KEY}"}


async def answer_of(site):
    async with Listening(Site(site)) as server:
        return await oauth(server.url).check(KEY)


async def error_of(site):
    with pytest.raises(AuthUnavailableError) as raised:
        await answer_of(site)
    shown = str(raised.value)
    assert not any(secret in shown for secret in (KEY, "a" * 40, "the-tessel-devenv"))
    return raised.value


@pytest_twisted.ensureDeferred
async def test_a_known_key_is_its_owners_account():
    site = TokenSite()
    assert await answer_of(site) == Account("tessel-dev")
    (grant, profile) = site.asked
    assert grant[:3] == (
        "POST",
        "/oauth/token",
        {"grant_type": "https://tessel-grant", "api_key": KEY},
    )
    assert profile[:3] == ("POST", "/users/profile", {"access_token": "a" * 40})


@pytest_twisted.ensureDeferred
async def test_the_proxy_names_itself_by_http_basic_for_a_grant_and_never_for_a_profile():
    site = TokenSite()
    async with Listening(Site(site)) as server:
        checker = oauth(server.url)
        await checker.check(KEY)
        await checker.check(KEY)  # the profile alone, by the access token that is known
    credentials = base64.b64encode(b"tessel-proxy-dev:the-tessel-devenv").decode()
    sent = [(path, headers.getRawHeaders("authorization")) for _, path, _, headers in site.asked]
    assert sent == [
        ("/oauth/token", [f"Basic {credentials}"]),
        ("/users/profile", None),
        ("/users/profile", None),
    ]


@pytest_twisted.ensureDeferred
async def test_an_access_token_that_expires_serves_as_well():
    site = TokenSite()
    site.answers["/oauth/token"] = (200, {**GRANT, "expires_in": 3600})
    assert await answer_of(site) == Account("tessel-dev")


@pytest_twisted.ensureDeferred
async def test_an_unknown_key_is_refused_and_nothing_more_is_asked():
    site = TokenSite()
    site.answers["/oauth/token"] = oauth_error("invalid_request")
    assert await answer_of(site) == Refused()
    assert len(site.asked) == 1


@pytest.mark.parametrize("code", [400, 401])
@pytest.mark.parametrize(
    "word", ["invalid_client", "unauthorized_client", "unsupported_grant_type"]
)
@pytest_twisted.ensureDeferred
async def test_wrong_client_credentials_are_the_operators_fault(word, code):
    site = TokenSite()
    site.answers["/oauth/token"] = oauth_error(word, code)
    error = await error_of(site)
    assert isinstance(error, AuthMisconfiguredError)
    assert str(error) == (
        f"the token service answered {word}: check client id and secret in AUTH_TESSEL_OA2"
    )


@pytest.mark.parametrize("path", ["/oauth/token", "/users/profile"])
@pytest.mark.parametrize(
    "answer",
    [
        oauth_error("server_error", 503),
        (500, b"<html>sorry</html>"),
        (404, b"{}"),
        (301, {"error": "invalid_request"}),
        (304, {}),
        (400, {"error": "what_else"}),
        (400, {"error": ["invalid_client"]}),
        (400, {"error": {}}),
        (400, b"Bad Request"),
        (200, b""),
        (200, b'"text"'),
        (200, b"[1]"),
        (200, b"\xff\xfe{}"),
        (200, b"[" * 60_000),
        (200, {}),
        (200, {"access_token": None, "username": None}),
        (200, {"access_token": "", "username": ""}),
        (200, {"access_token": 7, "username": 7}),
        (201, {**GRANT, **PROFILE}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_any_other_answer_means_that_nothing_is_known(path, answer):
    site = TokenSite()
    site.answers[path] = answer
    assert not isinstance(await error_of(site), AuthMisconfiguredError)


@pytest.mark.parametrize(
    "answer", [oauth_error("invalid_request"), oauth_error("invalid_token", 401)]
)
@pytest_twisted.ensureDeferred
async def test_an_access_token_refused_right_after_its_grant_says_nothing_of_the_key(answer):
    site = TokenSite()
    site.answers["/users/profile"] = answer
    error = await error_of(site)
    assert type(error) is AuthUnavailableError
    assert str(error) == (
        f"the token service answered /users/profile with unexpected status {answer[0]}"
    )


@pytest.mark.parametrize("username", ["a\nb", "x" * 1000])
@pytest_twisted.ensureDeferred
async def test_a_name_that_no_log_could_show_is_not_taken(username):
    site = TokenSite()
    site.answers["/users/profile"] = (200, {**PROFILE, "username": username})
    assert "allowed: 1 to 256 printable characters" in str(await error_of(site))


@pytest_twisted.ensureDeferred
async def test_a_redirect_is_not_followed():
    site = TokenSite()
    site.answers["/oauth/token"] = (307, {})
    site.headers["location"] = "/users/profile"
    await error_of(site)
    assert len(site.asked) == 1


@pytest_twisted.ensureDeferred
async def test_no_cookie_of_one_check_accompanies_the_next():
    site = TokenSite()
    site.headers["set-cookie"] = "session=ada; Path=/"
    async with Listening(Site(site)) as server:
        checker = oauth(server.url)
        await checker.check(KEY)
        await checker.check(KEY)
    assert [asked[3].getRawHeaders("cookie") for asked in site.asked] == [None] * 3


@pytest.mark.parametrize("packed", [False, True])
@pytest_twisted.ensureDeferred
async def test_an_answer_without_end_is_cut_off(packed):
    site = TokenSite()
    body = b'{"access_token": "' + b"a" * 4 * MAX_ANSWER_BYTES + b'"}'
    if packed:
        site.headers["content-encoding"] = "gzip"
        body = gzip.compress(body)
    site.answers["/oauth/token"] = (200, body)
    assert str(await error_of(site)).endswith(
        f"cannot be asked: more than {MAX_ANSWER_BYTES} bytes"
    )


@pytest_twisted.ensureDeferred
async def test_a_service_that_does_not_answer_is_given_up_after_the_deadline():
    site, clock = TokenSite(), Clock()
    site.answers["/users/profile"] = None
    async with Listening(Site(site)) as server:
        check = oauth(server.url, clock).check(KEY)
        await site.arrived
        clock.advance(9.9)
        assert not check.called
        clock.advance(0.2)
        with pytest.raises(AuthUnavailableError, match="no answer within 10 s"):
            await check
        await site.gone  # the connection is closed, not left waiting


@pytest_twisted.ensureDeferred
async def test_a_check_that_nobody_waits_for_any_more_can_be_cancelled():
    site = TokenSite()
    site.answers["/oauth/token"] = None
    async with Listening(Site(site)) as server:
        check = oauth(server.url).check(KEY)
        await site.arrived
        check.cancel()
        with pytest.raises(CancelledError):
            await check
        await site.gone


# --- again


def paths(site):
    return [asked[1] for asked in site.asked]


@pytest_twisted.ensureDeferred
async def test_a_key_that_was_good_is_asked_about_by_the_profile_alone():
    site = TokenSite()
    async with Listening(Site(site)) as server:
        checker = oauth(server.url)
        assert [await checker.check(KEY) for _ in range(3)] == [Account("tessel-dev")] * 3
    assert paths(site) == ["/oauth/token", "/users/profile", "/users/profile", "/users/profile"]


@pytest_twisted.ensureDeferred
async def test_a_key_that_was_renewed_is_refused_though_its_access_token_lives_on():
    site = TokenSite()
    async with Listening(Site(site)) as server:
        checker = oauth(server.url)
        await checker.check(KEY)
        site.answers["/users/profile"] = (200, {**PROFILE, "apiKey": "another"})
        site.answers["/oauth/token"] = oauth_error("invalid_request")
        assert await checker.check(KEY) == Refused()
        assert await checker.check(KEY) == Refused()
    assert paths(site)[2:] == ["/users/profile", "/oauth/token", "/oauth/token"]


@pytest.mark.parametrize(
    "answer",
    [oauth_error("invalid_token", 401), (200, {"username": "tessel-dev"}), (200, {"apiKey": 7})],
)
@pytest_twisted.ensureDeferred
async def test_where_the_profile_does_not_report_a_new_grant_does(answer):
    site = TokenSite()
    async with Listening(Site(site)) as server:
        checker = oauth(server.url)
        await checker.check(KEY)
        site.answers["/users/profile"] = answer
        asked = checker.check(KEY)
        asked.addErrback(lambda failure: failure.trap(AuthUnavailableError))
        await asked
    assert paths(site)[2:] == ["/users/profile", "/oauth/token", "/users/profile"]


@pytest_twisted.ensureDeferred
async def test_a_service_in_a_moments_trouble_is_asked_again():
    site = TokenSite()
    site.troubles = len(PAUSES_S)
    assert await answer_of(site) == Account("tessel-dev")
    assert paths(site) == ["/oauth/token"] * 3 + ["/users/profile"]


@pytest_twisted.ensureDeferred
async def test_a_service_in_lasting_trouble_is_asked_so_often_and_no_more():
    site = TokenSite()
    site.troubles = 100
    await error_of(site)
    assert len(site.asked) == 1 + len(PAUSES_S)


@pytest_twisted.ensureDeferred
async def test_what_the_service_has_decided_is_not_asked_again():
    site = TokenSite()
    site.answers["/oauth/token"] = oauth_error("invalid_client")
    await error_of(site)
    assert len(site.asked) == 1


class Says(Protocol):
    """Says its piece to whoever asks anything, and hangs up."""

    def __init__(self, words):
        self._words = words

    def dataReceived(self, data):
        self.transport.write(self._words)
        self.transport.loseConnection()


def speaker(words):
    return Factory.forProtocol(lambda: Says(words))


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\nhello",
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_no_http_or_is_cut_means_that_nothing_is_known(words):
    factory = speaker(words)
    async with Listening(factory) as server:
        with pytest.raises(AuthUnavailableError, match=r"^the token service"):
            await oauth(server.url).check(KEY)


@pytest_twisted.ensureDeferred
async def test_an_answer_that_ends_with_its_connection_is_whole():
    body = json.dumps({"error": "invalid_request"}).encode()
    factory = speaker(b"HTTP/1.0 400 Bad Request\r\n\r\n" + body)
    async with Listening(factory) as server:
        assert await oauth(server.url).check(KEY) == Refused()


class HalfAResponse:
    """A body under way."""

    def __init__(self):
        self.transport = StringTransport()

    def deliverBody(self, protocol):
        protocol.makeConnection(self.transport)
        protocol.dataReceived(b'{"access')
        self.protocol = protocol


def test_a_body_that_nobody_waits_for_any_more_closes_its_connection():
    response = HalfAResponse()
    body = read_body(response, 100)
    body.cancel()
    body.addErrback(lambda failure: failure.trap(CancelledError))
    assert response.transport.disconnecting
    response.protocol.dataReceived(b'_token"}')
    response.protocol.connectionLost()


def test_a_body_is_not_kept_once_it_is_too_large():
    response = HalfAResponse()
    body = read_body(response, 10)
    response.protocol.dataReceived(b"x" * 3)
    body.addErrback(lambda failure: failure.trap(BodyTooLargeError))
    assert response.transport.disconnecting
    response.protocol.dataReceived(b"x" * 3)
    assert not response.protocol._buffer


@pytest_twisted.ensureDeferred
async def test_a_service_that_is_down_means_that_nothing_is_known():
    async with Listening(Factory()) as server:
        url = server.url
    with pytest.raises(AuthUnavailableError) as raised:
        await oauth(url).check(KEY)
    assert str(raised.value).startswith(f"the token service at {url} cannot be asked: ")
    assert "refused" in str(raised.value)


@pytest_twisted.ensureDeferred
async def test_a_service_whose_certificate_is_not_trusted_means_that_nothing_is_known():
    factory = speaker(b"HTTP/1.1 200 OK\r\n\r\n")
    async with Listening(factory) as server:
        with pytest.raises(AuthUnavailableError, match="cannot be asked"):
            await oauth(server.url.replace("http:", "https:")).check(KEY)


@pytest.mark.parametrize("token", ["\ud800", "x" * (MAX_KEY_CHARACTERS + 1)])
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_a_key_is_refused_without_asking(token):
    assert await oauth("http://127.0.0.1:1").check(token) == Refused()


@pytest_twisted.ensureDeferred
async def test_the_authenticator_that_the_settings_ask_for_works_like_this():
    site = TokenSite()
    site.headers["connection"] = "close"  # else one would be kept beyond this test
    async with Listening(Site(site)) as server:
        service = TokenService(server.url, "tessel-proxy-dev", "the-tessel-devenv")
        authenticator = authenticator_for(Config(auth_tessel_oa2=service), reactor).authenticator
        assert await authenticator.check(KEY) == Account("tessel-dev")
