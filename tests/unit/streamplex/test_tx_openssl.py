"""OpenSSL read past pyOpenSSL's public calls: the same octets, the same reasons."""

from contextlib import suppress

import pytest
import trustme
from OpenSSL import SSL

from streamplex.tx.openssl import RECORD_OCTETS, ROOM_OCTETS, opened, sealed
from streamplex.tx.tls import write_whole_pieces


def context_of_server(*, whole):
    context = SSL.Context(SSL.TLS_METHOD)
    trustme.CA().issue_cert("here.example").configure_cert(context)
    if whole:
        write_whole_pieces(context)
    return context


class Pair:
    """Two ends of TLS, the handshake done."""

    def __init__(self, *, whole=True):
        self.near = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        self.near.set_connect_state()
        self.far = SSL.Connection(context_of_server(whole=whole), None)
        self.far.set_accept_state()
        for _ in range(2):
            for end, other in ((self.near, self.far), (self.far, self.near)):
                with suppress(SSL.WantReadError):
                    end.do_handshake()
                self.carry(end, other)
        opened(self.near)  # the session tickets

    @staticmethod
    def carry(end, other):
        while octets := sealed(end):
            other.bio_write(bytes(octets))


@pytest.fixture
def pair():
    return Pair()


def test_all_that_has_come_is_handed_out_at_once(pair):
    data = bytes(range(250)) * 400
    pair.far.send(data)
    pair.carry(pair.far, pair.near)
    octets, why_no_more = opened(pair.near)
    assert octets == data
    assert isinstance(why_no_more, SSL.WantReadError)


def test_nothing_to_read_is_no_octets_and_the_reason(pair):
    octets, why_no_more = opened(pair.near)
    assert octets == b""
    assert isinstance(why_no_more, SSL.WantReadError)


def test_more_than_there_is_room_for_is_handed_out_in_parts(pair):
    data = bytes(2 * ROOM_OCTETS)
    pair.far.send(data)
    pair.carry(pair.far, pair.near)
    got = []
    why_no_more = None
    while why_no_more is None:
        octets, why_no_more = opened(pair.near)
        got.append(octets)
    assert len(got) > 1
    assert b"".join(got) == data


def test_an_end_comes_behind_the_last_octets(pair):
    pair.far.send(b"last words")
    pair.far.shutdown()
    pair.carry(pair.far, pair.near)
    octets, why_no_more = opened(pair.near)
    assert octets == b"last words"
    assert isinstance(why_no_more, SSL.ZeroReturnError)


def test_what_is_not_tls_has_the_reason_that_openssl_gives(pair):
    pair.far.send(b"before")
    pair.carry(pair.far, pair.near)
    pair.near.bio_write(b"\x17\x03\x03\x00\x40" + b"?" * 64)
    octets, why_no_more = opened(pair.near)
    assert octets == b"before"
    assert "bad record mac" in str(why_no_more)


def test_a_call_that_fails_for_no_reason_is_our_bug(pair, monkeypatch):
    monkeypatch.setattr(SSL.Connection, "_raise_ssl_error", lambda *_: None)
    with pytest.raises(AssertionError):
        opened(pair.near)


def test_nothing_to_send_is_no_octets(pair):
    assert not sealed(pair.near)


@pytest.mark.parametrize(("whole", "taken"), [(True, 3 * RECORD_OCTETS), (False, RECORD_OCTETS)])
def test_one_call_encrypts_all_that_it_is_given_if_the_context_says_so(whole, taken):
    pair = Pair(whole=whole)
    assert pair.far.send(bytes(3 * RECORD_OCTETS)) == taken


def sealed_by(connection, data):
    connection.send(data)
    octets = b""
    while piece := sealed(connection):
        octets += piece
    return octets


@pytest.mark.parametrize("size", [1, 3 * RECORD_OCTETS, ROOM_OCTETS, 3 * ROOM_OCTETS])
def test_what_has_come_just_now_is_decrypted_however_much_it_is(pair, size):
    data = bytes(size)
    octets, why_no_more = opened(pair.near, sealed_by(pair.far, data))
    got = [octets]
    while why_no_more is None:
        octets, why_no_more = opened(pair.near)
        got.append(octets)
    assert b"".join(got) == data
    assert isinstance(why_no_more, SSL.WantReadError)


def test_what_has_come_behind_the_end_is_passed_over(pair):
    last = sealed_by(pair.far, b"last words")
    pair.far.shutdown()
    octets, why_no_more = opened(pair.near, last + bytes(sealed(pair.far)) + b"?" * 100_000)
    assert octets == b"last words"
    assert isinstance(why_no_more, SSL.ZeroReturnError)
