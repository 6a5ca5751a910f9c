"""Programs with TLS: run on plain Node and on a device, against the same servers.

What they print must be the same. `servers.js` are the servers, `at.js` is shared by the programs.
"""

import json
import os
import subprocess
import sys
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

from support.node import node

HERE = Path(__file__).parent
PATIENCE_S = 60
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


class Servers:
    """The servers in a Node process, until `close`."""

    def __init__(self, folder):
        self._process = subprocess.Popen(
            [node(), HERE / "servers.js", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.environ = {"FOLDER": str(folder), "PORTS": self._process.stdout.readline()}
        self.ports = json.loads(self.environ["PORTS"])

    def close(self):
        self._process.communicate(timeout=PATIENCE_S)


def on_node(program, environ):
    """Run a program on plain Node; return what it printed, and its errors."""
    return _run([node(), HERE / program], environ)


def on_device(program, environ):
    """Run a program on a device; return what it printed, and its errors."""
    return _run([sys.executable, "-m", "tessel", "run", HERE / program], environ)


def _run(command, environ):
    done = subprocess.run(
        command,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.stdout, done.stderr
