"""Byte sequences for an HTTP server or client, and the events that the device's programs get.

`http_bytes.js` gives the same bytes to a real Node.
"""

import re

from support.fake_board import powered_board, record
from tessel.node import http

HOST = "Host: a\r\n"
GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"
POST = f"POST / HTTP/1.1\r\n{HOST}"
TE = "Transfer-Encoding: chunked\r\n"
CHUNKED = f"{POST}{TE}\r\n"
OK = "HTTP/1.1 200 OK\r\n"
THREE = "Content-Length: 3\r\n\r\nabc"

SERVER = {
    "plain": GET,
    "empty lines before a request": f"\r\n\r\n{GET}",
    "a bare line feed before a request": f"\n{GET}",
    "empty lines between requests": f"{POST}{THREE}\r\n\r\n{GET}",
    "a pipeline": f"{GET}{POST}{THREE}{GET}",
    "bare line feeds": "GET / HTTP/1.1\nHost: a\n\n",
    "a bare line feed behind a header": "GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n",
    "spaces around values": "GET / HTTP/1.1\r\nHost:a  \r\nX:\r\nY: \r\nZ:\t1\t\r\n\r\n",
    "a space before the colon": "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a folded header": f"GET / HTTP/1.1\r\n{HOST}A: b\r\n c\r\n\r\n",
    "a header without a name": f"GET / HTTP/1.1\r\n{HOST}: b\r\n\r\n",
    "a header without a colon": f"GET / HTTP/1.1\r\n{HOST}nonsense\r\n\r\n",
    "a zero byte in a header": f"GET / HTTP/1.1\r\n{HOST}X: a\0b\r\n\r\n",
    "latin-1 in a header": f"GET / HTTP/1.1\r\n{HOST}X: \xe9\r\n\r\n",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "two hosts": f"GET / HTTP/1.1\r\n{HOST}Host: b\r\n\r\n",
    "HTTP/1.0": "GET / HTTP/1.0\r\n\r\n",
    "HTTP/1.0 kept alive": f"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n{GET}",
    "HTTP/0.9": "GET /\r\n\r\n",
    "HTTP/1.2": f"GET / HTTP/1.2\r\n{HOST}\r\n",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "a request that closes": f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    "gzip, chunked": f"{POST}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "gzip": f"{POST}Transfer-Encoding: gzip\r\n\r\nabc",
    "chunked, gzip": f"{POST}Transfer-Encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunked in capitals": f"{POST}Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "a long chunk size": f"{CHUNKED}{'0' * 40}3\r\nabc\r\n0\r\n\r\n",
    "a chunk size too large": f"{CHUNKED}{'f' * 17}\r\nabc\r\n0\r\n\r\n",
    "a malformed chunk size": f"{CHUNKED}zz\r\nabc\r\n0\r\n\r\n",
    "a negative chunk size": f"{CHUNKED}-3\r\nabc\r\n0\r\n\r\n",
    "a space behind a chunk size": f"{CHUNKED}3 \r\nabc\r\n0\r\n\r\n",
    "chunk extensions": f'{CHUNKED}3;a;b=c;d="e f"\r\nabc\r\n0;g\r\n\r\n',
    "a chunk longer than its size": f"{CHUNKED}3\r\nabcd\r\n0\r\n\r\n",
    "bare line feeds in chunks": f"{CHUNKED}3\nabc\n0\n\n",
    "trailers": f"{CHUNKED}3\r\nabc\r\n0\r\nA: b\r\nC:\r\n\r\n",
    "a malformed trailer": f"{CHUNKED}3\r\nabc\r\n0\r\nA b\r\n\r\n",
    "two lengths": f"{POST}Content-Length: 3\r\n{THREE}",
    "two different lengths": f"{POST}Content-Length: 4\r\n{THREE}",
    "a list of lengths": f"{POST}Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": f"{POST}Content-Length: +3\r\n\r\nabc",
    "an empty length": f"{POST}Content-Length:\r\n\r\nabc",
    "a length too large": f"{POST}Content-Length: {'9' * 30}\r\n\r\nabc",
    "a length and chunks": f"{POST}Content-Length: 3\r\n{TE}\r\n0\r\n\r\n",
    "chunks and a length": f"{POST}{TE}Content-Length: 3\r\n\r\n0\r\n\r\n",
    "a lower-case method": f"get / HTTP/1.1\r\n{HOST}\r\n",
    "an unknown method": f"FETCH / HTTP/1.1\r\n{HOST}\r\n",
    "a method of WebDAV": f"PROPFIND / HTTP/1.1\r\n{HOST}\r\n",
    "M-SEARCH": f"M-SEARCH * HTTP/1.1\r\n{HOST}\r\n",
    "an absolute target": f"GET http://x/y?z HTTP/1.1\r\n{HOST}\r\n",
    "OPTIONS *": f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n",
    "a space in the target": f"GET /a b HTTP/1.1\r\n{HOST}\r\n",
    "latin-1 in the target": f"GET /\xe9 HTTP/1.1\r\n{HOST}\r\n",
    "two spaces": f"GET  / HTTP/1.1\r\n{HOST}\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    "SOCKS": "\x05\x01\x00",
    "CONNECT": "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nraw",
    "CONNECT without a port": f"CONNECT a HTTP/1.1\r\n{HOST}\r\n",
    "CONNECT with a path": f"CONNECT /a HTTP/1.1\r\n{HOST}\r\n",
    "upgrade": f"GET /u HTTP/1.1\r\n{HOST}Upgrade: x\r\nConnection: upgrade\r\n\r\nraw",
    "upgrade with a body": f"{POST}Upgrade: h2c\r\nConnection: upgrade\r\n{THREE}",
    "a long upgrade": (
        f"GET /u HTTP/1.1\r\n{HOST}Upgrade: x\r\nConnection: upgrade\r\nX: {'a' * 3000}\r\n\r\n"
    ),
    "an upgrade of RTSP": (
        "DESCRIBE rtsp://a/ RTSP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    ),
    "upgrade without Connection": f"GET /u HTTP/1.1\r\n{HOST}Upgrade: x\r\n\r\n",
    "expect 100-continue": f"{POST}Expect: 100-continue\r\n{THREE}",
    "an unknown expectation": f"{POST}Expect: tea\r\n{THREE}",
    "a huge header": f"GET / HTTP/1.1\r\n{HOST}X: {'a' * 20_000}\r\n\r\n",
    "a huge target": f"GET /{'a' * 20_000} HTTP/1.1\r\n{HOST}\r\n",
}

CLIENT = {
    "plain": ("GET", f"{OK}{THREE}"),
    "empty lines before the status": ("GET", f"\r\n\r\n{OK}{THREE}"),
    "no reason phrase": ("GET", f"HTTP/1.1 200\r\n{THREE}"),
    "an empty reason phrase": ("GET", f"HTTP/1.1 200 \r\n{THREE}"),
    "HTTP/1.0": ("GET", "HTTP/1.0 200 OK\r\n\r\nabc"),
    "bare line feeds": ("GET", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"),
    "a folded header": ("GET", f"{OK}A: b\r\n c\r\n{THREE}"),
    "spaces around values": ("GET", f"{OK}A:b \t\r\nC:\r\n{THREE}"),
    "until the connection ends": ("GET", f"{OK}\r\nabc"),
    "chunked": ("GET", f"{OK}Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n"),
    "gzip": ("GET", f"{OK}Transfer-Encoding: gzip\r\n\r\nabc"),
    "gzip, chunked": ("GET", f"{OK}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "a length and chunks": (
        "GET",
        f"{OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "two lengths": ("GET", f"{OK}Content-Length: 3\r\n{THREE}"),
    "a long body": ("GET", f"{OK}{THREE}defgh"),
    "HEAD with a body": ("HEAD", f"{OK}{THREE}"),
    "two responses": ("GET", f"{OK}{THREE}{OK}{THREE}"),
    "a short body": ("GET", f"{OK}Content-Length: 10\r\n\r\nabc"),
    "a short chunked body": ("GET", f"{OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    "a malformed chunk": ("GET", f"{OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"),
    "nothing": ("GET", ""),
    "a cut head": ("GET", "HTTP/1.1 200 OK\r\nCont"),
    "not HTTP": ("GET", "SSH-2.0-OpenSSH_9.9\r\n"),
    "TLS": ("GET", "\x15\x03\x01\x00\x02\x02\x50"),
    "shoutcast": ("GET", "ICY 200 OK\r\n\r\nabc"),
    "a status of four digits": ("GET", f"HTTP/1.1 1000 OK\r\n{THREE}"),
    "a huge header": ("GET", f"{OK}X: {'a' * 20_000}\r\n\r\n"),
    "informational": (
        "GET",
        f"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n{OK}{THREE}",
    ),
    "informational with a length": ("GET", f"HTTP/1.1 102 Wait\r\n{THREE}{OK}{THREE}"),
    "informational in chunks": ("GET", f"HTTP/1.1 102 Wait\r\n{TE}\r\n{OK}{THREE}"),
    "204": ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"),
    "304": ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"),
    "HEAD": ("HEAD", f"{OK}Content-Length: 3\r\n\r\n"),
    "HEAD, chunked": ("HEAD", f"{OK}Transfer-Encoding: chunked\r\n\r\n"),
    "upgrade": ("GET", "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw"),
    "101 without Upgrade": ("GET", "HTTP/1.1 101 S\r\n\r\nraw"),
    "200 with Upgrade": ("GET", f"{OK}Upgrade: x\r\nConnection: upgrade\r\n{THREE}"),
    "CONNECT": ("CONNECT", f"{OK}\r\nraw"),
    "CONNECT refused": ("CONNECT", "HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nraw"),
    "CONNECT, chunked": ("CONNECT", f"{OK}Transfer-Encoding: chunked\r\n\r\nraw"),
}


def cases():
    return {"server": SERVER, "client": CLIENT}


def on_device():
    """Return the events of the device's programs, in the format of `http_bytes.js`."""
    return {
        "server": {name: server(data, listening=True) for name, data in SERVER.items()},
        "refused": {
            name: server(data, listening=False)["statuses"] for name, data in SERVER.items()
        },
        "client": {name: client(*given) for name, given in CLIENT.items()},
    }


def server(data, *, listening):
    heard = {
        name: [] for name in ("requests", "bodies", "aborted", "errors", "switched", "statuses")
    }

    def answer(request, response):
        heard["requests"].append(
            [request.method, request.url, request.http_version, request.raw_headers]
        )
        _collect(request, heard)
        request.on("end", lambda: response.end("ok"))

    def refuse(error, socket):
        heard["errors"].append(error.code)
        socket.destroy()

    with powered_board() as board:
        site = http.create_server(answer)
        if listening:
            site.on("clientError", refuse)
            for event in ("connect", "upgrade"):
                _take_switch(site, event, heard, lambda request: request.url)
        site.listen(0)
        board.run()
        peer = board.accept()
        peer.send(data.encode("latin-1"))
        output = peer.take().decode("latin-1")
        peer.lose()
    heard["statuses"] = [int(found) for found in re.findall(r"HTTP/1\.1 (\d+)", output)]
    return heard


def client(method, data):
    heard = {
        name: [] for name in ("responses", "bodies", "aborted", "errors", "switched", "information")
    }

    def answered(response):
        heard["responses"].append(
            [
                response.status_code,
                response.status_message,
                response.http_version,
                response.raw_headers,
            ]
        )
        _collect(response, heard)

    with powered_board() as board:
        request = http.request({"host": "a", "method": method, "path": "a:1", "agent": False})
        request.on("response", answered)
        request.on("error", lambda error: heard["errors"].append(error.code))
        request.on("continue", lambda: heard["information"].append("continue"))
        request.on("information", lambda info: heard["information"].append(info.status_code))
        for event in ("connect", "upgrade"):
            _take_switch(request, event, heard, lambda response: response.status_code)
        closed = record(request.end(), "close")
        board.run()
        wire = board.attempts[0].stand()
        if data:
            wire.send(data.encode("latin-1"))
        if not wire.wire.lost:
            wire.end()
        assert closed
    return heard


def _collect(message, heard):
    body = []
    message.on("data", body.append)
    message.on(
        "end",
        lambda: heard["bodies"].append([b"".join(body).decode("latin-1"), message.raw_trailers]),
    )
    message.on("aborted", lambda: heard["aborted"].append(b"".join(body).decode("latin-1")))
    message.on("error", lambda _: None)


def _take_switch(emitter, event, heard, named):
    def take(message, socket, head):
        heard["switched"].append([event, named(message), head.decode("latin-1")])
        socket.on("error", lambda _: None)
        socket.destroy()

    emitter.on(event, take)
