"""Programs with TLS, which print the same on plain Node and on a device; and their certificates.

`servers.js` are their servers, `at.js` is shared by the programs.
"""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509 import load_pem_x509_certificate

from support.javascript.plain_and_device import Servers

TLS_PROGRAMS = Path(__file__).parent
P256 = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
SECRET = BestAvailableEncryption(b"secret")  # the passphrase of the encrypted files


def write_certificates(folder):
    """Write the authorities, certificates and keys that the programs and servers read."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, other = trustme.CA(), trustme.CA(organization_name="Others")
    (folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (folder / "other-ca.pem").write_bytes(other.cert_pem.bytes())
    _write(folder, "server", authority.issue_cert("localhost", "127.0.0.1"))
    _write(folder, "other", authority.issue_cert("other.example", organization_name="Elsewhere"))
    _write(folder, "chained", authority.create_child_ca().issue_cert("localhost"))
    client = authority.issue_cert("client@example.org", organization_name="Client")
    _write(folder, "client", client)
    key = load_pem_private_key(client.private_key_pem.bytes(), None)
    (folder / "client-encrypted.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, SECRET)
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "client-ec.key").write_bytes(P256 + plain)
    legacy = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, SECRET)
    (folder / "client-legacy.key").write_bytes(legacy)
    certificate = load_pem_x509_certificate(client.cert_chain_pems[0].bytes())
    (folder / "client.pfx").write_bytes(
        serialize_key_and_certificates(b"client", key, certificate, None, SECRET)
    )


def _write(folder, name, issued):
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    (folder / f"{name}.pem").write_bytes(chain)
    (folder / f"{name}.key").write_bytes(issued.private_key_pem.bytes())


class TlsServers(Servers):
    """The servers of the programs, with the certificates in a folder, until `close`."""

    def __init__(self, folder):
        super().__init__(TLS_PROGRAMS, folder)
        self.environ["FOLDER"] = str(folder)
