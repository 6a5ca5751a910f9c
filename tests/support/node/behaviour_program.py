"""The programs of `behaviour.js` for the device: run with `tessel run`, it prints what they saw."""

import json

from tessel.errors import NodeError
from tessel.node import dgram, dns, http, net, stream, timers, tls
from tessel.node.events import EventEmitter

HOST = "127.0.0.1"
LIMIT_MS = 4000
scenarios = {}


def scenario(name):
    def keep(function):
        scenarios[name] = function
        return function

    return keep


def text(chunk):
    return chunk if isinstance(chunk, str) else bytes(chunk).decode("latin-1")


def log(emitter, seen, prefix, *events):
    def add(event):
        def hear(*args):
            error = f" {args[0].code}" if args and isinstance(args[0], NodeError) else ""
            seen.append(prefix + event + error)

        emitter.on(event, hear)

    for event in events:
        add(event)
    return emitter


def code(act):
    try:
        act()
    except NodeError as error:
        return error.code
    except Exception as error:  # noqa: BLE001 - its kind is the result
        return type(error).__name__
    return "ok"


def listen(server, then):
    server.listen(0, HOST, lambda: then(server.address()["port"]))
    return server


def js(value):
    return {None: "null", True: "true", False: "false"}.get(value, value)


def ignore(*_):
    pass


# events


@scenario("events: order of listeners")
def _(seen, done):
    one = EventEmitter()
    one.on("x", lambda: seen.append("on"))
    one.once("x", lambda: seen.append("once"))
    one.prepend_listener("x", lambda: seen.append("prepended"))
    one.on("x", lambda: one.on("x", lambda: seen.append("added meanwhile")))
    one.emit("x")
    one.emit("x")
    done()


@scenario("events: an error without a listener")
def _(seen, done):
    seen.append(code(lambda: EventEmitter().emit("error", "text")))
    done()


@scenario("events: newListener and removeListener")
def _(seen, done):
    one = EventEmitter()
    one.on("newListener", lambda name, _: seen.append(f"new {name} {one.listener_count('x')}"))
    one.on("removeListener", lambda name, _: seen.append(f"gone {name} {one.listener_count('x')}"))
    one.on("x", ignore)
    one.off("x", ignore)
    one.once("x", ignore)
    one.emit("x")
    done()


@scenario("events: wrong arguments")
def _(seen, done):
    one = EventEmitter()
    seen += [code(lambda: one.on("x", 5)), code(lambda: one.once("x", None))]
    seen.append(code(lambda: one.set_max_listeners(-1)))
    done()


# stream


class Sink(stream.Writable):
    def __init__(self, seen):
        super().__init__(high_water_mark=4)
        self.seen = seen

    def _write(self, chunk, then):
        self.seen.append(f"write {text(chunk)}")
        timers.set_immediate(then, None)


@scenario("stream: events of a readable")
def _(seen, done):
    one = stream.Readable()
    log(one, seen, "", "pause", "resume", "end", "close")
    one.on("data", lambda chunk: seen.append(f"data {text(chunk)}"))
    one.push("a")
    one.push(None)
    one.on("close", done)


@scenario("stream: text in an encoding")
def _(seen, done):
    one = stream.Readable()
    one.set_encoding("hex")
    one.on("data", seen.append)
    one.on("end", done)
    one.push(b"\xab\xcd")
    one.push(None)


@scenario("stream: unshift and read")
def _(seen, done):
    one = stream.Readable()
    one.push("bc")
    one.unshift("a")
    seen += [text(one.read(2)), text(one.read()), js(one.read())]
    done()


@scenario("stream: write and end")
def _(seen, done):
    one = Sink(seen)
    log(one, seen, "", "drain", "finish", "close", "error")
    seen.append(js(one.write("ab", lambda *_: seen.append("written"))))
    seen.append(js(one.write("cdef")))
    one.end("g", lambda *_: seen.append("ended"))
    one.on("close", done)


@scenario("stream: write after end")
def _(seen, done):
    one = Sink(seen)
    log(one, seen, "", "finish", "close", "error")
    one.end()
    one.write("a", lambda error: seen.append(f"callback {error.code}"))
    one.on("close", done)


@scenario("stream: end twice")
def _(seen, done):
    one = Sink(seen)
    log(one, seen, "", "finish", "error")
    one.end()
    one.end(lambda error=None: seen.append(f"callback {error.code if error else 'null'}"))
    one.on("close", done)


@scenario("stream: wrong chunks")
def _(seen, done):
    one = Sink(seen)
    seen += [code(lambda: one.write(None)), code(lambda: one.write(5))]
    seen.append(code(lambda: one.write("a", "nonsense")))
    done()


@scenario("stream: destroy")
def _(seen, done):
    one = Sink(seen)
    log(one, seen, "", "finish", "error", "close")
    one.write("a", lambda error=None: seen.append(f"callback {error.code if error else 'null'}"))
    one.destroy(NodeError("x", "EX"))
    one.write("b", lambda error: seen.append(f"later {error.code}"))
    one.on("close", done)


@scenario("stream: pipe")
def _(seen, done):
    source, to = stream.Readable(), Sink(seen)
    log(to, seen, "", "pipe", "unpipe", "finish")
    seen.append(js(source.pipe(to) is to))
    source.push("ab")
    source.push(None)
    to.on("close", done)


# timers


@scenario("timers: order")
def _(seen, done):
    def order():
        timers.set_immediate(lambda: seen.append("immediate"))
        timers.next_tick(lambda: seen.append("tick"))
        timers.set_timeout(lambda: (seen.append("timeout"), done()), 300)
        seen.append("now")

    timers.set_timeout(order, 300)  # when all scenarios are under way


@scenario("timers: an interval that clears itself")
def _(seen, done):
    def tick(word):
        seen.append(word)
        if len(seen) == 2:
            timers.clear_interval(timer)
            timers.set_timeout(done, 30)

    timer = timers.set_interval(tick, 5, "x")


# net


@scenario("net: refused")
def _(seen, done):
    def connect(port):
        one = log(net.connect(port, HOST), seen, "", "lookup", "connect", "ready", "error")
        one.on("close", lambda had: (seen.append(f"close {js(had)}"), done()))

    gone = listen(net.create_server(), lambda port: gone.close(lambda *_: connect(port)))


@scenario("net: events of a connection")
def _(seen, done):
    def serve(peer):
        log(peer, seen, "server ", "end", "finish", "close")
        peer.on("data", lambda data: (seen.append(f"server {text(data)}"), peer.end("bye")))

    def connect(port):
        one = log(net.connect(port, HOST), seen, "", "connect", "ready", "end", "finish")
        seen.append(one.ready_state)
        one.on("connect", lambda: (seen.append(one.ready_state), one.write("hi")))
        one.on("data", lambda data: seen.append(text(data)))
        one.on("close", lambda _: (seen.append(one.ready_state), server.close(done)))

    server = listen(net.create_server(serve), connect)


@scenario("net: half open")
def _(seen, done):
    def serve(peer):
        peer.on("end", lambda: (seen.append("server end"), peer.end("after")))
        peer.resume()

    def connect(port):
        one = net.connect(port, HOST)
        one.end("hi")
        one.on("data", lambda data: seen.append(text(data)))
        one.on("close", lambda _: server.close(done))

    server = listen(net.create_server({"allow_half_open": True}, serve), connect)


@scenario("net: write after end")
def _(seen, done):
    def connect(port):
        one = log(net.connect(port, HOST), seen, "", "error")
        one.on(
            "connect",
            lambda: (one.end(), one.write("x", lambda e: seen.append(f"callback {e.code}"))),
        )
        one.on("close", lambda had: (seen.append(f"close {js(had)}"), server.close(done)))

    server = listen(net.create_server(lambda peer: peer.resume()), connect)


@scenario("net: destroy while connecting")
def _(seen, done):
    def connect(port):
        one = log(net.connect(port, HOST), seen, "", "connect", "error")
        one.destroy()
        seen.append(f"{js(one.destroyed)} {js(one.connecting)}")
        one.on("close", lambda had: (seen.append(f"close {js(had)}"), server.close(done)))

    server = listen(net.create_server(lambda peer: peer.resume().on("error", ignore)), connect)


@scenario("net: timeout")
def _(seen, done):
    def connect(port):
        one = log(net.connect(port, HOST), seen, "", "timeout")
        one.set_timeout(30, lambda: (seen.append(js(one.destroyed)), one.set_timeout(0), one.end()))
        one.on("close", lambda _: server.close(done))

    server = listen(net.create_server(lambda peer: peer.resume()), connect)


@scenario("net: a reset")
def _(seen, done):
    def connect(port):
        one = log(net.connect(port, HOST), seen, "", "end", "error")
        one.write("x")
        one.on("data", ignore)
        one.on("close", lambda had: (seen.append(f"close {js(had)}"), server.close(done)))

    server = listen(
        net.create_server(lambda peer: peer.on("data", lambda _: peer.reset_and_destroy())), connect
    )


@scenario("net: servers that cannot listen")
def _(seen, done):
    def again(port):
        seen.append(code(lambda: first.listen(0)))
        second = log(net.create_server(), seen, "", "error")
        second.listen(port, HOST)
        second.on(
            "error",
            lambda _: second.close(lambda error: (seen.append(error.code), first.close(done))),
        )

    first = listen(net.create_server(), again)


@scenario("net: connections past the limit")
def _(seen, done):
    def limited(port):
        server.max_connections = 1

        def another():
            def over(_):
                first.end()
                server.close(lambda *_: (seen.append("closed"), done()))

            net.connect(port, HOST).resume().on("close", over)

        first = net.connect(port, HOST, another)

    server = listen(log(net.create_server(lambda peer: peer.resume()), seen, "", "drop"), limited)


@scenario("net: wrong arguments")
def _(seen, done):
    for given in (
        {"port": 65536},
        {"port": -1},
        {"port": "x"},
        {"port": 1, "host": 5},
        {},
        {"port": 1, "timeout": "x"},
    ):
        seen.append(code(lambda given=given: net.connect(given).on("error", ignore).destroy()))
    seen.append(code(lambda: net.create_server().listen(70000)))
    done()


@scenario("net: addresses")
def _(seen, done):
    seen += [net.is_ip("1.2.3.4"), net.is_ip("::1"), net.is_ip("x")]
    seen += [net.is_ipv4("1.2.3"), net.is_ipv6("::ffff:1.2.3.4")]

    def connect(port):
        where = server.address()
        seen.extend([where["family"], where["address"], server.listening])
        one = net.connect(
            port,
            HOST,
            lambda: seen.extend([one.remote_address, one.remote_family, one.local_address]),
        )
        one.resume().on("close", lambda _: server.close(over))

    def over(*_):
        seen.extend([server.address(), server.listening])
        done()

    server = listen(net.create_server(lambda peer: peer.end()), connect)


# tls


@scenario("tls: a server that speaks no TLS")
def _(seen, done):
    def connect(port):
        one = log(tls.connect(port, HOST), seen, "", "connect", "secureConnect", "end", "error")
        one.on("close", lambda had: (seen.append(f"close {js(had)}"), server.close(), done()))

    server = listen(
        net.create_server(lambda peer: peer.on("error", ignore).end("hello, this is plain text")),
        connect,
    )


# dgram


@scenario("dgram: a message")
def _(seen, done):
    one = log(dgram.create_socket("udp4"), seen, "", "listening", "close")

    def hear(data, source):
        seen.extend([text(data), source["address"], source["family"], source["size"]])

    def sent(error, size):
        seen.append(f"sent {js(error)} {size}")
        one.close(done)

    def send():
        seen.append(one.address()["family"])
        one.send(
            "hello",
            one.address()["port"],
            HOST,
            lambda error, size=None: timers.set_timeout(sent, 100, error, size),
        )

    one.on("message", hear)
    one.bind(0, HOST, send)


@scenario("dgram: wrong uses")
def _(seen, done):
    seen.append(code(lambda: dgram.create_socket("udp5")))
    one = dgram.create_socket("udp4")
    seen.append(code(one.address))
    seen += [code(lambda: one.send("x", 70000, HOST)), code(lambda: one.send(5, 1, HOST))]

    def bound():
        seen.extend([code(lambda: one.bind(0)), code(lambda: one.set_ttl(0)), code(one.disconnect)])
        one.close()
        seen.extend([code(one.close), code(lambda: one.send("x", 1, HOST))])
        done()

    one.bind(0, HOST, bound)


# dns


@scenario("dns: addresses")
def _(seen, done):
    def first(error, address, family):
        seen.extend([error, address, family])
        dns.lookup("::1", {"all": True}, second)

    def second(error, found):
        seen.extend([error, *(f"{one['address']} {one['family']}" for one in found)])
        done()

    dns.lookup("127.0.0.1", first)


@scenario("dns: wrong arguments")
def _(seen, done):
    seen += [code(lambda: dns.lookup("a")), code(lambda: dns.lookup(5, ignore))]
    seen += [code(lambda: dns.lookup("a", {"family": 5}, ignore))]
    seen.append(code(lambda: dns.lookup("a", 5, ignore)))
    done()


# http

QUICK = {"agent": False, "host": HOST}


def serve(listener, then):
    return listen(http.create_server(listener), then)


def resume(response):
    return response.resume()


def without_port(raw):
    head, _, tail = raw.rpartition(":")
    return head if tail.isdigit() and head else raw


@scenario("http: headers of a request")
def _(seen, done):
    def answer(request, response):
        seen.extend(map(without_port, request.raw_headers))
        response.end()
        server.close(done)

    def ask(port):
        options = {"port": port, **QUICK, "headers": {"X-A": ["1", "2"]}}
        http.get(options).on("response", resume)

    server = serve(answer, ask)


@scenario("http: headers of a request with a body")
def _(seen, done):
    def answer(request, response):
        seen.extend(map(without_port, request.raw_headers))
        response.end()
        server.close(done)

    def ask(port):
        request = http.request({"port": port, **QUICK, "method": "POST"}).on("response", resume)
        request.write("a")
        request.end()

    server = serve(answer, ask)


@scenario("http: headers of a response")
def _(seen, done):
    def ask(port):
        http.get({"port": port, **QUICK, "headers": {"Connection": "keep-alive"}}, answered)

    def answered(response):
        seen.extend(response.raw_headers[::2])
        response.resume().on("end", lambda: (server.close(done), server.close_all_connections()))

    server = serve(lambda request, response: response.end("ok"), ask)


@scenario("http: events of an exchange")
def _(seen, done):
    def answer(request, response):
        log(request, seen, "server request ", "end", "close")
        log(response, seen, "server response ", "finish", "close")
        request.on("data", lambda data: seen.append(f"server {text(data)}"))
        request.on("end", lambda: response.end("ok"))

    def answered(response):
        seen.extend([response.status_code, response.status_message])
        log(response, seen, "response ", "end")
        response.on("data", lambda data: seen.append(text(data)))

    def ask(port):
        request = log(http.request({"port": port, **QUICK, "method": "POST"}), seen, "", "finish")
        request.on("response", answered)
        request.on("close", lambda: timers.set_timeout(server.close, 50, done))
        request.end("hi")

    server = serve(answer, ask)


@scenario("http: invalid requests")
def _(seen, done):
    for given in (
        "nonsense",
        "ftp://a/",
        {"method": "GET /"},
        {"path": "/a b"},
        {"headers": {"a b": "1"}},
        {"headers": {"a": "b\n"}},
        {"headers": {"a": None}},
        {"agent": "x"},
        {"method": 5},
        {"hostname": 5},
    ):
        seen.append(code(lambda given=given: http.request(given).on("error", ignore).destroy()))
    done()


@scenario("http: invalid uses of a response")
def _(seen, done):
    def answer(request, response):
        for status in (99, 1000, "x"):
            seen.append(code(lambda status=status: response.write_head(status)))
        seen.append(code(lambda: response.set_header("a", None)))
        seen.append(code(lambda: response.set_header("a b", 1)))
        seen.append(code(lambda: response.write_head(200, "a\n")))
        seen.extend([code(lambda: response.write(5)), code(lambda: response.write(None))])
        response.status_code, response.status_message = 200, "OK"
        response.write("a")
        seen.append(code(lambda: response.set_header("a", 1)))
        seen.append(code(lambda: response.write_head(200)))
        seen.append(code(lambda: response.remove_header("a")))
        response.on("error", lambda error: seen.append(error.code))
        response.end()
        response.write("b", lambda error: seen.append(f"callback {error.code}"))
        server.close(done)

    server = serve(answer, lambda port: http.get({"port": port, **QUICK}, resume))


@scenario("http: abort in the queue")
def _(seen, done):
    def ask(port):
        agent = http.Agent({"max_sockets": 1})
        http.get({"port": port, "host": HOST, "agent": agent}, resume)
        second = http.get({"port": port, "host": HOST, "agent": agent})
        log(second, seen, "", "abort", "error", "close")
        second.abort()
        timers.set_timeout(server.close, 100, done)

    server = serve(lambda request, response: timers.set_timeout(response.end, 30), ask)


def broken_off(how):
    @scenario(f"http: {how} before the response")
    def _(seen, done):
        def ask(port):
            request = log(http.get({"port": port, **QUICK}), seen, "", "abort", "error", "close")
            timers.set_timeout(getattr(request, how), 30)
            request.on("close", lambda: (server.close(done), server.close_all_connections()))

        server = serve(ignore, ask)

    @scenario(f"http: {how} within the response")
    def _(seen, done):
        def ask(port):
            request = log(http.get({"port": port, **QUICK}), seen, "", "abort", "error")

            def close():
                server.close(done)
                server.close_all_connections()

            def answered(response):
                log(response, seen, "response ", "aborted", "end", "error", "close")
                response.on("data", lambda _: getattr(request, how)())
                response.on("close", lambda: timers.set_timeout(close, 30))

            request.on("response", answered)

        server = serve(
            lambda request, response: response.on("error", ignore).write("a"),
            ask,
        )


broken_off("abort")
broken_off("destroy")


@scenario("http: a server that goes away")
def _(seen, done):
    def answer(request, response):
        response.write("a")
        timers.set_timeout(response.destroy, 30)

    def ask(port):
        request = log(http.get({"port": port, **QUICK}), seen, "", "error")

        def answered(response):
            log(response.resume(), seen, "response ", "aborted", "end", "error", "close")
            response.on(
                "close",
                lambda: (seen.extend([response.complete, response.aborted]), server.close(done)),
            )

        request.on("response", answered)

    server = serve(answer, ask)


@scenario("http: a response shorter than its length")
def _(seen, done):
    def ask(port):
        request = log(http.get({"port": port, **QUICK}), seen, "", "error")

        def answered(response):
            log(response.resume(), seen, "response ", "aborted", "end", "error", "close")
            response.on("close", lambda: server.close(done))

        request.on("response", answered)

    server = serve(
        lambda request, response: response.set_header("Content-Length", 10).end("short"), ask
    )


@scenario("http: a timeout")
def _(seen, done):
    def ask(port):
        request = http.get({"port": port, **QUICK, "timeout": 30})
        log(request, seen, "", "timeout", "error", "close")
        request.on("timeout", request.destroy)
        request.on("close", lambda: (server.close(done), server.close_all_connections()))

    server = serve(ignore, ask)


@scenario("http: a connection used again")
def _(seen, done):
    def ask(port):
        agent = http.Agent({"keep_alive": True})

        def get(then):
            def answered(response):
                response.resume().on("close", lambda: timers.set_timeout(then, 20))

            request = http.get({"port": port, "host": HOST, "agent": agent}, answered)
            request.on("socket", lambda _: seen.append(request.reused_socket))

        get(lambda: get(lambda: (agent.destroy(), server.close(done))))

    server = serve(lambda request, response: response.end("ok"), ask)


@scenario("http: expect")
def _(seen, done):
    def answer(request, response):
        request.resume().on("end", response.end)

    def check(request, response):
        seen.append("checkContinue")
        response.write_continue()
        server.emit("request", request, response)

    def ask(port):
        server.on("checkContinue", check)
        headers = {"Expect": "100-continue"}
        request = http.request({"port": port, **QUICK, "method": "POST", "headers": headers})
        log(request, seen, "", "continue")
        request.on("information", lambda info: seen.append(info.status_code))
        request.on("continue", lambda: request.end("body"))
        request.on(
            "response",
            lambda response: (
                seen.append(response.status_code),
                response.resume(),
                server.close(done),
            ),
        )
        request.flush_headers()

    server = serve(answer, ask)


@scenario("http: a program of a server that answers late")
def _(seen, done):
    def answer(request, response):
        timers.set_timeout(lambda: response.end("late", lambda *_: seen.append("ended")), 300)
        response.on("close", lambda: (seen.append("close"), server.close(done)))
        request.on("aborted", lambda: seen.append("aborted"))

    def ask(port):
        request = http.get({"port": port, **QUICK}).on("error", ignore)
        timers.set_timeout(request.destroy, 150)

    server = serve(answer, ask)


@scenario("http: closing a server")
def _(seen, done):
    def answer(request, response):
        server.close(lambda *_: (seen.append("closed"), done()))
        timers.set_timeout(lambda: response.end("ok", lambda *_: seen.append("ended")), 30)

    server = serve(answer, lambda port: http.get({"port": port, **QUICK}, resume))


def main():
    results = {}
    open_still = set(scenarios)

    def over(name):
        open_still.discard(name)
        if not open_still:
            print(json.dumps(results), flush=True)  # noqa: T201 - its result
            raise SystemExit

    def run(name):
        seen = results[name] = []

        def late():
            seen.append("(never done)")
            over(name)

        limit = timers.set_timeout(late, LIMIT_MS)

        def done(*_):
            def settle():
                limit.close()
                over(name)

            timers.set_timeout(settle, 20)

        scenarios[name](seen, done)

    for name in scenarios:
        run(name)


main()
