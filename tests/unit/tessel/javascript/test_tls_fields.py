"""The TLS options of a program's call, from JSON; wrong ones end the channel with a reason."""

import pytest

from tessel.errors import NodeError
from tessel.javascript.channel import BadCallError
from tessel.javascript.tls_fields import tls_facts, tls_options
from tessel.network.interface import Cipher, EphemeralKey, TlsOptions

TEXTS = ("servername", "passphrase", "minVersion", "maxVersion", "ciphers")
LISTS = ("ca", "extraCa", "cert", "key", "pfx", "alpn")
FLAGS = ("reject", "checkName")


class Secured:
    """The facts of a TLS connection of the device."""

    authorized = False
    authorization_error = NodeError("certificate has expired", "CERT_HAS_EXPIRED")

    def peer_certificate_chain(self):
        return [b"own", b"issuer"]

    def verified_certificate_chain(self):
        return [b"own", b"issuer", b"root"]

    def own_certificate(self):
        return b"client"

    def protocol_version(self):
        return "TLSv1.3"

    def cipher(self):
        return Cipher("name", "standard", "TLSv1.3")

    def ephemeral_key(self):
        return EphemeralKey("ECDH", "X25519", 253)

    def alpn_protocol(self):
        return b"\xff"

    def session_reused(self):
        return False


def test_no_fields_are_no_options():
    assert tls_options({}) == TlsOptions()


def test_each_field_becomes_its_option():
    given = {
        "ca": ["é"],
        "extraCa": ["more"],
        "servername": "",
        "reject": False,
        "checkName": False,
        "cert": ["c"],
        "key": ["k", "l"],
        "pfx": ["AP8="],
        "passphrase": "ü",
        "alpn": ["h2", "\xff"],
        "minVersion": "TLSv1.2",
        "maxVersion": "TLSv1.3",
        "ciphers": "HIGH",
    }
    assert tls_options(given) == TlsOptions(
        ca=("é".encode(),),
        extra_ca=(b"more",),
        servername="",
        reject_unauthorized=False,
        check_name=False,
        cert=(b"c",),
        key=(b"k", b"l"),
        pfx=(b"\0\xff",),
        passphrase="ü".encode(),
        alpn_protocols=(b"h2", b"\xff"),
        min_version="TLSv1.2",
        max_version="TLSv1.3",
        ciphers="HIGH",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in TEXTS for value in (5, ["a"], {}, False)),
        *((name, value) for name in LISTS for value in ("text", [5], {}, [["a"]], [None])),
        *((name, value) for name in FLAGS for value in (0, 1, "true", [])),
    ],
)
def test_the_error_for_a_wrong_type_does_not_show_the_value(name, value):
    with pytest.raises(BadCallError, match=rf"^connect: tls\.{name} is \w+; allowed: [\w ,]+$"):
        tls_options({name: value})


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("ca", "tls is str; allowed: an object"),
        ({"pfx": ["not base64!"]}, "tls.pfx is not base64"),
        ({"pfx": ["\udc80"]}, "tls.pfx is not base64"),
        ({"alpn": ["€"]}, "tls.alpn is not latin-1"),
        ({"key": ["\udc80"]}, "tls.key is not UTF-8"),
        ({"passphrase": "\udc80"}, "tls.passphrase is not UTF-8"),
    ],
)
def test_a_text_that_cannot_be_bytes_is_an_error(given, what):
    with pytest.raises(BadCallError, match=what):
        tls_options(given)


def test_there_are_no_facts_if_the_device_does_not_do_the_tls():
    assert tls_facts(None) is None


def test_facts_have_each_certificate_once_and_the_targets_own_first():
    assert tls_facts(Secured()) == {
        "error": {"message": "certificate has expired", "code": "CERT_HAS_EXPIRED"},
        "chain": ["b3du", "aXNzdWVy", "cm9vdA=="],
        "own": "Y2xpZW50",
        "protocol": "TLSv1.3",
        "cipher": ["name", "standard", "TLSv1.3"],
        "ephemeral": ["ECDH", "X25519", 253],
        "alpn": "\xff",
        "reused": False,
    }
