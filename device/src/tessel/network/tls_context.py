"""OpenSSL's contexts for the TLS options of a connection: authorities, identity, versions, ciphers.

Loading the system's authorities takes some ms and 1 MB, so all connections with the same options
share a context. Contexts without a client certificate are kept for later connections. A context
with one, and its private key, lives only as long as a connection uses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import cast
from weakref import WeakValueDictionary

from cryptography import x509
from OpenSSL import SSL, crypto
from OpenSSL.crypto import X509Store

from streamplex.tx.tls_contexts import write_whole_pieces
from tessel.errors import NodeError
from tessel.network.client_identity import ClientIdentity, certificates_in, identity_of
from tessel.network.interface import TlsOptions

CONTEXTS_KEPT = 8  # 1 MB each, with the system's authorities; programs use few sets of options
LONGEST_SHOWN = 80  # characters of a wrong option that an error shows

VERSIONS = {
    "TLSv1": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}
"""Node's names of the TLS versions. Versions before 1.2 are used only if a program names them, and
need `ciphers` with `@SECLEVEL=0` as well, as in Node."""
DEFAULT_MIN_VERSION, DEFAULT_MAX_VERSION = "TLSv1.2", "TLSv1.3"

_with_keys: WeakValueDictionary[TlsOptions, SSL.Context] = WeakValueDictionary()


def context_for(tls: TlsOptions) -> SSL.Context:
    """Return the context for connections with these options; raises NodeError for a wrong option.

    Do not change it: other connections use it as well.
    """
    options = _of_context(tls)
    if options.cert is None and options.key is None and options.pfx is None:
        return _kept(replace(options, passphrase=None))
    context = _with_keys.get(options)
    if context is None:
        context = _with_keys[options] = _made(options)
    return context


def _of_context(tls: TlsOptions) -> TlsOptions:
    """Return the options without those of single connections."""
    return replace(
        tls,
        servername=None,
        reject_unauthorized=None,
        check_name=True,
        alpn_protocols=None,
        extra_ca=tls.extra_ca if tls.ca is None else None,
        sessions=None,
    )


@lru_cache(CONTEXTS_KEPT)
def _kept(options: TlsOptions) -> SSL.Context:
    return _made(options)


def _made(tls: TlsOptions) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    write_whole_pieces(context)
    _set_versions(context, tls)
    identity = identity_of(tls.cert or (), tls.key or (), tls.pfx or (), tls.passphrase)
    identity.put_into(context)
    _trust(context, tls, identity)
    return context


# Authorities.


def _trust(context: SSL.Context, tls: TlsOptions, identity: ClientIdentity) -> None:
    if tls.ca is None:
        context.set_default_verify_paths()
    _add(context, [one for pem in tls.ca or () for one in certificates_in(pem, "ca")])
    _add(context, [one for pem in tls.extra_ca or () for one in certificates_in(pem, "extra_ca")])
    _add(context, identity.authorities)


def _add(context: SSL.Context, authorities: Iterable[x509.Certificate]) -> None:
    store = cast("X509Store", context.get_cert_store())
    for certificate in authorities:
        store.add_cert(crypto.X509.from_cryptography(certificate))


# Versions and ciphers.


def _set_versions(context: SSL.Context, tls: TlsOptions) -> None:
    """Set the range of versions and the ciphers, which limit the versions as well."""
    first, last = tls.min_version or DEFAULT_MIN_VERSION, tls.max_version or DEFAULT_MAX_VERSION
    lowest, highest = _version("minimum", first), _version("maximum", last)
    if lowest > highest:
        raise NodeError(
            f"No TLS version is left: 'min_version' is {first}, and 'max_version' is {last}",
            "ERR_SSL_NO_PROTOCOLS_AVAILABLE",
        )
    if tls.ciphers and _set_ciphers(context, tls.ciphers):
        lowest = SSL.TLS1_3_VERSION
        if lowest > highest:
            raise NodeError(
                f"The option 'ciphers' names only ciphers of TLS 1.3, and 'max_version' is"
                f" {tls.max_version}",
                "ERR_SSL_NO_CIPHERS_AVAILABLE",
            )
    context.set_min_proto_version(lowest)
    context.set_max_proto_version(highest)


def _version(which: str, name: str) -> int:
    version = VERSIONS.get(name)
    if version is None:
        raise NodeError(
            f"{name[:LONGEST_SHOWN]!r} is not a valid {which} TLS protocol version. Valid are"
            f" {', '.join(VERSIONS)}",
            "ERR_TLS_INVALID_PROTOCOL_VERSION",
        )
    return version


def _set_ciphers(context: SSL.Context, ciphers: str) -> bool:
    """Set the ciphers; return whether all of them are of TLS 1.3.

    OpenSSL has one list for TLS 1.3, whose ciphers begin with `TLS_`, and one for older versions. A
    list without such ciphers leaves those of TLS 1.3 as they are, as in Node.
    """
    if "\0" in ciphers:  # OpenSSL would ignore what follows
        raise _no_cipher(ciphers)
    names = ciphers.split(":")
    newer = ":".join(name for name in names if name.startswith("TLS_"))
    older = ":".join(name for name in names if name and not name.startswith("TLS_"))
    try:
        if newer:
            context.set_tls13_ciphersuites(newer.encode("ascii"))
        if older or not newer:
            context.set_cipher_list(older.encode("ascii"))
    except (SSL.Error, UnicodeEncodeError) as error:
        raise _no_cipher(ciphers) from error
    return not older


def _no_cipher(ciphers: str) -> NodeError:
    return NodeError(
        f"The option 'ciphers' names no cipher that OpenSSL has: {ciphers[:LONGEST_SHOWN]!r}",
        "ERR_SSL_NO_CIPHER_MATCH",
    )
