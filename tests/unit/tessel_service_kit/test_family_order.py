"""Which of a name's families of addresses is tried first."""

import pytest

from tessel_service_kit import family_order
from tessel_service_kit.family_order import in_order, source_for


@pytest.mark.parametrize(
    ("address", "source", "first"),
    [
        ("2001:4860::1", "2a00::1", 6),
        ("::1", "::1", 6),
        ("2001:4860::1", None, 4),
        ("2001:4860::1", "fd00::1", 4),  # a source for the site alone
        ("fd00::2", "fd00::1", 4),
        ("2002:c000:201::1", "2002::1", 4),
        ("2001::1", "2a00::1", 4),
    ],
)
def test_ipv6_is_first_if_it_is_reachable(monkeypatch, address, source, first):
    monkeypatch.setattr(family_order, "source_for", lambda _: source)
    ordered = in_order(("192.0.2.1",), (address,))
    assert (":" in ordered[0]) == (first == 6)


def test_the_source_is_the_systems_choice():
    assert source_for("not an address") is None
    assert source_for("::1") in ("::1", None)
