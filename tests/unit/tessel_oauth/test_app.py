"""The HTTP interface over loopback: status, headers and bodies of each kind of request."""

import json

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred, gatherResults

from tessel_oauth.store import Client

GRANT_TYPE = "https://tessel-grant"
FORM = {"grant_type": GRANT_TYPE, "api_key": "DEV-CRED"}
CLIENT = ("tessel-proxy-dev", "the-tessel-devenv")
BODY_CLIENT = {"client_id": CLIENT[0], "client_secret": CLIENT[1]}


def header(response, name):
    return list(response.headers.getRawHeaders(name, []))


def assert_refused(answer, status, word):
    code, body, response = answer
    assert (code, body["code"], body["error"]) == (status, status, word)
    assert list(body) == ["code", "error", "error_description"]
    assert body["error_description"]
    assert header(response, "content-type") == ["application/json"]
    assert header(response, "cache-control") == ["no-store"]
    assert header(response, "pragma") == ["no-cache"]
    expected = {
        "invalid_client": ['Basic realm="Service"'],
        "invalid_token": ['Bearer realm="Service", error="invalid_token"'],
    }
    assert header(response, "www-authenticate") == expected.get(word, [])


@pytest_twisted.ensureDeferred
async def test_an_api_key_is_exchanged_for_a_token_that_never_expires(serve):
    serving = await serve()

    status, answer, response = await serving.grant()

    assert status == 200
    assert list(answer) == ["token_type", "access_token", "refresh_token"]
    assert answer["token_type"] == "bearer"
    assert len(bytes.fromhex(answer["access_token"])) == 20
    assert len(bytes.fromhex(answer["refresh_token"])) == 20
    assert answer["refresh_token"] != answer["access_token"]
    assert header(response, "cache-control") == ["no-store"]
    assert header(response, "pragma") == ["no-cache"]
    assert header(response, "content-type") == ["application/json"]


@pytest_twisted.ensureDeferred
async def test_client_credentials_may_come_in_the_body(serve):
    serving = await serve()

    status, _, _ = await serving.grant(auth=None, **BODY_CLIENT)

    assert status == 200


@pytest_twisted.ensureDeferred
async def test_a_token_with_a_lifetime_says_so_and_expires(serve):
    serving = await serve(token_lifetime_s=60)
    _, answer, _ = await serving.grant()
    token = answer["access_token"]

    assert list(answer) == ["token_type", "access_token", "expires_in", "refresh_token"]
    assert answer["expires_in"] == 60
    serving.clock.advance(59)
    assert (await serving.profile(token))[0] == 200
    serving.clock.advance(1)
    assert_refused(await serving.profile(token), 401, "invalid_token")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "BREW"])
async def test_a_grant_needs_post(serve, method):
    serving = await serve()

    answer = await serving.ask(method, "/oauth/token", data=FORM, auth=CLIENT)

    assert_refused(answer, 400, "invalid_request")


@pytest_twisted.ensureDeferred
async def test_a_grant_needs_a_form(serve):
    serving = await serve()

    for kwargs in (
        {"json": FORM},
        {"data": json.dumps(FORM).encode()},
        {"files": {"api_key": ("f", b"DEV-CRED")}},
    ):
        answer = await serving.ask("POST", "/oauth/token", auth=CLIENT, **kwargs)
        assert_refused(answer, 400, "invalid_request")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("grant_type", ["", "client_credentials", "https://other-grant"])
async def test_an_unknown_grant_type_is_an_invalid_request(serve, grant_type):
    serving = await serve()

    # Judged before the client's credentials, as in the original.
    answer = await serving.grant(auth=("nobody", "x"), grant_type=grant_type)

    assert_refused(answer, 400, "invalid_request")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "refresh_token"])
async def test_a_grant_of_the_original_that_the_client_may_not_use_is_an_invalid_client(
    serve, grant_type
):
    serving = await serve()
    token = (await serving.grant())[1]["refresh_token"]
    more = {"username": "tessel-dev", "password": "x", "refresh_token": token, "code": "x"}

    answer = await serving.grant(grant_type=grant_type, **more)

    assert_refused(answer, 400, "invalid_client")


@pytest_twisted.ensureDeferred
async def test_a_grant_type_may_be_written_in_any_case(serve):
    serving = await serve()

    assert (await serving.grant(grant_type="HTTPS://Tessel-Grant"))[0] == 200


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("client_id", ["another", ""])
async def test_another_client_id_in_the_body_than_in_the_header_is_an_invalid_request(
    serve, client_id
):
    serving = await serve()
    wrong_secret = (CLIENT[0], "wrong")

    assert_refused(await serving.grant(client_id=client_id), 400, "invalid_request")
    judged_first = await serving.grant(auth=wrong_secret, client_id=client_id)
    assert_refused(judged_first, 400, "invalid_client")
    assert (await serving.grant(client_id=CLIENT[0]))[0] == 200


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("auth", "data"),
    [
        (None, {}),
        (None, {"client_id": CLIENT[0]}),
        (None, {"client_secret": CLIENT[1]}),
        (None, {"client_id": CLIENT[0], "client_secret": "wrong"}),
        ((CLIENT[0], "wrong"), {}),
        ((CLIENT[0], ""), {}),
        (("nobody", CLIENT[1]), {}),
    ],
)
async def test_wrong_client_credentials_are_an_invalid_client(serve, auth, data):
    serving = await serve()

    answer = await serving.grant(auth=auth, **data)

    assert_refused(answer, 400, "invalid_client")


@pytest_twisted.ensureDeferred
async def test_a_client_gets_the_grants_it_is_allowed(serve):
    serving = await serve()
    allowed = await serving.service._storing.run(serving.service._store.client, CLIENT[0])
    other = Client(CLIENT[0], allowed.secret_hash, frozenset({"password"}))
    await serving.service._storing.run(serving.service._store.put_client, other)

    assert_refused(await serving.grant(), 400, "invalid_client")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("api_key", ["", "wrong", "dev-cred", "DEV-CRED ", "'; DROP TABLE account"])
async def test_an_unknown_api_key_is_an_invalid_request(serve, api_key):
    serving = await serve()

    assert_refused(await serving.grant(api_key), 400, "invalid_request")
    assert (await serving.grant())[0] == 200


@pytest_twisted.ensureDeferred
async def test_the_client_is_checked_before_the_api_key(serve):
    serving = await serve()

    assert_refused(await serving.grant("wrong", auth=("nobody", "x")), 400, "invalid_client")


@pytest_twisted.ensureDeferred
async def test_a_token_in_the_query_or_a_form_gets_the_profile(serve):
    serving = await serve()
    token = await serving.token()

    answers = [
        await serving.ask("GET", f"/users/profile?access_token={token}"),
        await serving.ask("POST", f"/users/profile?access_token={token}"),
        await serving.ask("POST", "/users/profile", data={"access_token": token}),
    ]

    profile = {
        "username": "tessel-dev",
        "email": "tessel-dev@localhost",
        "apiKey": "DEV-CRED",
        "name": "tessel-dev",
    }
    assert [(status, body) for status, body, _ in answers] == [(200, profile)] * 3
    assert all(header(each, "cache-control") == ["no-store"] for _, _, each in answers)


@pytest_twisted.ensureDeferred
async def test_a_valid_token_in_the_header_is_answered_as_the_original_does(serve):
    serving = await serve()
    bearer = {"Authorization": f"Bearer {await serving.token()}"}

    for method in ("GET", "POST"):
        status, body, response = await serving.ask(method, "/users/profile", headers=bearer)
        assert (status, body) == (304, None)
        assert header(response, "cache-control") == ["no-store"]
    wrong = await serving.ask("GET", "/users/profile", headers={"Authorization": "Bearer x"})
    assert_refused(wrong, 401, "invalid_token")


@pytest_twisted.ensureDeferred
async def test_no_token_or_more_than_one_is_an_invalid_request(serve):
    serving = await serve()
    token = await serving.token()
    query, bearer = f"?access_token={token}", {"Authorization": f"Bearer {token}"}
    form = {"access_token": token}

    for answer in (
        await serving.ask("GET", "/users/profile"),
        await serving.ask("POST", "/users/profile", json=form),
        await serving.ask("GET", "/users/profile" + query, headers=bearer),
        await serving.ask("POST", "/users/profile" + query, data=form),
        await serving.ask("POST", "/users/profile", data=form, headers=bearer),
        await serving.ask("POST", "/users/profile", data=form, auth=CLIENT),
        await serving.ask("GET", "/users/profile" + query, auth=CLIENT),
        await serving.ask("GET", "/users/profile" + query, headers={"Authorization": ""}),
        await serving.ask("POST", "/users/profile?access_token=", data=form),
        await serving.ask("POST", "/users/profile" + query, json=form),
        await serving.ask("POST", "/users/profile" + query, json={"access_token": None}),
        await serving.ask("GET", "/users/profile", data=form),
        await serving.ask("GET", "/users/profile", headers={"Authorization": f"bearer {token}"}),
    ):
        assert_refused(answer, 400, "invalid_request")


@pytest_twisted.ensureDeferred
async def test_an_unknown_token_is_an_invalid_token(serve):
    serving = await serve()

    assert_refused(await serving.profile("0" * 40), 401, "invalid_token")
    assert_refused(await serving.profile(""), 401, "invalid_token")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("body", "status"), [(b"{}", 200), (b"[1]", 200), (b"", 200), (b"{", 400), (b"[" * 9999, 400)]
)
async def test_a_json_body_is_read_for_an_access_token_and_must_be_json(serve, body, status):
    serving = await serve()
    path = f"/users/profile?access_token={await serving.token()}"

    answer = await serving.ask(
        "POST", path, data=body, headers={"Content-Type": "application/json"}
    )

    assert answer[0] == status


@pytest_twisted.ensureDeferred
async def test_other_methods_than_reading_a_profile_are_refused(serve):
    serving = await serve()

    answer = await serving.ask("DELETE", "/users/profile")

    assert_refused(answer, 405, "method_not_allowed")
    assert header(answer[2], "allow") == ["GET, HEAD, POST"]


@pytest_twisted.ensureDeferred
async def test_a_renewed_key_replaces_the_old_one_at_once_and_tokens_stay(serve):
    serving = await serve()
    token = await serving.token()

    await serving.service._storing.run(serving.service._store.renew_key, "tessel-dev", "NEW")

    assert_refused(await serving.grant("DEV-CRED"), 400, "invalid_request")
    assert (await serving.grant("NEW"))[0] == 200
    status, profile, _ = await serving.profile(token)
    assert (status, profile["apiKey"]) == (200, "NEW")


@pytest_twisted.ensureDeferred
async def test_the_health_check_needs_no_credentials(serve):
    serving = await serve()

    status, body, _ = await serving.ask("GET", "/healthz")
    assert (status, body) == (200, {"status": "ok"})
    status, body, _ = await serving.ask("HEAD", "/healthz")
    assert (status, body) == (200, None)
    assert_refused(await serving.ask("POST", "/healthz"), 405, "method_not_allowed")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    "path", ["/", "/oauth", "/oauth/token/", "/oauth//token", "/%FF", "/users/profile/x", "/a%00b"]
)
async def test_an_unknown_path_is_not_found(serve, path):
    serving = await serve()

    assert_refused(await serving.ask("GET", path), 404, "not_found")


@pytest_twisted.ensureDeferred
async def test_a_store_that_fails_is_a_server_error(serve):
    serving = await serve()
    token = await serving.token()
    await serving.service._storing.run(serving.service._close_store)

    assert_refused(await serving.grant(), 503, "server_error")
    assert_refused(await serving.profile(token), 503, "server_error")
    assert (await serving.ask("GET", "/healthz"))[0] == 200


@pytest_twisted.ensureDeferred
async def test_an_internal_error_affects_one_request_and_is_logged(
    serve, monkeypatch, logged_failures
):
    serving = await serve()

    async def broken(token):
        raise ZeroDivisionError

    monkeypatch.setattr(serving.service, "account", broken)

    assert_refused(await serving.profile("0" * 40), 500, "server_error")
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert (await serving.grant())[0] == 200


@pytest_twisted.ensureDeferred
async def test_many_grants_at_once_are_all_answered(serve):
    serving = await serve()

    tokens = await gatherResults([ensureDeferred(serving.token()) for _ in range(30)])

    assert len(set(tokens)) == 30
