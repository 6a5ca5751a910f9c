"""Code words of errors, and the words for OpenSSL's verification errors."""

import pytest
from OpenSSL import SSL

from streamplex.conversation import error_code, verify_error


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("connect ECONNREFUSED 127.0.0.1:80", "ECONNREFUSED"),
        ("getaddrinfo ENOTFOUND example.invalid", "ENOTFOUND"),
        ("getaddrinfo EAI_AGAIN example.com", "EAI_AGAIN"),
        ("CERT_HAS_EXPIRED", "CERT_HAS_EXPIRED"),
        ("certificate: ERR_TLS_CERT_ALTNAME_INVALID", "ERR_TLS_CERT_ALTNAME_INVALID"),
        ("something else", None),
        ("INVALID_CA: invalid CA certificate", "INVALID_CA"),
        ("UNSPECIFIED: certificate verification error 99", "UNSPECIFIED"),
        ("EVERYTHING is fine", "EVERYTHING"),
    ],
)
def test_the_code_word_is_found_in_an_error_text(message, code):
    assert error_code(message) == code


def test_each_verification_error_has_a_code_word_that_its_text_is_found_by():
    codes = vars(SSL.X509VerificationCodes).values()
    for number in (code for code in codes if isinstance(code, int)):
        error = verify_error(number)
        assert error_code(f"{error.code}: {error.text}") == error.code


def test_a_verification_error_that_node_has_no_word_for_is_unspecified():
    assert verify_error(99) == ("UNSPECIFIED", "certificate verification error 99")
