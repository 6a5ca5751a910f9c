"""TLS as a Tessel 1 speaks it: axTLS 1.4.9, which stops at TLS 1.1 and RSA key exchange.

Whoever records such a conversation and gets the key later can read it, and these versions and
ciphers are given up everywhere else: therefore a port and a key of its own, for such boards alone.
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

# axTLS has these and RC4, which OpenSSL has no more. Without the level OpenSSL offers no version
# below 1.2, whatever minimum is asked for. The list goes past Twisted, which would lose the level.
CIPHERS = b"AES128-SHA:AES256-SHA:@SECLEVEL=0"

MAX_KEY_BITS = 4096  # what was tried; its buffers for larger numbers were not
MAX_CHAIN_BYTES = 16 * 1024 - 128
"""axTLS wants each handshake message whole in one record, which has 16 KiB at most; less what
the message's own lengths and names take."""

# MD5 would do, too, but nobody should come to have one.
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
    """For Tessel 1 boards, if they are served; raises ConfigError."""
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
    """Without session tickets: axTLS knows none, and they would change the bytes it is sent."""
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
        yield "its key is no RSA key; the Tessel 1 knows no other"
    elif key.key_size > MAX_KEY_BITS:
        yield f"its key has {key.key_size} bits; allowed for the Tessel 1: at most {MAX_KEY_BITS}"


def _certificate_faults(certificate: x509.Certificate) -> Iterator[str]:
    name = certificate.subject.rfc4514_string()
    until = certificate.not_valid_after_utc
    if until >= TESSEL_1_END:
        yield f"{name} ends {until:%F}; allowed for the Tessel 1: before {TESSEL_1_END:%F %T} UTC"
    # Nobody checks an authority's signature on itself, but it must be parsable.
    itself = certificate.subject == certificate.issuer
    if certificate.signature_algorithm_oid not in (_PARSABLE if itself else _VERIFIABLE):
        yield (
            f"{name} is signed in a way the Tessel 1 does not know; "
            "allowed: RSA (PKCS #1 v1.5) with SHA-256"
        )


def _size_faults(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    nbytes = sum(len(each.public_bytes(Encoding.DER)) for each in chain)
    if nbytes > MAX_CHAIN_BYTES:
        yield (
            f"its certificates have {nbytes} bytes in all; "
            f"allowed for the Tessel 1: {MAX_CHAIN_BYTES}"
        )


TESSEL_1 = TLSProfile("the certificate for Tessel 1 boards", _options, _faults)
