"""What a device may call a host."""

from ipaddress import ip_address

import pytest

from tessel_proxy.egress.hosts import canonical


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.com", "example.com"),
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("_service.under_score", "_service.under_score"),
        ("1.example", "1.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("example。com", "example.com"),
    ],
)
def test_names_are_written_in_one_way(host, name):
    assert canonical(host) == name


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::FFFF:10.0.0.1", "::ffff:10.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("10.65534", "10.0.255.254"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.0.0.01", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("4294967295.", "255.255.255.255"),
        ("１２７.０.０.１", "127.0.0.1"),  # noqa: RUF001 -- full-width digits are the point
    ],
)
def test_addresses_are_known_as_such(host, address):
    assert canonical(host) == ip_address(address)


@pytest.mark.parametrize(
    "host",
    [
        "0x",
        "0x7f.0x.1",
        "08.8.8.8",
        "256.1",
        "1.2.65536",
        "4294967296",
        "9" * 63,
        "a.1",
        "1.2.3.4.5",
        "example.0x1",
        "[127.0.0.1]",
        "[example.com]",
        "[::1",
        "::1%lo",
        "[fe80::1%eth0]",
        "fe80::1%1",
        "",
        ".",
        "..",
        "a..b",
        ".example.com",
        "example.com..",
        "exa mple.com",
        "example.com\0.evil.com",
        "127.0.0.1\n",
        "user@example.com",
        "example.com:80",
        "a" * 64 + ".com",
        "a." * 127 + "com",
        "*.example.com",
        "\u200b",
        "\ud800",
    ],
)
def test_what_can_be_neither_goes_no_further(host):
    with pytest.raises(ValueError):  # noqa: PT011 -- that it is refused is all
        canonical(host)
