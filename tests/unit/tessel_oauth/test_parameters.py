"""Parameters, credentials and tokens of requests, well-formed and malformed."""

from base64 import b64encode

import pytest

from tessel_oauth import parameters
from tessel_oauth.errors import OAuthError
from tessel_oauth.parameters import Credentials, PresentedToken


def basic(text, scheme=b"Basic"):
    return scheme + b" " + b64encode(text.encode())


def word_of(call, *args):
    with pytest.raises(OAuthError) as caught:
        call(*args)
    assert caught.value.status == 400
    return caught.value.word


def test_a_form_is_decoded():
    assert parameters.parsed(b"a=1+2&b=%C3%A4&c=%26") == {"a": "1 2", "b": "ä", "c": "&"}


def test_a_parameter_without_a_value_counts():
    assert parameters.parsed(b"a=&b&c=1") == {"a": "", "b": "", "c": "1"}
    assert parameters.parsed(b"") == {}


@pytest.mark.parametrize(
    "data",
    [b"a=1&a=2", b"a=1&a=1", b"a=%FF", b"\xff=1", b"&".join([b"%d=1" % n for n in range(33)])],
)
def test_parameters_that_cannot_be_used_are_an_invalid_request(data):
    assert word_of(parameters.parsed, data) == "invalid_request"


@pytest.mark.parametrize(
    ("content_types", "verdict"),
    [
        ([b"application/x-www-form-urlencoded"], True),
        ([b"Application/X-WWW-Form-URLencoded ; charset=utf-8"], True),
        ([b"application/json"], False),
        ([b"multipart/form-data; boundary=x"], False),
        ([], False),
        ([b"application/x-www-form-urlencoded", b"application/json"], False),
    ],
)
def test_a_form_is_recognised_by_its_content_type(content_types, verdict):
    assert parameters.is_form(content_types) is verdict


@pytest.mark.parametrize(
    ("authorizations", "form"),
    [
        ([basic("id:secret")], {}),
        ([basic("id:secret", b"bAsIc")], {}),
        ([], {"client_id": "id", "client_secret": "secret"}),
        ([b"Bearer x"], {"client_id": "id", "client_secret": "secret"}),
    ],
)
def test_client_credentials_come_from_basic_or_the_body(authorizations, form):
    assert parameters.client_credentials(authorizations, form) == Credentials("id", "secret")


@pytest.mark.parametrize("named", ["id", "other", ""])
def test_an_id_in_the_body_besides_basic_is_compared_after_the_secret(named):
    given = parameters.client_credentials([basic("id:secret")], {"client_id": named})

    assert given == Credentials("id", "secret", named)


def test_a_secret_may_hold_colons_and_umlauts():
    given = parameters.client_credentials([basic("id:s:ä")], {})

    assert given == Credentials("id", "s:ä")
    assert "s:ä" not in repr(given)


@pytest.mark.parametrize(
    ("authorizations", "form"),
    [
        ([], {}),
        ([], {"client_id": "id"}),
        ([], {"client_secret": "secret"}),
        ([basic(":secret")], {}),
        ([basic("id:")], {}),
        ([basic("id")], {}),
        ([b"Basic"], {}),
        ([b"Basic !!!"], {"client_id": "id", "client_secret": "secret"}),
        ([b"Basic " + b64encode(b"\xff:x")], {}),
        ([basic("id:secret"), basic("id:secret")], {}),
        ([basic("id:secret", b"Basic ")], {}),
        ([basic("id:secret")], {"client_secret": "other"}),
    ],
)
def test_credentials_missing_unreadable_or_contradictory_are_an_invalid_client(
    authorizations, form
):
    assert word_of(parameters.client_credentials, authorizations, form) == "invalid_client"


@pytest.mark.parametrize(
    ("query", "authorizations", "form"),
    [
        ({"access_token": "t"}, [], {}),
        ({}, [b"Bearer t"], {}),
        ({}, [b"Bearer\tt"], {}),
        ({}, [b"Bearer t x"], {}),
        ({}, [], {"access_token": "t"}),
    ],
)
def test_an_access_token_is_taken_from_the_one_place_it_is_in(query, authorizations, form):
    found = parameters.access_token(query, authorizations, form)

    assert found == PresentedToken("t", in_header=bool(authorizations))


@pytest.mark.parametrize(
    ("query", "authorizations", "form"),
    [({"access_token": ""}, [], {}), ({}, [b""], {}), ({}, [], {"access_token": ""})],
)
def test_an_access_token_without_a_value_is_an_unknown_one(query, authorizations, form):
    assert parameters.access_token(query, authorizations, form).token == ""


@pytest.mark.parametrize(
    ("query", "authorizations", "form"),
    [
        ({}, [], {}),
        ({}, [b"Basic t"], {}),
        ({}, [b"Bearer"], {}),
        ({}, [b"Bearer \xff"], {}),
        ({}, [b"bearer t"], {}),
        ({}, [b"Bearer  t"], {}),
        ({}, [basic("someone:else")], {"access_token": "t"}),
        ({"access_token": "t"}, [b""], {}),
        ({"access_token": ""}, [], {"access_token": "t"}),
        ({"access_token": "t"}, [], {"access_token": ""}),
        ({"access_token": "t"}, [b"Bearer t"], {}),
        ({"access_token": "t"}, [], {"access_token": "t"}),
        ({}, [b"Bearer t"], {"access_token": "t"}),
        ({}, [b"Bearer t", b"Bearer t"], {}),
        ({"access_token": "t"}, [b"Bearer t"], {"access_token": "t"}),
    ],
)
def test_no_access_token_or_more_than_one_is_an_invalid_request(query, authorizations, form):
    assert word_of(parameters.access_token, query, authorizations, form) == "invalid_request"
