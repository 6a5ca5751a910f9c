"""An invitation as a URI."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from streamplex.conversation import Invitation, InvitationError, parse_invitation

CODE = "q3c0AbCdEfGhIjKlMnOp-_"
FINGERPRINT = "9f" * 32
INVITATION = Invitation("proxy.example.com", 443, CODE, FINGERPRINT)
URI = INVITATION.uri()


@pytest.mark.parametrize("host", ["proxy.example.com", "192.0.2.1", "2001:db8::1", "localhost"])
@pytest.mark.parametrize("authority", [None, FINGERPRINT])
def test_a_uri_is_read_as_it_was_written(host, authority):
    invitation = Invitation(host, 8443, CODE, authority)
    assert parse_invitation(f"  {invitation.uri()}\n") == invitation


@given(place=some.integers(0, len(URI) - 1), character=some.sampled_from("aZ09-_/:?&=%é \0"))
def test_a_uri_with_one_other_character_is_refused_or_means_the_same(place, character):
    altered = URI[:place] + character + URI[place + 1 :]
    with suppress(InvitationError):
        assert parse_invitation(altered) == INVITATION  # such as a host in capitals


@pytest.mark.parametrize(
    "host",
    ["a\x1b[2J", "a\u2028b", "a\x85b", "a b", "$(id)", "h\xf6st", "x" * 254, "fe80::1%\x1b[2J"],
)
def test_a_host_that_would_harm_a_file_or_a_terminal_is_refused(host):
    with pytest.raises(InvitationError, match=r"its host is|not a URI") as caught:
        parse_invitation(Invitation(host, 443, CODE, None).uri().replace("%1B", "\x1b"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kept", range(len(URI)))
def test_a_uri_that_was_not_copied_whole_is_refused(kept):
    with pytest.raises(InvitationError):
        parse_invitation(URI[:kept])


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "it begins with ''"),
        ("https://proxy.example.com/", "it begins with 'https://"),
        ("tessel://[::1:443/x", "not a URI"),
        ("tessel://host:99999/x", "not a URI"),
        (f"tessel:///{CODE}", "it names no host"),
        (f"tessel://user@host:443/{CODE}", "it names no host"),
        (f"tessel://host/{CODE}", "it names no port"),
        (f"tessel://[v1.a:b]:443/{CODE}", "its host is 'v1.a:b'"),
        ("tessel://host:443/short?check=1", "its code is not complete"),
        (f"tessel://host:443/{CODE}?authority=9f&check=1", "its authority is not complete"),
        (f"tessel://host:443/{CODE}?check=00000000", "it was altered, or not copied whole"),
        (f"{URI}&check=00000000", "it was altered, or not copied whole"),
        ("tessel://" + "x" * 2000, "2009 characters; allowed: 1024"),
    ],
)
def test_a_text_that_is_no_invitation_is_refused_with_the_reason(uri, why):
    with pytest.raises(InvitationError) as caught:
        parse_invitation(uri)
    assert why in str(caught.value)
