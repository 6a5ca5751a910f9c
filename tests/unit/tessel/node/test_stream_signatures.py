"""The forms in which a stream's methods may be called, and that every callback is called once."""

import pytest
from twisted.internet.defer import Deferred

from support.fake_board import record
from tessel.errors import NodeError
from tessel.node.stream import Duplex, Readable, Writable


class Sink(Writable):
    def __init__(self):
        super().__init__()
        self.taken = []
        self.waiting = None
        self.slow = False

    def _write(self, chunk, done):
        self.taken.append(chunk)
        if self.slow:
            self.waiting = done
        else:
            done(None)


class Source(Readable):
    def _read(self):
        pass


@pytest.fixture
def told():
    return []


@pytest.mark.parametrize(
    "args",
    [
        ("ff00", "hex"),
        ("/wA=", "base64"),
        ("ÿ\0", "latin1"),
        (b"\xff\0", "utf8"),
        ("ÿ\0", "BINARY"),
    ],
)
@pytest.mark.parametrize("method", ["write", "end"])
def test_write_and_end_take_an_encoding_and_a_callback(board, told, method, args):
    sink = Sink()
    getattr(sink, method)(*args, lambda *given: told.append(given))
    assert told == []
    board.run()

    assert sink.taken == [b"\xff\0"]
    assert told == [()]


@pytest.mark.parametrize("args", [(), ("x",), ("x", "utf8"), (None,), (None, None)])
def test_end_takes_its_callback_last(board, told, args):
    sink = Sink()
    heard = record(sink, "finish")
    sink.end(*args, lambda *given: told.append(given))
    board.run()

    assert told == [()]
    assert heard == [("finish",)]


def test_write_takes_a_callback_in_place_of_the_encoding(board, told):
    Sink().write("x", lambda *given: told.append(given))
    board.run()

    assert told == [()]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((None,), "ERR_STREAM_NULL_VALUES"),
        ((5,), "ERR_INVALID_ARG_TYPE"),
        (("x", "utf-7"), "ERR_UNKNOWN_ENCODING"),
        (("x", 5), "ERR_INVALID_ARG_TYPE"),
        (("x", "hex", 5), "ERR_INVALID_ARG_TYPE"),
    ],
)
def test_wrong_arguments_are_raised_where_they_are_passed(board, args, code):
    with pytest.raises(NodeError) as raised:
        Sink().write(*args)

    assert raised.value.code == code


def test_the_encoding_of_text_may_be_set_once(board):
    sink = Sink()
    sink.set_default_encoding("hex").write("6869")
    with pytest.raises(NodeError):
        sink.set_default_encoding("no")

    assert sink.taken == [b"hi"]


def test_a_corked_stream_hands_its_chunks_on_as_one(board):
    sink = Sink()
    sink.cork()
    sink.cork()
    sink.write("a")
    sink.write("b")
    sink.uncork()
    assert (sink.taken, sink.writable_corked) == ([], 1)
    sink.uncork()
    sink.uncork()

    assert sink.taken == [b"ab"]


def test_end_undoes_cork(board):
    sink = Sink()
    heard = record(sink, "finish")
    sink.cork()
    sink.end("a")
    board.run()

    assert sink.taken == [b"a"]
    assert heard == [("finish",)]


def test_callbacks_of_end_are_called_when_it_is_destroyed_before(board, told):
    sink = Sink()
    sink.slow = True
    sink.write("a", lambda *given: told.append(("write", *given)))
    sink.write("b", lambda *given: told.append(("write", *given)))
    sink.end(lambda *given: told.append(("end", *given)))
    sink.destroy()
    assert told == []
    board.run()

    assert [(name, error.code) for name, error in told] == [
        ("write", "ERR_STREAM_DESTROYED"),
        ("write", "ERR_STREAM_DESTROYED"),
        ("end", "ERR_STREAM_DESTROYED"),
    ]


def test_a_second_end_gets_the_outcome_of_the_first(board, told):
    sink = Sink()
    sink.slow = True
    sink.end("x", lambda *given: told.append(given))
    sink.end(lambda *given: told.append(given))
    board.run()
    assert told == []
    sink.waiting(None)
    board.run()
    assert told == [(), ()]
    sink.end(lambda error: told.append(error.code))
    board.run()

    assert told[2:] == ["ERR_STREAM_ALREADY_FINISHED"]


def test_end_of_a_destroyed_stream_is_reported(board, told):
    sink = Sink().destroy()
    sink.end(lambda error: told.append(error.code))
    board.run()

    assert told == ["ERR_STREAM_DESTROYED"]
    assert sink.writable_aborted


def test_a_set_encoding_gives_text_though_characters_are_cut(board):
    source = Source()
    heard = record(source, "data")
    source.set_encoding("utf16le")
    for byte in "😀".encode("utf-16-le"):
        source.push(bytes([byte]))
    board.run()

    assert (
        "".join(chunk for _, chunk in heard).encode("utf-16", "surrogatepass").decode("utf-16")
        == "😀"
    )
    assert source.readable_encoding == "utf16le"


def test_an_encoding_that_there_is_not_is_raised_where_it_is_set(board):
    with pytest.raises(NodeError, match="Unknown encoding"):
        Source().set_encoding("klingon")


@pytest.mark.parametrize("flowing", [False, True])
def test_what_is_put_back_is_read_first(board, flowing):
    source = Source()
    source.push(b"bc")
    source.unshift("61", "hex")
    source.push(None)
    heard = record(source, "data" if flowing else "readable", "end")
    if not flowing:
        assert source.read() == b"abc"
    board.run()

    assert heard[-1] == ("end",)
    if flowing:
        assert b"".join(chunk for _, chunk in heard[:-1]) == b"abc"
    assert source.unshift(b"x") is False


def test_what_is_put_back_by_the_last_listener_is_read_before_the_end(board):
    source = Source()
    heard = []

    def first(chunk):
        source.off("data", first)
        source.pause()
        source.unshift(chunk[1:])
        source.on("data", lambda rest: heard.append(("data", rest)))
        source.resume()

    source.on("data", first)
    source.on("end", lambda: heard.append(("end",)))
    source.push(b"head+rest")
    source.push(None)
    board.run()

    assert heard == [("data", b"ead+rest"), ("end",)]


def test_what_is_put_back_is_text_where_an_encoding_is_set(board):
    source = Source()
    source.set_encoding("utf8")
    source.push("b")
    source.unshift(b"a")

    assert source.unshift(None) is False
    assert source.read() == "ab"
    assert source.readable_did_read


def test_a_stream_can_be_looped_over(board):
    source = Source()
    got = []

    async def loop():
        got.extend([chunk async for chunk in source])
        got.append("over")

    Deferred.fromCoroutine(loop())
    source.push(b"a")
    board.run()
    source.push(b"b")
    source.push(None)
    board.run()

    assert got == [b"a", b"b", "over"]


@pytest.mark.parametrize(
    ("fault", "code"), [(None, "ERR_STREAM_PREMATURE_CLOSE"), (NodeError("x", "EX"), "EX")]
)
def test_a_loop_over_a_stream_that_breaks_off_is_notified(board, fault, code):
    source = Source()
    told = []

    async def loop():
        try:
            async for _ in source:
                pass
        except NodeError as error:
            told.append(error.code)

    Deferred.fromCoroutine(loop())
    board.run()
    source.destroy(fault)
    board.run()

    assert told == [code]
    assert source.readable_aborted


def test_resume_is_reported_on_a_later_tick(board):
    source = Source()
    heard = record(source, "resume")
    source.resume()
    assert heard == []
    board.run()

    assert heard == [("resume",)]


def test_both_halves_take_encodings(board):
    class Echo(Duplex):
        def _write(self, chunk, done):
            self.push(chunk)
            done(None)

    echo = Echo()
    heard = record(echo.set_encoding("hex"), "data")
    echo.write("hi", "latin1")
    board.run()

    assert heard == [("data", "6869")]


def test_a_callback_may_leave_the_error_out_or_require_it(board, told):
    def plain():
        told.append("plain")

    def with_error(error):
        told.append(error)

    for sink in (Sink(), Sink()):
        sink.write("a", plain)
        sink.write("b", with_error)
        sink.end(plain)
        sink.end(with_error)
        sink.end(told.append)  # one that Python cannot look into, or must not
        board.run()
        sink.destroy()
        sink.write("c", plain)
        sink.end(plain)
        board.run()

    once = ["plain", None, "plain", None, None, "plain", "plain"]
    assert told == once * 2
