"""TLS for Tessel 1 boards: axTLS 1.4.9, which supports TLS up to 1.1, with RSA key exchange.

Somebody who records such a connection and gets the key later can read it, and these versions and
ciphers are obsolete. They are therefore used only on a port and with a key for such boards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID
from twisted.internet.ssl import CertificateOptions, TLSVersion

from tessel_proxy.certificates.issuing import TESSEL_1_END
from tessel_proxy.front.identity import IdentityFiles, TLSIdentity
from tessel_proxy.front.settings import FrontSettings
from tessel_proxy.front.tickets import TicketKeys
from tessel_proxy.front.tls import ServerTLS, TLSProfile
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.settings import SecretFile

# axTLS supports these and RC4, which OpenSSL has removed. Without the security level OpenSSL offers
# no version below 1.2, whatever minimum is set. Twisted's own option would lose the level.
CIPHERS = b"AES128-SHA:AES256-SHA:@SECLEVEL=0"

MAX_KEY_BITS = 4096  # tested; larger keys were not
MAX_CHAIN_BYTES = 16 * 1024 - 128
"""axTLS needs each handshake message in one record of at most 16 KiB. The difference is for the
lengths and names in the message."""

# axTLS supports MD5 as well, which must not be used any more.
_VERIFIABLE = (
    SignatureAlgorithmOID.RSA_WITH_SHA1,
    SignatureAlgorithmOID.RSA_WITH_SHA256,
)
_PARSABLE = (
    *_VERIFIABLE,
    SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithmOID.RSA_WITH_SHA512,
)


def tessel_1_tls(
    config: FrontSettings, wall_time: WallTime, key_pass_file: SecretFile | None = None
) -> ServerTLS | None:
    """Return the TLS of LEGACY_PORT, for Tessel 1 boards; None if LEGACY_PORT is not set.

    Raises ConfigError if a file is faulty or these boards could not use it. `key_pass_file`: as in
    `server_tls`.
    """
    if config.legacy_port is None:
        return None
    files = IdentityFiles(
        config.legacy_cert_file,
        config.legacy_key_file,
        config.key_pass,
        prefix="LEGACY_",
        key_pass_file=key_pass_file,
    )
    return ServerTLS(files, wall_time, TESSEL_1)


def _options(identity: TLSIdentity, _keys: TicketKeys) -> CertificateOptions:
    """Without session tickets: axTLS does not support them, and they would change its handshake."""
    options = CertificateOptions(
        privateKey=identity.key,  # type: ignore[arg-type] # as in tls.py
        certificate=identity.certificate,  # type: ignore[arg-type] # as in tls.py
        extraCertChain=list(identity.chain),  # type: ignore[arg-type] # as in tls.py
        insecurelyLowerMinimumTo=TLSVersion.TLSv1_0,
        lowerMaximumSecurityTo=TLSVersion.TLSv1_2,
    )
    options.getContext().set_cipher_list(CIPHERS)
    return options


def _faults(identity: TLSIdentity) -> Sequence[str]:
    chain = (identity.certificate, *identity.chain)
    return [
        *_key_faults(identity),
        *(fault for each in chain for fault in _certificate_faults(each)),
        *_size_faults(chain),
    ]


def _key_faults(identity: TLSIdentity) -> Iterator[str]:
    key = identity.key
    if not isinstance(key, RSAPrivateKey):
        yield "its key is not an RSA key; the Tessel 1 supports no other"
    elif key.key_size > MAX_KEY_BITS:
        yield f"its key has {key.key_size} bits; allowed for the Tessel 1: at most {MAX_KEY_BITS}"


def _certificate_faults(certificate: x509.Certificate) -> Iterator[str]:
    name = certificate.subject.rfc4514_string()
    until = certificate.not_valid_after_utc
    if until >= TESSEL_1_END:
        yield f"{name} ends {until:%F}; allowed for the Tessel 1: before {TESSEL_1_END:%F %T} UTC"
    # An authority's signature of itself is not checked, but must be parsable.
    itself = certificate.subject == certificate.issuer
    if certificate.signature_algorithm_oid not in (_PARSABLE if itself else _VERIFIABLE):
        yield (
            f"{name} is signed in a way that the Tessel 1 does not support; "
            "allowed: RSA (PKCS #1 v1.5) with SHA-256"
        )


def _size_faults(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    nbytes = sum(len(each.public_bytes(Encoding.DER)) for each in chain)
    if nbytes > MAX_CHAIN_BYTES:
        yield (
            f"its certificates have {nbytes} bytes together; "
            f"allowed for the Tessel 1: {MAX_CHAIN_BYTES}"
        )


TESSEL_1 = TLSProfile("the certificate for Tessel 1 boards", _options, _faults)
