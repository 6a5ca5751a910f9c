"""TLS connections of a whole program: how they may end, and which names a certificate may have.

The results are those of Node 20 against the same server.
"""

import contextlib
import datetime as dt
import json
import socket
import ssl
import struct
import subprocess
import sys
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PROGRAM = """
import json, sys
from tessel import tls, http, https

port, ca, how = int(sys.argv[1]), open(sys.argv[2]).read(), sys.argv[3]
told = []
if how == "tls":
    socket = tls.connect({"port": port, "host": "localhost", "ca": ca})
    socket.on("secureConnect", lambda: told.append("secureConnect"))
    socket.on("data", lambda data: told.append(data.decode()))
    socket.on("end", lambda: told.append("end"))
    socket.on("error", lambda error: told.append(error.code))
    socket.on("close", lambda failed: print(json.dumps([*told, failed])))
    socket.write("GET / HTTP/1.1\\r\\n\\r\\n")
else:
    def answered(response):
        response.on("data", lambda data: told.append(data.decode()))
        response.on("error", lambda error: told.append(error.code))
        response.on("close", lambda *_: print(json.dumps([*told, response.complete])))
    https.get({"port": port, "host": "localhost", "ca": ca, "agent": False}, answered)
"""


def certificate(folder, common_name, dns=None):
    """A certificate that signed itself; its path, and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if dns is not None:
        names = x509.SubjectAlternativeName([x509.DNSName(one) for one in dns])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(key, SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


def serve(listening, context, answer, ending):
    """One connection: read a request, answer it, end as asked."""
    raw, _ = listening.accept()
    with contextlib.suppress(OSError):
        secured = context.wrap_socket(raw, server_side=True)
        secured.recv(4096)
        secured.sendall(answer)
        if ending == "close_notify":
            secured.unwrap()
        elif ending == "reset":
            linger = struct.pack("ii", 1, 0)
            secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        secured.close()


def run(folder, files, how, answer=b"hello", ending="fin"):
    (folder / "program.py").write_text(PROGRAM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(
            target=serve, args=(listening, context, answer, ending), daemon=True
        )
        serving.start()
        port = listening.getsockname()[1]
        command = [sys.executable, "-m", "tessel", "run", str(folder / "program.py")]
        ran = subprocess.run(
            [*command, str(port), str(files[0]), how],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        serving.join(10)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def files(tmp_path):
    return certificate(tmp_path, "test", ["localhost"])


@pytest.mark.parametrize("ending", ["fin", "close_notify"])
def test_a_fin_without_close_notify_is_an_end_as_in_node(tmp_path, files, ending):
    told = run(tmp_path, files, "tls", ending=ending)

    assert told == ["secureConnect", "hello", "end", False]


def test_a_reset_is_an_error(tmp_path, files):
    told = run(tmp_path, files, "tls", ending="reset")

    assert told[0] == "secureConnect"
    assert told[-2:] == ["ECONNRESET", True]


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (HEAD + b"\r\nbody", ["body", True]),  # its end is the connection's
        (HEAD + b"Content-Length: 9\r\n\r\nbody", ["body", "ECONNRESET", False]),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", ["body", "ECONNRESET", False]),
    ],
    ids=["till the end", "length", "chunked"],
)
def test_a_body_is_whole_if_its_own_length_says_so(tmp_path, files, answer, told):
    assert run(tmp_path, files, "https", answer) == told


@pytest.mark.parametrize(
    ("common_name", "dns", "told"),
    [
        ("localhost", None, ["secureConnect", "hello", "end", False]),
        ("LOCALHOST", None, ["secureConnect", "hello", "end", False]),
        ("other.example", None, ["ERR_TLS_CERT_ALTNAME_INVALID", True]),
        ("localhost", ["other.example"], ["ERR_TLS_CERT_ALTNAME_INVALID", True]),
        ("no name at all", None, ["ERR_TLS_CERT_ALTNAME_INVALID", True]),
    ],
)
def test_a_common_name_counts_where_there_is_no_other(tmp_path, common_name, dns, told):
    assert run(tmp_path, certificate(tmp_path, common_name, dns), "tls") == told
