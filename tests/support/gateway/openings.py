"""Bytes of a client, given to an opening in three ways: whole, byte by byte, and in halves."""

import pytest

from tessel.gateway.opening import Refuse, ToTarget


def whole(opening, data):
    """Return the events of all bytes at once."""
    return joined(opening.receive(data))


def byte_by_byte(opening, data):
    """Return the events of one byte after the other."""
    return joined([event for byte in data for event in opening.receive(bytes((byte,)))])


def in_halves(opening, data):
    """Return the events of two halves, cut where it hurts: in the middle of a field."""
    middle = len(data) // 2
    return joined([*opening.receive(data[:middle]), *opening.receive(data[middle:])])


WAYS = [pytest.param(way, id=way.__name__) for way in (whole, byte_by_byte, in_halves)]


def joined(events):
    """Return the events, with consecutive bytes for the target as one."""
    found = []
    for event in events:
        if found and isinstance(event, ToTarget) and isinstance(found[-1], ToTarget):
            found[-1] = ToTarget(found[-1].data + event.data)
        else:
            found.append(event)
    return found


def outcome_of_refusal(events):
    """Return the outcome of the only event, which is a refusal."""
    (refusal,) = events
    assert isinstance(refusal, Refuse)
    return refusal.outcome
