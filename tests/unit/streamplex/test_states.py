"""The half-close table, all states by all inputs."""

from itertools import product

import pytest

from streamplex import LocalError, RemoteError, Side, TunnelCore, encoding
from streamplex.events import Fault
from streamplex.messages import data_header
from streamplex.states import TRANSITIONS, Input, State

NEXT = {
    (State.OPEN, Input.SEND): State.OPEN,
    (State.OPEN, Input.RECEIVE): State.OPEN,
    (State.OPEN, Input.LOCAL_END): State.LOCAL_ENDED,
    (State.OPEN, Input.REMOTE_END): State.REMOTE_ENDED,
    (State.LOCAL_ENDED, Input.RECEIVE): State.LOCAL_ENDED,
    (State.LOCAL_ENDED, Input.REMOTE_END): State.ENDED,
    (State.REMOTE_ENDED, Input.SEND): State.REMOTE_ENDED,
    (State.REMOTE_ENDED, Input.LOCAL_END): State.ENDED,
}
EVERY_CASE = list(product(State, Input))


def in_state(state):
    """A device's tunnel whose substream 2 is in this state."""
    tunnel = TunnelCore(Side.B)
    tunnel.open("net")
    if state.local_ended:
        tunnel.end(2)
    if state in (State.REMOTE_ENDED, State.ENDED):
        tunnel.receive(encoding.stream_ended(2))
    return tunnel


def apply(tunnel, what):
    match what:
        case Input.SEND:
            tunnel.send(2, b"x")
        case Input.LOCAL_END:
            tunnel.end(2)
        case Input.RECEIVE:
            said = tunnel.receive(data_header(2, 1) + b"x")
        case Input.REMOTE_END:
            said = tunnel.receive(encoding.stream_ended(2))
    if what in (Input.RECEIVE, Input.REMOTE_END) and isinstance(said[-1], Fault):
        raise said[-1].error


@pytest.mark.parametrize(("state", "what"), EVERY_CASE)
def test_the_table_is_the_one_that_was_drawn(state, what):
    assert TRANSITIONS[state].get(what) is NEXT.get((state, what))


@pytest.mark.parametrize(("state", "what"), EVERY_CASE)
def test_a_tunnel_follows_the_table_and_blames_who_leaves_it(state, what):
    tunnel = in_state(state)
    assert tunnel.stream(2).state is state
    if (state, what) in NEXT:
        apply(tunnel, what)
        assert tunnel.stream(2).state is NEXT[state, what]
    else:
        blamed = LocalError if what in (Input.SEND, Input.LOCAL_END) else RemoteError
        with pytest.raises(blamed):
            apply(tunnel, what)
        assert tunnel.stream(2).state is state


@pytest.mark.parametrize("state", State)
def test_a_states_attributes_say_what_the_table_says(state):
    assert state.local_ended is (Input.SEND not in TRANSITIONS[state])
    assert state.remote_ended is (Input.RECEIVE not in TRANSITIONS[state])
