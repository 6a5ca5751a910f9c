"""EventEmitter: who is called, when, and what becomes of an error nobody hears."""

import pytest

from tessel.errors import NodeError
from tessel.node.events import EventEmitter


@pytest.fixture
def emitter():
    return EventEmitter()


@pytest.fixture
def heard():
    return []


def test_listeners_are_called_in_the_order_they_came(emitter, heard):
    emitter.on("a", lambda x: heard.append(("first", x)))
    emitter.add_listener("a", lambda x: heard.append(("second", x)))
    assert emitter.emit("a", 1) is True
    assert heard == [("first", 1), ("second", 1)]


def test_a_prepended_listener_goes_first(emitter, heard):
    emitter.on("a", lambda: heard.append("later"))
    emitter.prepend_listener("a", lambda: heard.append("sooner"))
    emitter.prepend_once_listener("a", lambda: heard.append("once"))
    emitter.emit("a")
    emitter.emit("a")
    assert heard == ["once", "sooner", "later", "sooner", "later"]


def test_emitting_what_nobody_listens_for_says_so(emitter):
    assert emitter.emit("a") is False


def test_a_once_listener_is_called_once(emitter, heard):
    emitter.once("a", heard.append)
    emitter.emit("a", 1)
    emitter.emit("a", 2)
    assert heard == [1]


def test_a_once_listener_that_emits_again_is_not_called_again(emitter, heard):
    emitter.once("a", lambda x: (heard.append(x), x < 2 and emitter.emit("a", x + 1)))
    emitter.emit("a", 1)
    assert heard == [1]


def test_a_listener_added_meanwhile_counts_next_time(emitter, heard):
    emitter.on("a", lambda: emitter.on("a", lambda: heard.append("new")))
    emitter.emit("a")
    assert heard == []
    emitter.emit("a")
    assert heard == ["new"]


def test_a_once_listener_taken_out_by_another_is_called_but_not_twice(emitter, heard):
    def second():
        heard.append("second")

    emitter.on("a", lambda: emitter.off("a", second))
    emitter.once("a", second)
    emitter.emit("a")
    emitter.emit("a")
    assert heard == ["second"]


def test_off_takes_out_the_one_added_last(emitter, heard):
    emitter.on("a", heard.append)
    emitter.on("a", heard.append)
    emitter.off("a", heard.append)
    emitter.emit("a", 1)
    assert heard == [1]
    emitter.remove_listener("a", heard.append).off("a", heard.append)
    assert emitter.listener_count("a") == 0


def test_remove_all_listeners_of_one_event_or_of_all(emitter, heard):
    for event in ("a", "b", "c"):
        emitter.on(event, heard.append)
    emitter.remove_all_listeners("a")
    assert emitter.event_names() == ["b", "c"]
    emitter.remove_all_listeners()
    assert emitter.event_names() == []


def test_listeners_are_notified(emitter, heard):
    emitter.on("a", heard.append)
    assert emitter.listeners("a") == [heard.append]
    assert emitter.listeners("b") == []


def test_an_error_that_nobody_hears_is_raised(emitter):
    with pytest.raises(NodeError, match="gone") as caught:
        emitter.emit("error", NodeError("gone", "EGONE"))
    assert caught.value.code == "EGONE"


@pytest.mark.parametrize("args", [(), ("text",)])
def test_an_error_that_is_no_exception_is_raised_as_one(emitter, args):
    with pytest.raises(NodeError, match="Unhandled error"):
        emitter.emit("error", *args)


def test_comings_and_goings_of_listeners_are_events_too(emitter, heard):
    emitter.on("newListener", lambda event, listener: heard.append(("new", event)))
    emitter.on("removeListener", lambda event, listener: heard.append(("gone", event)))
    emitter.once("a", lambda: None)
    emitter.emit("a")
    assert heard == [("new", "removeListener"), ("new", "a"), ("gone", "a")]
