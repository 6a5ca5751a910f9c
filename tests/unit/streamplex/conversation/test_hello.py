"""The device's first message, encoded and decoded."""

import pytest
from hypothesis import given

from streamplex.conversation import FEATURES, Hello, decode_hello, encode_hello, offer
from support.json_values import anything


def hello_with(**said):
    return decode_hello({"token": "t", **said})


@pytest.mark.parametrize("said", [None, 1, "DEV-CRED", [], {}, {"token": 5}, {"token": ["x"]}])
def test_an_object_without_a_token_that_is_text_has_none(said):
    assert decode_hello(said).token is None


def test_a_peer_that_does_not_send_the_key_knows_no_features():
    assert hello_with() == Hello("t")


def test_only_features_that_both_ends_name_are_common():
    hello = hello_with(features=["reuse/1", "flow/1", "reuse/2", 7])
    assert hello.common == {"reuse/1"}


def test_malformed_features_are_those_of_a_peer_that_offers_none():
    assert hello_with(features="reuse/1").features == frozenset()


def test_a_device_is_known_by_its_name_if_it_says_that_it_has_one():
    assert hello_with(features=["device/1"], device="küche 1").device == "küche 1"
    assert hello_with(features=[], device="x").device is None
    assert hello_with(device="x").device is None
    assert not hello_with(features=["device/1"]).device_faulty


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\x1b[2J", 7, None, ["x"]])
def test_an_unusable_device_name_is_as_none_and_noted(name):
    hello = hello_with(features=["device/1"], device=name)
    assert (hello.device, hello.device_faulty, hello.token) == (None, True, "t")


@pytest.mark.parametrize("window", [None, -1, 2**31, True, 1.0, "1000"])
def test_a_window_that_is_no_number_of_bytes_counts_as_unsaid(window):
    assert hello_with(features=["credit/1"], window=window).window == 65_536


@pytest.mark.parametrize("device", [None, "küche 1"])
def test_the_hello_of_a_device_is_read_as_it_was_meant(device):
    hello = offer("t", device, 1000)
    assert decode_hello(encode_hello(hello)) == hello
    assert ("device/1" in hello.common) == (device is not None)


def test_a_device_names_its_features_in_alphabetical_order():
    assert list(encode_hello(offer("t", "d", 1)).items()) == [
        ("token", "t"),
        ("features", sorted(FEATURES)),
        ("window", 1),
        ("device", "d"),
    ]


def test_a_device_that_negotiates_nothing_sends_its_token_alone():
    assert encode_hello(Hello("t")) == {"token": "t"}


@given(anything)
def test_any_json_value_is_a_hello(said):
    assert isinstance(decode_hello(said), Hello)
