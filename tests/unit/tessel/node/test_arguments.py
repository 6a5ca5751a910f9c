"""Arguments and options of Node's functions, and what is said about wrong ones."""

import pytest

from tessel.errors import NodeError
from tessel.node.base import arguments
from tessel.node.base.arguments import check_options, nearest, split_callback

KNOWN = {"port", "host", "reject_unauthorized", "no_delay"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("rejectUnauthorized", "reject_unauthorized"),
        ("reject_unauthorised", "reject_unauthorized"),
        ("reject-unauthorized", "reject_unauthorized"),
        ("prot", "port"),
        ("HOST", "host"),
        ("nodelay", "no_delay"),
    ],
)
def test_a_misspelt_option_names_the_right_one(name, meant):
    with pytest.raises(TypeError) as raised:
        check_options({name: 1}, KNOWN, "net.connect")

    assert str(raised.value) == f"net.connect has no option {name!r}. Did you mean {meant!r}?"
    assert raised.value.code == "ERR_UNKNOWN_OPTION"


def test_an_option_like_no_other_names_them_all():
    with pytest.raises(NodeError, match="It has: host, no_delay, port, reject_unauthorized"):
        check_options({"zzz": 1}, KNOWN, "net.connect")


def test_an_option_that_a_device_cannot_have_says_why():
    with pytest.raises(NodeError, match="has no option 'localPort': the radio chooses it"):
        check_options({"localPort": 1}, KNOWN, "x", {"local_port": "the radio chooses it"})


def test_an_option_that_is_no_text_is_a_wrong_type():
    with pytest.raises(TypeError, match="text as keys"):
        check_options({5: 1}, KNOWN, "net.connect")


def test_known_options_pass():
    check_options({"port": 1, "host": "h"}, KNOWN, "net.connect")


def test_nothing_is_near_to_what_is_quite_different():
    assert nearest("zzz", KNOWN) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: arguments.callback("no", "callback"),
        lambda: arguments.callback_or_none(5),
        lambda: arguments.text(5, "host"),
        lambda: arguments.text_or_none(b"x", "host"),
        lambda: arguments.flag(1, "enabled"),
        lambda: arguments.flag_or_none("yes", "enabled"),
        lambda: arguments.whole_number(True, "size", 0, 9),
        lambda: arguments.whole_number("1", "size", 0, 9),
        lambda: arguments.options_mapping([]),
        lambda: split_callback([print, 1], 1, "f"),
        lambda: split_callback([1, 2], 1, "f"),
    ],
)
def test_a_wrong_type_is_nodes_error_and_pythons(call):
    with pytest.raises(TypeError) as raised:
        call()

    assert isinstance(raised.value, NodeError)
    assert raised.value.code == "ERR_INVALID_ARG_TYPE"


def test_a_number_out_of_range_is_nodes_error_and_pythons():
    with pytest.raises(ValueError, match="and <= 9") as raised:
        arguments.whole_number(10, "size", 0, 9)

    assert raised.value.code == "ERR_OUT_OF_RANGE"


def test_what_is_right_comes_back():
    assert arguments.whole_number(3, "size", 0, 9) == 3
    assert arguments.flag_or_none(None, "x") is None
    assert arguments.flag(True, "x") is True
    assert arguments.text_or_none(None, "x") is None
    assert arguments.text("a", "x") == "a"
    assert arguments.callback(print) is print
    assert arguments.options_mapping(None) == {}
    assert arguments.options_mapping({"a": 1}) == {"a": 1}


def test_the_callback_comes_last():
    assert split_callback(["a", None, print], 2, "f") == (["a", None], print)
    assert split_callback(["a", None], 2, "f") == (["a"], None)
    assert split_callback([], 2, "f") == ([], None)


def test_long_values_are_not_shown():
    assert arguments.received("x" * 99) == "an instance of str"
    assert arguments.received(None) == "None"
    assert arguments.received(5) == "type int (5)"


async def _coroutine():
    pass


def _generator():
    yield


async def _asynchronous_generator():
    yield


@pytest.mark.parametrize("function", [_coroutine, _generator, _asynchronous_generator])
def test_a_function_that_a_call_does_not_run_is_no_callback(function):
    for checked in (arguments.callback, arguments.callback_or_none):
        with pytest.raises(TypeError, match=r"without await and yield.*Received an instance of"):
            checked(function)
    with pytest.raises(TypeError, match="The argument 'callback' must be a function without await"):
        split_callback((80, function), 1, "net.connect")


def test_a_callback_that_asks_for_results_gets_none_with_an_error():
    error, given = NodeError("gone", "E"), []
    arguments.call_with_error(lambda: given.append(()), error)
    arguments.call_with_error(lambda *all_of_it: given.append(all_of_it), error)
    arguments.call_with_error(lambda one, size: given.append((one, size)), error)
    arguments.call_with_error(lambda one, address, family: given.append((one, family)), error)

    assert given == [(), (error,), (error, None), (error, None)]


def test_a_function_that_does_not_say_what_it_takes_gets_the_error():
    with pytest.raises(NodeError, match="gone"):
        arguments.call_with_error(_raise_first, NodeError("gone", "E"))
    with pytest.raises(TypeError):
        arguments.call_with_error(type, None)


def _raise_first(error):
    raise error
