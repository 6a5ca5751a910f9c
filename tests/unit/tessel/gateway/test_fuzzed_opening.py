"""Any bytes of a client: the conversation never raises, and does not depend on the cuts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from support.gateway.openings import joined
from tessel.gateway.opening import Connect, Credentials, Opening, Refuse

FIELDS = st.binary(max_size=300)
SOCKS5 = st.builds(
    lambda methods, kind, address: b"\x05" + bytes((len(methods),)) + methods + kind + address,
    st.binary(max_size=4).map(lambda some: some + b"\0"),
    st.sampled_from([bytes((5, c, 0, t)) for c in (0, 1, 2, 3) for t in (0, 1, 3, 4, 5)]),
    FIELDS,
)
SOCKS4 = FIELDS.map(lambda rest: b"\x04\x01" + rest)
HTTP = st.builds(
    lambda line, fields, rest: line + b" HTTP/1.1\r\n" + fields + b"\r\n\r\n" + rest,
    st.sampled_from(
        [
            b"CONNECT a:1",
            b"GET http://a/",
            b"POST http://[::1]:8/\xe4",
            b"GET /",
            b"PRI *",
            b"A b://c",
        ]
    ),
    st.sampled_from(
        [
            b"Host: a",
            b"Content-Length: 3",
            b"Transfer-Encoding: chunked",
            b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2",
            b"Content-Length: -1",
            b": x",
        ]
    ),
    FIELDS,
)
ANY = st.one_of(st.binary(max_size=600), SOCKS5, SOCKS4, HTTP)


def outcome(data, sizes):
    """Return the events of `data` in pieces, up to a refusal."""
    opening = Opening(Credentials("a", "b") if len(data) % 7 == 0 else None)
    events, at = [], 0
    for size in [*sizes, len(data)]:
        piece, at = data[at : at + size], at + size
        events += opening.receive(piece) if piece else []
        if any(isinstance(event, Refuse) for event in events):
            break
    return joined(events)


@settings(max_examples=600, deadline=None)
@given(ANY, st.lists(st.integers(1, 50), max_size=20))
def test_the_events_do_not_depend_on_how_the_bytes_are_cut(data, sizes):
    events = outcome(data, sizes)

    assert events == outcome(data, []) or isinstance(events[-1], Refuse)
    assert sum(isinstance(event, Connect) for event in events) <= 1
    assert not any(isinstance(event, Refuse) for event in events[:-1])
