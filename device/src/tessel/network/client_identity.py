"""The certificate and the private key that a program shows to servers: PEM texts and PKCS#12 files.

A wrong value is a NodeError with the code that Node's `tls.connect` raises for it, if Node has one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12KeyAndCertificates,
    load_pkcs12,
)
from OpenSSL import SSL

from tessel.errors import NodeError
from tessel.network.tls_errors import tls_error

PrivateKey: TypeAlias = (
    RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey | DSAPrivateKey
)
_KINDS = (
    RSAPrivateKey,
    EllipticCurvePrivateKey,
    Ed25519PrivateKey,
    Ed448PrivateKey,
    DSAPrivateKey,
)
_UNDECRYPTED = "ERR_OSSL_BAD_DECRYPT"  # Node's, also without a passphrase
_BEGIN = b"-----BEGIN "
_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
MOST_LABELS = 5  # named in an error


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """Certificates with their chains, own certificate first, and the private keys for them.

    `authorities` came in a PKCS#12 file. As in Node, they are trusted besides those of `ca`.
    """

    chains: tuple[tuple[x509.Certificate, ...], ...] = ()
    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    authorities: tuple[x509.Certificate, ...] = ()

    def __add__(self, other: ClientIdentity) -> ClientIdentity:
        """Return an identity with the certificates and keys of both."""
        return ClientIdentity(
            self.chains + other.chains,
            self.keys + other.keys,
            self.authorities + other.authorities,
        )

    def put_into(self, context: SSL.Context) -> None:
        """Let connections of a new context use this identity; raises NodeError.

        Each key must fit the certificate of its kind.
        """
        try:
            for own, *others in self.chains:
                context.use_certificate(own)
                for other in others:
                    context.add_extra_chain_cert(other)
            for key in self.keys:
                context.use_privatekey(key)
        except SSL.Error as error:
            refused = tls_error(error, "OpenSSL does not accept the options 'cert' and 'key': ")
            raise NodeError(str(refused), refused.code) from error


def identity_of(
    cert: tuple[bytes, ...],
    key: tuple[bytes, ...],
    pfx: tuple[bytes, ...],
    passphrase: bytes | None,
) -> ClientIdentity:
    """Return the identity that these options name; raises NodeError for a wrong one.

    Args:
        cert: PEM, each with its chain.
        key: PEM, perhaps encrypted.
        pfx: PKCS#12 files, which hold both.
        passphrase: of all encrypted keys and files; None: they are not encrypted.

    """
    identity = ClientIdentity(
        tuple(_chain(one) for one in cert), tuple(_key(one, passphrase) for one in key)
    )
    for one in pfx:
        identity += _from_pkcs12(one, passphrase)
    return identity


def certificates_in(pem: bytes, option: str) -> list[x509.Certificate]:
    """Return all certificates of a PEM text; raises NodeError, which names the option."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise NodeError(
            f"The option '{option}' has no readable certificate in PEM. {_seen(pem)}",
            "ERR_INVALID_ARG_VALUE",
        ) from error


def _chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    if _BEGIN not in pem:
        raise NodeError(
            f"The option 'cert' has no readable certificate in PEM. {_seen(pem)}",
            "ERR_OSSL_PEM_NO_START_LINE",
        )
    return tuple(certificates_in(pem, "cert"))


def _key(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    try:
        return _usable(_loaded(pem, passphrase), "key")
    except TypeError as error:
        raise NodeError(
            "The option 'key' is encrypted, and there is no option 'passphrase'", _UNDECRYPTED
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable_key(pem, passphrase) from error


def _loaded(pem: bytes, passphrase: bytes | None) -> object:
    if not passphrase:
        return load_pem_private_key(pem, None)
    try:
        return load_pem_private_key(pem, passphrase)
    except TypeError:  # the key is not encrypted; Node ignores the passphrase, too
        return load_pem_private_key(pem, None)


def _unreadable_key(pem: bytes, passphrase: bytes | None) -> NodeError:
    if passphrase and b"ENCRYPTED" in pem:
        return NodeError(
            "The option 'passphrase' does not decrypt the option 'key', or the kind of its"
            " encryption is unknown",
            _UNDECRYPTED,
        )
    return NodeError(
        f"The option 'key' has no readable private key in PEM. {_seen(pem)}",
        "ERR_OSSL_UNSUPPORTED",
    )


def _seen(pem: bytes) -> str:
    """Return a sentence about the contents of a PEM text: its `BEGIN` lines, no byte of a key."""
    labels = [label.decode() for label in _LABEL.findall(pem)]
    if labels:
        return f"It has: {', '.join(labels[:MOST_LABELS])}"
    return "It has no line '-----BEGIN …'. Pass the contents of a file, not its path"


def _from_pkcs12(data: bytes, passphrase: bytes | None) -> ClientIdentity:
    held = _opened(data, passphrase)
    if held.key is None or held.cert is None:
        raise NodeError(
            "The option 'pfx' must hold a private key and its certificate", "ERR_INVALID_ARG_VALUE"
        )
    others = tuple(one.certificate for one in held.additional_certs)
    chain = (held.cert.certificate, *others)
    return ClientIdentity((chain,), (_usable(held.key, "pfx"),), others)


def _opened(data: bytes, passphrase: bytes | None) -> PKCS12KeyAndCertificates:
    try:
        return load_pkcs12(data, passphrase)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NodeError(
            "The option 'pfx' is not PKCS#12, or 'passphrase' does not open it",
            "ERR_INVALID_ARG_VALUE",
        ) from error


def _usable(key: object, option: str) -> PrivateKey:
    if isinstance(key, _KINDS):
        return key
    kinds = ", ".join(kind.__name__.removesuffix("PrivateKey") for kind in _KINDS)
    seen = type(key).__name__.removesuffix("PrivateKey")
    raise NodeError(
        f"The option '{option}' is a key of the kind {seen}; TLS uses {kinds}",
        "ERR_INVALID_ARG_VALUE",
    )
