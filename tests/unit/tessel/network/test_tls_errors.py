"""The codes that Node gives to OpenSSL's reasons."""

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from tessel.network.tls_errors import in_nodes_words, openssl_code, tls_error


@pytest.mark.parametrize(
    ("library", "reason", "code"),
    [
        ("SSL routines", "wrong version number", "ERR_SSL_WRONG_VERSION_NUMBER"),
        ("SSL routines", "tlsv1 alert protocol version", "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"),
        ("SSL routines", "sslv3 alert bad record mac", "ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC"),
        ("SSL routines", "ssl/tls alert bad record mac", "ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC"),
        ("SSL routines", "tls alert bad record mac", "ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC"),
        ("x509 certificate routines", "key values mismatch", "ERR_OSSL_X509_KEY_VALUES_MISMATCH"),
        ("PEM routines", "no start line", "ERR_OSSL_PEM_NO_START_LINE"),
        ("Provider routines", "bad decrypt", "ERR_OSSL_BAD_DECRYPT"),
        ("DECODER routines", "unsupported", "ERR_OSSL_UNSUPPORTED"),
        ("SSL routines", "", "EPROTO"),
        ("", "", "EPROTO"),
    ],
)
def test_a_reason_of_openssl_has_nodes_code(library, reason, code):
    assert openssl_code(library, reason) == code


def test_the_last_of_several_reasons_gives_the_code_and_all_are_shown():
    queue = [("PEM routines", "", "no start line"), ("SSL routines", "", "bad extension")]
    error = tls_error(SSL.Error(queue), "TLS failed: ")
    assert str(error) == "TLS failed: no start line; bad extension"
    assert error.code == "ERR_SSL_BAD_EXTENSION"
    assert error.details == {"library": "SSL routines", "reason": "bad extension"}
    assert error.again().details == error.details


@pytest.mark.parametrize(
    "fault",
    [
        SSL.Error(),
        SSL.Error([]),
        SSL.Error([("SSL routines", "", "")]),
        SSL.SysCallError(-1, "EOF"),
    ],
)
def test_an_error_without_a_reason_says_so(fault):
    error = tls_error(fault, "TLS failed: ")
    assert str(error) == f"TLS failed: OpenSSL gives no reason ({type(fault).__name__})"
    assert (error.code, error.details) == ("EPROTO", {})


def test_other_failures_stay_as_they_are():
    lost = Failure(ConnectionLost())
    assert in_nodes_words(lost, "TLS failed: ") is lost
