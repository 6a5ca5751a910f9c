"""OpenSSL read past pyOpenSSL's public calls: the same bytes, the same reasons."""

from contextlib import suppress

import pytest
import trustme
from OpenSSL import SSL

from streamplex.tx.openssl import (
    READ_BYTES,
    RECORD_BYTES,
    ROOM_BYTES,
    drop_bios,
    give_bios,
    has_bio_to_read,
    opened,
    rest,
    seal,
    sealed,
)
from streamplex.tx.tls_contexts import write_whole_pieces


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
        assert all_of(rest, self.near) == b""  # the session tickets

    @staticmethod
    def carry(end, other):
        while data := sealed(end):
            other.bio_write(bytes(data))

    def says(self, data, *, end=False):
        """The far end's bytes for the near one."""
        content = bytearray()
        taken = 0
        while taken < len(data):
            taken, some = seal(self.far, data, taken)
            content += some
        if end:
            self.far.shutdown()
        while some := sealed(self.far):
            content += some
        return bytes(content)


def all_of(decrypt, *arguments, ends=SSL.WantReadError):
    """What they are together."""
    whole = bytearray()

    def take(data):
        whole.extend(data)
        return True

    assert isinstance(decrypt(*arguments, take), ends)
    return whole


def parts_of(connection, came):
    parts = []
    opened(connection, came, lambda data: parts.append(bytes(data)) is None)
    return parts


@pytest.fixture
def pair():
    return Pair()


SIZES = [1, RECORD_BYTES, READ_BYTES, ROOM_BYTES, 3 * ROOM_BYTES]


@pytest.mark.parametrize("size", SIZES)
def test_what_has_come_is_decrypted_however_much_it_is(pair, size):
    data = bytes(range(250)) * (size // 250) + bytes(size % 250)
    assert all_of(opened, pair.near, pair.says(data)) == data


@pytest.mark.parametrize("size", SIZES)
def test_what_waits_in_the_connection_is_decrypted(pair, size):
    pair.near.bio_write(pair.says(bytes(size)))
    assert all_of(rest, pair.near) == bytes(size)


def test_one_read_is_handed_out_as_one(pair):
    came = memoryview(pair.says(bytes(3 * READ_BYTES)))
    for at in range(0, len(came), READ_BYTES):
        assert len(parts_of(pair.near, came[at : at + READ_BYTES])) == 1


@pytest.mark.parametrize("size", [1, 1000, RECORD_BYTES, 50_000])
def test_it_may_come_in_any_pieces(pair, size):
    data = bytes(range(250)) * 1000
    came = pair.says(data)
    got = b""
    for at in range(0, len(came), size):
        got += all_of(opened, pair.near, memoryview(came)[at : at + size])
    assert got == data


def test_the_bytes_that_came_are_not_needed_any_more(pair):
    came = bytearray(pair.says(b"first"))
    second = pair.says(b"second")
    cut = bytearray(second[:10])
    assert all_of(opened, pair.near, memoryview(came)) == b"first"
    assert all_of(opened, pair.near, memoryview(cut)) == b""
    came[:], cut[:] = bytes(len(came)), bytes(len(cut))
    assert all_of(opened, pair.near, second[10:]) == b"second"


def test_nothing_is_no_bytes_and_the_reason(pair):
    assert all_of(opened, pair.near, b"") == b""
    assert all_of(rest, pair.near) == b""


def test_one_connection_inside_of_another_has_a_room_of_its_own(pair):
    inner = Pair()
    outer_came, inner_came = pair.says(b"outer " * 1000), inner.says(b"inner " * 1000)

    def take(data):
        assert all_of(opened, inner.near, inner_came) == b"inner " * 1000
        return data == b"outer " * 1000

    assert isinstance(opened(pair.near, outer_came, take), SSL.WantReadError)


def test_who_wants_no_more_is_told_no_reason_and_given_no_more(pair):
    taken = []
    assert opened(pair.near, pair.says(bytes(3 * ROOM_BYTES)), taken.append) is None
    assert len(taken) == 1
    assert all_of(rest, pair.near) == b""  # what was not read is gone


def test_what_was_on_loan_goes_back_whatever_is_raised(pair):
    def fail(_):
        raise ZeroDivisionError

    came = memoryview(pair.says(bytes(3 * ROOM_BYTES)))
    with pytest.raises(ZeroDivisionError) as kept:
        opened(pair.near, came, fail)
    assert all_of(rest, pair.near) == b""
    came.release()  # nothing looks into it, whoever keeps the traceback
    assert kept.traceback


def test_an_end_comes_behind_the_last_bytes(pair):
    came = pair.says(b"last words", end=True)
    assert all_of(opened, pair.near, came, ends=SSL.ZeroReturnError) == b"last words"


def test_what_has_come_behind_the_end_is_passed_over(pair):
    came = pair.says(b"last words", end=True) + b"?" * 100_000
    assert all_of(opened, pair.near, came, ends=SSL.ZeroReturnError) == b"last words"


def test_what_is_not_tls_has_the_reason_that_openssl_gives(pair):
    came = pair.says(b"before") + b"\x17\x03\x03\x00\x40" + b"?" * 64
    taken = bytearray()
    why_no_more = opened(pair.near, came, lambda data: not taken.extend(data))
    assert taken == b"before"
    assert "bad record mac" in str(why_no_more)
    assert why_no_more.__traceback__ is None


def test_a_call_that_fails_for_no_reason_is_our_bug(pair, monkeypatch):
    came = pair.says(b"", end=True)
    monkeypatch.setattr(SSL.Connection, "_raise_ssl_error", lambda *_: None)
    with pytest.raises(AssertionError):
        all_of(opened, pair.near, came)


def test_nothing_to_send_is_no_bytes(pair):
    assert not sealed(pair.near)


@pytest.mark.parametrize(("whole", "taken"), [(True, 3 * RECORD_BYTES), (False, RECORD_BYTES)])
def test_one_call_of_openssl_encrypts_all_that_it_is_given_if_the_context_says_so(whole, taken):
    pair = Pair(whole=whole)
    assert pair.far.send(bytes(3 * RECORD_BYTES)) == taken


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_encrypted_is_all_that_was_given(size, whole):
    pair = Pair(whole=whole)
    assert all_of(opened, pair.near, pair.says(bytes(size))) == bytes(size)


def test_before_the_handshake_nothing_can_be_encrypted():
    connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        seal(connection, b"too early", 0)


def test_of_a_connection_that_has_said_its_end_nothing_more_is_encrypted(pair):
    pair.far.shutdown()
    with pytest.raises(SSL.Error):
        seal(pair.far, b"too late", 0)


def test_bytes_flow_both_ways_after_the_memory_of_the_handshake_is_given_back(pair):
    for end in (pair.near, pair.far):
        drop_bios(end)
    assert all_of(opened, pair.near, pair.says(b"down")) == b"down"
    _, up = seal(pair.near, b"up", 0)
    assert all_of(opened, pair.far, bytes(up)) == b"up"


def test_a_connection_without_bios_reads_and_keeps_none_to_read_from(pair):
    came = pair.says(b"down")
    drop_bios(pair.near)
    assert all_of(opened, pair.near, came) == b"down"
    assert not has_bio_to_read(pair.near)


def test_a_connection_with_bios_keeps_them(pair):
    assert all_of(opened, pair.near, pair.says(b"down")) == b"down"
    assert has_bio_to_read(pair.near)


def test_a_connection_without_bios_answers_a_fatal_record_with_an_alert(pair):
    drop_bios(pair.near)
    all_of(opened, pair.near, b"nothing that TLS knows", ends=SSL.Error)
    assert sealed(pair.near)


def test_bios_are_given_for_a_shutdown(pair):
    drop_bios(pair.near)
    give_bios(pair.near)
    assert pair.near.shutdown() is False
    assert all_of(opened, pair.far, bytes(sealed(pair.near)), ends=SSL.ZeroReturnError) == b""
