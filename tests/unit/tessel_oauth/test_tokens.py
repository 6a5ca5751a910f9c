"""Tokens, keys and secrets, with fixed random bytes."""

import pytest

from tessel_oauth import tokens


def counting(nbytes):
    return bytes(range(nbytes))


def test_an_access_token_is_forty_hex_digits():
    assert tokens.new_access_token(counting) == bytes(range(20)).hex()
    assert len(tokens.new_access_token(counting)) == 40


def test_an_api_key_is_sixteen_bytes_in_hex():
    assert tokens.new_api_key(counting) == "000102030405060708090a0b0c0d0e0f"


def test_a_digest_does_not_show_the_token():
    assert tokens.digest("abc") == tokens.digest("abc") != tokens.digest("abd")
    assert b"abc" not in tokens.digest("abc")


@pytest.mark.parametrize("secret", ["the-tessel-devenv", "pässwörd", "x" * 1000])
def test_a_hashed_secret_matches_only_itself(secret):
    hashed = tokens.hash_secret(secret, counting)

    assert secret not in hashed
    assert tokens.secret_matches(secret, hashed)
    assert not tokens.secret_matches(secret + "x", hashed)
    assert not tokens.secret_matches("", hashed)


def test_the_same_secret_is_hashed_differently_with_other_salt():
    assert tokens.hash_secret("s", counting) != tokens.hash_secret("s", bytes)


def test_a_hash_holds_its_own_cost_so_that_the_default_can_rise(monkeypatch):
    monkeypatch.setattr(tokens, "SCRYPT_N", 2**4)
    cheap = tokens.hash_secret("s", counting)
    monkeypatch.undo()

    assert cheap.startswith("scrypt$16$8$1$")
    assert tokens.secret_matches("s", cheap)


def test_a_hash_of_another_algorithm_is_an_error_and_not_a_mismatch():
    with pytest.raises(ValueError, match="'md5'; known: scrypt"):
        tokens.secret_matches("s", "md5$1$1$1$AA==$AA==")


def test_a_token_without_lifetime_never_expires():
    assert tokens.expiry(1000.0, None) is None
    assert tokens.expiry(1000.0, 60) == 1060.0
