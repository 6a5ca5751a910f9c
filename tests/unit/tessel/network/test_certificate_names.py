"""The names of a certificate as Node compares and writes them."""

import ipaddress

import pytest
from cryptography import x509

from support.certificate_authorities import Party
from tessel.network.certificate_names import alternative_names, is_common_name, why_not

ADDRESS = x509.IPAddress(ipaddress.ip_address("192.0.2.1"))


def certificate(common_name, *names):
    party = Party(common_name)
    builder = party.certify(party)
    if not names:
        return builder
    made = (
        x509.CertificateBuilder(party.name, party.name, party.key.public_key(), 1)
        .not_valid_before(builder.not_valid_before_utc)
        .not_valid_after(builder.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return made.sign(party.key, builder.signature_hash_algorithm)


def test_alternative_names_are_written_in_their_order():
    names = [
        x509.RFC822Name("a@b.example"),
        x509.DNSName("b.example"),
        ADDRESS,
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.UniformResourceIdentifier("https://b.example/"),
        x509.DNSName("*.c.example"),
    ]
    assert alternative_names(certificate("x", *names)) == (
        "email:a@b.example, DNS:b.example, IP Address:192.0.2.1, URI:https://b.example/, "
        "DNS:*.c.example"
    )
    assert alternative_names(certificate("x")) == ""


@pytest.mark.parametrize(
    ("common_name", "names", "host", "fits"),
    [
        ("a.example", [], "a.example", True),
        ("*.example.com", [], "a.example.com", True),
        ("a.example", [ADDRESS], "a.example", True),
        ("a.example", [x509.DNSName("b.example")], "a.example", False),
        ("b.example", [], "a.example", False),
        ("192.0.2.1", [], "192.0.2.1", False),
        ("any text, ü", [], "a.example", False),
    ],
)
def test_the_common_name_counts_without_alternative_dns_names(common_name, names, host, fits):
    assert is_common_name(certificate(common_name, *names), host) is fits


@pytest.mark.parametrize(
    ("common_name", "names", "host", "reason"),
    [
        ("b.example", [], "a.example", "Host: a.example. is not cert's CN: b.example"),
        (
            "x",
            [x509.DNSName("b.example"), ADDRESS],
            "a.example",
            "Host: a.example. is not in the cert's altnames: DNS:b.example, IP Address:192.0.2.1",
        ),
        (
            "x",
            [x509.DNSName("b.example"), ADDRESS],
            "192.0.2.2",
            "IP: 192.0.2.2 is not in the cert's list: 192.0.2.1",
        ),
    ],
)
def test_a_wrong_name_is_explained_in_nodes_sentences(common_name, names, host, reason):
    assert why_not(certificate(common_name, *names), host) == reason
