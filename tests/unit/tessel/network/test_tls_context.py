"""Contexts for TLS options: client certificates and keys, versions, ciphers, and what is kept."""

import gc
import weakref

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from OpenSSL import SSL

from tessel.errors import NodeError
from tessel.network.client_identity import ClientIdentity, identity_of
from tessel.network.interface import TlsOptions
from tessel.network.tls_context import CONTEXTS_KEPT, context_for

AUTHORITY = trustme.CA()
CA = (AUTHORITY.cert_pem.bytes(),)
DEVICE = AUTHORITY.issue_cert("device.example")
CERT, KEY = DEVICE.cert_chain_pems[0].bytes(), DEVICE.private_key_pem.bytes()
OTHER_KEY = AUTHORITY.issue_cert("other.example").private_key_pem.bytes()
SECRET = b"secret"
BROKEN = b"-----BEGIN %b-----\nAAAA\n-----END %b-----\n"


def pem(key, encryption=None, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def encrypted(form=PrivateFormat.PKCS8):
    return pem(load_pem_private_key(KEY, None), BestAvailableEncryption(SECRET), form)


def pfx(passphrase=None, *, key=KEY, cert=CERT):
    return pkcs12.serialize_key_and_certificates(
        b"device",
        None if key is None else load_pem_private_key(key, None),
        None if cert is None else x509.load_pem_x509_certificate(cert),
        [x509.load_pem_x509_certificate(CA[0])],
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase),
    )


def shown(**options):
    """The DER of the certificate that a connection with these options has; None: it has none."""
    connection = SSL.Connection(context_for(TlsOptions(ca=CA, **options)), None)
    own = connection.get_certificate(as_cryptography=True)
    return None if own is None else own.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "options",
    [
        {"cert": (CERT,), "key": (KEY,)},
        {"cert": (CERT + CA[0],), "key": (CERT + KEY,)},
        {"cert": (CERT,), "key": (KEY,), "passphrase": b"not needed"},
        {"cert": (CERT,), "key": (encrypted(),), "passphrase": SECRET},
        {
            "cert": (CERT,),
            "key": (encrypted(PrivateFormat.TraditionalOpenSSL),),
            "passphrase": SECRET,
        },
        {"pfx": (pfx(),)},
        {"pfx": (pfx(SECRET),), "passphrase": SECRET},
    ],
)
def test_a_certificate_and_its_key_become_the_identity_of_a_connection(options):
    assert shown(**options) == CERT


@pytest.mark.parametrize("options", [{}, {"key": (KEY,)}])
def test_without_a_certificate_a_connection_has_no_identity(options):
    assert shown(**options) is None


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ({"key": (b"key.pem",)}, "ERR_OSSL_UNSUPPORTED", "no line '-----BEGIN …'. Pass the cont"),
        ({"key": (b"",)}, "ERR_OSSL_UNSUPPORTED", "no readable private key"),
        ({"key": (CERT,)}, "ERR_OSSL_UNSUPPORTED", "It has: CERTIFICATE"),
        ({"key": (BROKEN.replace(b"%b", b"PRIVATE KEY"),)}, "ERR_OSSL_UNSUPPORTED", "PRIVATE KEY"),
        ({"key": (encrypted(),)}, "ERR_OSSL_BAD_DECRYPT", "there is no option 'passphrase'"),
        ({"key": (encrypted(),), "passphrase": b""}, "ERR_OSSL_BAD_DECRYPT", "is encrypted"),
        ({"key": (encrypted(),), "passphrase": b"x"}, "ERR_OSSL_BAD_DECRYPT", "does not decrypt"),
        (
            {"key": (encrypted(PrivateFormat.TraditionalOpenSSL),), "passphrase": b"x"},
            "ERR_OSSL_BAD_DECRYPT",
            "does not decrypt",
        ),
        (
            {"key": (pem(X25519PrivateKey.generate()),)},
            "ERR_INVALID_ARG_VALUE",
            "the kind X25519; TLS uses RSA",
        ),
        ({"cert": (b"x",)}, "ERR_OSSL_PEM_NO_START_LINE", "'cert' has no readable certificate"),
        ({"cert": (KEY,)}, "ERR_INVALID_ARG_VALUE", "It has: EC PRIVATE KEY"),
        (
            {"cert": (BROKEN.replace(b"%b", b"CERTIFICATE"),)},
            "ERR_INVALID_ARG_VALUE",
            "It has: CERTIFICATE",
        ),
        (
            {"cert": (CERT,), "key": (OTHER_KEY,)},
            "ERR_OSSL_X509_KEY_VALUES_MISMATCH",
            "'cert' and 'key': key values mismatch",
        ),
        ({"pfx": (b"rubbish",)}, "ERR_INVALID_ARG_VALUE", "'pfx' is not PKCS#12"),
        ({"pfx": (pfx(SECRET),)}, "ERR_INVALID_ARG_VALUE", "'passphrase' does not open it"),
        ({"pfx": (pfx(SECRET),), "passphrase": b"x"}, "ERR_INVALID_ARG_VALUE", "not open it"),
        ({"pfx": (pfx(key=None, cert=None),)}, "ERR_INVALID_ARG_VALUE", "must hold a private key"),
        ({"extra_ca": (b"x",), "ca": None}, "ERR_INVALID_ARG_VALUE", "option 'extra_ca' has no"),
        (
            {"min_version": "TLSv9"},
            "ERR_TLS_INVALID_PROTOCOL_VERSION",
            "'TLSv9' is not a valid",
        ),
        ({"max_version": "SSLv3"}, "ERR_TLS_INVALID_PROTOCOL_VERSION", "valid maximum TLS"),
        (
            {"min_version": "TLSv1.3", "max_version": "TLSv1.2"},
            "ERR_SSL_NO_PROTOCOLS_AVAILABLE",
            "'min_version' is TLSv1.3, and 'max_version' is TLSv1.2",
        ),
        ({"max_version": "TLSv1.1"}, "ERR_SSL_NO_PROTOCOLS_AVAILABLE", "'min_version' is TLSv1.2"),
        ({"ciphers": "NOSUCH"}, "ERR_SSL_NO_CIPHER_MATCH", "that OpenSSL has: 'NOSUCH'"),
        ({"ciphers": "TLS_AES_999:AES128-SHA"}, "ERR_SSL_NO_CIPHER_MATCH", "TLS_AES_999"),
        ({"ciphers": ":"}, "ERR_SSL_NO_CIPHER_MATCH", "':'"),
        ({"ciphers": "AES128-SHA\0"}, "ERR_SSL_NO_CIPHER_MATCH", "AES128-SHA"),
        ({"ciphers": "ü" * 500}, "ERR_SSL_NO_CIPHER_MATCH", "'ü{80}'"),
        (
            {"ciphers": "TLS_AES_128_GCM_SHA256", "max_version": "TLSv1.2"},
            "ERR_SSL_NO_CIPHERS_AVAILABLE",
            "only ciphers of TLS 1.3, and 'max_version' is TLSv1.2",
        ),
    ],
)
def test_a_wrong_option_has_nodes_code_and_says_what_is_wrong(options, code, says):
    with pytest.raises(NodeError, match=says) as raised:
        context_for(TlsOptions(**{"ca": CA, **options}))
    assert raised.value.code == code
    assert "http" not in str(raised.value)  # as in the texts of `cryptography`


def test_a_text_of_options_or_identity_shows_no_secret():
    tls = TlsOptions(ca=CA, cert=(CERT,), key=(KEY,), pfx=(pfx(SECRET),), passphrase=SECRET)
    identity = identity_of((CERT,), (KEY,), (), None)
    for text in (repr(tls), repr(identity)):
        assert "PRIVATE" not in text
        assert "secret" not in text
        assert "PrivateKey" not in text


def ciphers(options):
    return SSL.Connection(context_for(TlsOptions(ca=CA, ciphers=options)), None).get_cipher_list()


def test_a_list_of_ciphers_leaves_those_of_tls_1_3_unless_it_names_some():
    assert "TLS_AES_256_GCM_SHA384" in ciphers("AES128-SHA")
    assert ciphers("TLS_AES_128_GCM_SHA256:AES128-SHA") == ["TLS_AES_128_GCM_SHA256", "AES128-SHA"]
    assert ciphers("") == ciphers(None)


def test_connections_with_the_same_options_share_a_context():
    same = TlsOptions(ca=CA, min_version="TLSv1.3")
    of_one_connection = TlsOptions(
        ca=CA,
        extra_ca=CA,  # not used beside `ca`
        min_version="TLSv1.3",
        servername="a",
        reject_unauthorized=False,
        check_name=False,
        alpn_protocols=(b"h2",),
        passphrase=b"of no key",
    )
    assert context_for(same) is context_for(of_one_connection)


@pytest.mark.parametrize(
    "other",
    [
        {"ca": None},
        {"ca": (*CA, trustme.CA().cert_pem.bytes())},
        {"ca": None, "extra_ca": CA},
        {"min_version": "TLSv1.3"},
        {"max_version": "TLSv1.2"},
        {"ciphers": "AES128-SHA"},
        {"cert": (CERT,), "key": (KEY,)},
        {"pfx": (pfx(),)},
    ],
)
def test_connections_with_other_options_have_another_context(other):
    plain = context_for(TlsOptions(ca=CA))
    context = context_for(TlsOptions(**{"ca": CA, **other}))
    assert context is not plain


def test_a_context_with_a_key_is_shared_but_not_kept():
    tls = TlsOptions(ca=CA, cert=(CERT,), key=(KEY,))
    context = context_for(tls)
    assert context_for(tls) is context
    seen = weakref.ref(context)
    del context
    gc.collect()
    assert seen() is None


def test_few_contexts_are_kept():
    first = weakref.ref(context_for(TlsOptions(ca=(b"#first\n" + CA[0],))))
    assert first() is not None
    for number in range(CONTEXTS_KEPT):
        context_for(TlsOptions(ca=(b"#%d\n" % number + CA[0],)))
    gc.collect()
    assert first() is None


def test_the_authorities_of_a_pkcs12_file_are_trusted_as_in_node():
    (authority,) = identity_of((), (), (pfx(),), None).authorities
    assert authority.public_bytes(Encoding.PEM) == CA[0]
    assert identity_of((), (), (), None) == ClientIdentity()
