"""Readable, Writable, Duplex: flow, back pressure, and one end told once."""

import pytest

from support.fake_board import powered_board, record
from tessel.errors import NodeError
from tessel.node.stream import Duplex, Readable, Writable


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


class Source(Readable):
    """Counts how often it is asked for more."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = 0

    def _read(self):
        self.asked += 1


class Sink(Writable):
    """Takes one chunk at a time, when the test calls it."""

    def __init__(self, at_once=True, **options):
        super().__init__(**options)
        self.taken = []
        self.at_once = at_once
        self.waiting = None
        self.final_error = None

    def _write(self, chunk, done):
        self.taken.append(chunk)
        if self.at_once:
            done(None)
        else:
            self.waiting = done

    def take(self, error=None):
        done, self.waiting = self.waiting, None
        done(error)

    def _final(self, done):
        done(self.final_error)


class TestReadable:
    def test_nothing_flows_before_somebody_listens(self, board):
        source = Source()
        assert source.push(b"a") is True
        source.push(None)
        heard = record(source, "end")
        board.run()
        assert (heard, source.readable_length, source.readable_flowing) == ([], 1, None)

    def test_what_was_held_comes_first_then_the_end_then_close(self, board):
        source = Source()
        source.push(b"a")
        heard = record(source, "data", "end", "close")
        source.push(b"b")
        source.push(None)
        board.run()
        assert heard == [("data", b"a"), ("data", b"b"), ("end",), ("close",)]
        assert source.readable_ended
        assert not source.readable

    def test_a_flowing_stream_hands_on_at_once(self, board):
        source = Source()
        heard = record(source, "data")
        board.run()
        source.push(b"a")
        assert heard == [("data", b"a")]

    def test_a_full_stream_asks_its_source_to_stop_and_later_to_go_on(self, board):
        source = Source(high_water_mark=4)
        assert source.push(b"abc") is True
        assert source.push(b"d") is False
        heard = record(source, "data")
        board.run()
        assert heard == [("data", b"abc"), ("data", b"d")]
        assert source.asked == 1

    def test_a_paused_stream_holds(self, board):
        source = Source(high_water_mark=2)
        heard = record(source, "data", "pause", "resume", "end")
        board.run()
        source.pause().pause()
        assert source.is_paused()
        assert source.push(b"ab") is False
        source.push(None)
        board.run()
        assert heard == [("resume",), ("pause",)]  # `resume` comes on a later tick, as in Node
        source.resume()
        board.run()
        assert heard[2:] == [("resume",), ("data", b"ab"), ("end",)]

    def test_a_listener_may_pause_in_the_middle(self, board):
        source = Source()
        source.push(b"a")
        source.push(b"b")
        heard = []
        source.on("data", lambda chunk: (heard.append(chunk), source.pause()))
        board.run()
        assert heard == [b"a"]

    def test_data_listeners_do_not_start_a_paused_stream(self, board):
        source = Source()
        source.pause()
        source.push(b"a")
        heard = record(source, "data")
        board.run()
        assert heard == []

    def test_readable_then_read(self, board):
        source = Source()
        read = []
        source.on("readable", lambda: read.append(source.read()))
        board.run()
        source.push(b"abc")
        source.push(b"def")
        board.run()
        assert read == [b"abcdef"]
        source.push(None)
        heard = record(source, "end")
        board.run()
        assert read == [b"abcdef", None]
        assert heard == [("end",)]

    def test_read_of_a_size(self, board):
        source = Source()
        source.push(b"abc")
        source.push(b"def")
        assert source.read(2) == b"ab"
        assert source.read(2) == b"cd"
        assert source.read(3) is None
        source.push(None)
        assert source.read(3) == b"ef"  # the rest, now that there will be no more

    def test_text_is_never_cut_inside_a_character(self, board):
        source = Source()
        source.push(b"\xc3")
        source.set_encoding()
        heard = record(source, "data")
        source.push(b"\xa4b")
        source.push("text stays text")
        source.push(b"\xc3")
        source.push(None)
        board.run()
        assert "".join(chunk for _, chunk in heard) == "äbtext stays text\ufffd"

    def test_text_can_be_read_too(self, board):
        source = Source()
        source.set_encoding()
        source.push(b"ab")
        source.push(b"cd")
        assert source.read() == "abcd"

    def test_nothing_may_be_pushed_behind_the_end_or_after_destroy(self, board):
        source = Source()
        source.push(None)
        assert source.push(b"a") is False
        other = Source()
        other.destroy()
        assert other.push(b"a") is False

    def test_empty_chunks_are_passed_over(self, board):
        source = Source()
        heard = record(source, "data")
        board.run()
        source.push(b"")
        assert heard == []

    def test_destroy_drops_what_is_held_and_reports_error_then_close(self, board):
        source = Source()
        source.push(b"a")
        heard = record(source, "data", "end", "error", "close")
        error = NodeError("gone", "EGONE")
        source.destroy(error).destroy()
        board.run()
        assert heard == [("error", error), ("close",)]
        assert source.errored is error

    def test_destroying_in_the_middle_of_the_flow_stops_it(self, board):
        source = Source()
        heard = []
        source.on("data", lambda chunk: (heard.append(chunk), source.destroy()))
        record(source, "end")
        for chunk in (b"a", b"b", None):
            source.push(chunk)
        board.run()
        assert heard == [b"a"]

    def test_destroying_between_the_end_and_its_report_leaves_close_alone(self, board):
        source = Source()
        heard = record(source, "data", "end", "close")
        board.run()
        source.push(None)
        source.destroy()
        board.run()
        assert heard == [("close",)]

    def test_nothing_is_reported_after_close(self, board):
        source = Source()
        source.destroy()
        board.run()
        heard = record(source, "data", "error")
        assert source.emit("error", "late") is False
        assert heard == []

    def test_an_error_nobody_hears_reaches_the_board_and_close_still_comes(self, board):
        source = Source()
        heard = record(source, "close")
        error = NodeError("gone", "EGONE")
        source.destroy(error)
        board.run()
        assert board.uncaught == [error]
        board.uncaught.clear()
        assert heard == [("close",)]


class TestWritable:
    def test_writes_reach_the_sink_and_their_callbacks_are_called(self, board):
        sink = Sink()
        done = []
        assert sink.write("ä", lambda: done.append(1)) is True
        sink.end(b"b", lambda: done.append("finish"))
        board.run()
        assert sink.taken == ["ä".encode(), b"b"]
        assert done == [1, "finish"]
        assert sink.writable_finished
        assert not sink.writable

    def test_what_comes_meanwhile_is_joined(self, board):
        sink = Sink(at_once=False)
        for chunk in (b"a", bytearray(b"b"), memoryview(b"c")):
            sink.write(chunk)
        assert sink.taken == [b"a"]
        sink.take()
        assert sink.taken == [b"a", b"bc"]

    def test_write_says_when_to_wait_and_drain_when_to_go_on(self, board):
        sink = Sink(at_once=False, high_water_mark=3)
        heard = record(sink, "drain")
        assert sink.write(b"ab") is True
        assert sink.write(b"c") is False
        assert sink.writable_need_drain
        sink.take()
        board.run()
        assert heard == []
        sink.take()
        board.run()
        assert heard == [("drain",)]

    def test_no_drain_after_end(self, board):
        sink = Sink(high_water_mark=1)
        heard = record(sink, "drain", "finish", "close")
        assert sink.write(b"ab") is False
        sink.end()
        board.run()
        assert heard == [("finish",), ("close",)]

    def test_end_waits_for_what_is_under_way(self, board):
        sink = Sink(at_once=False)
        heard = record(sink, "finish")
        sink.write(b"a")
        sink.end().end()
        board.run()
        assert heard == []
        sink.take()
        board.run()
        assert heard == [("finish",)]

    def test_a_write_after_end_is_an_error(self, board):
        sink = Sink(at_once=False)
        heard = record(sink, "error", "close")
        told = []
        sink.write(b"a")
        sink.end()
        assert sink.write(b"b", told.append) is False
        board.run()
        assert [event for event, *_ in heard] == ["error", "close"]
        assert heard[0][1].code == told[0].code == "ERR_STREAM_WRITE_AFTER_END"

    def test_a_write_after_destroy_notifies_its_callback_alone(self, board):
        sink = Sink()
        sink.destroy()
        told = []
        assert sink.write(b"a", told.append) is False
        assert sink.write(b"a") is False
        board.run()
        assert [error.code for error in told] == ["ERR_STREAM_DESTROYED"]

    def test_destroy_notifies_those_whose_writes_were_dropped(self, board):
        sink = Sink(at_once=False)
        told = []
        sink.write(b"a", lambda error: told.append(("a", error.code)))
        sink.write(b"b", lambda error: told.append(("b", error.code)))
        sink.destroy()
        sink.take()  # too late: it counts no more
        board.run()
        assert told == [("a", "ERR_STREAM_DESTROYED"), ("b", "ERR_STREAM_DESTROYED")]

    def test_a_sink_that_fails_destroys_the_stream(self, board):
        sink = Sink(at_once=False)
        heard = record(sink, "error", "close")
        told = []
        sink.write(b"a", told.append)
        error = NodeError("full", "ENOSPC")
        sink.take(error)
        board.run()
        assert heard == [("error", error), ("close",)]
        assert told == [error]

    def test_a_sink_that_cannot_end_destroys_the_stream(self, board):
        sink = Sink()
        heard = record(sink, "finish", "error")
        sink.final_error = NodeError("stuck", "EIO")
        sink.end()
        board.run()
        assert heard == [("error", sink.final_error)]

    def test_destroying_before_finish_was_reported_leaves_close_alone(self, board):
        sink = Sink(high_water_mark=1)
        heard = record(sink, "finish", "drain", "close")
        sink.write(b"a")
        sink.end()
        sink.destroy()
        board.run()
        assert heard == [("close",)]

    def test_only_text_and_bytes_can_be_written(self, board):
        with pytest.raises(NodeError, match="Received type int"):
            Sink().write(5)

    def test_a_sink_must_say_how_it_writes(self, board):
        with pytest.raises(NotImplementedError):
            Writable().write(b"a")


class TestPipe:
    def test_all_of_it_goes_to_the_destination_which_then_ends(self, board):
        source, sink = Source(), Sink()
        heard = record(sink, "pipe", "unpipe", "finish")
        assert source.pipe(sink) is sink
        source.push(b"a")
        source.push(b"b")
        source.push(None)
        board.run()
        assert b"".join(sink.taken) == b"ab"
        assert heard[0] == ("pipe", source)
        assert ("finish",) in heard

    def test_a_full_destination_pauses_the_source_until_it_drains(self, board):
        source, sink = Source(), Sink(at_once=False, high_water_mark=1)
        source.pipe(sink)
        board.run()
        source.push(b"a")
        assert source.is_paused()
        source.push(b"b")
        sink.take()
        board.run()
        assert sink.taken == [b"a", b"b"]

    def test_drain_of_a_destination_that_was_not_full_changes_nothing(self, board):
        source, sink = Source(), Sink()
        source.pipe(sink)
        source.pause()
        sink.emit("drain")
        assert source.is_paused()

    def test_the_destination_may_be_left_open(self, board):
        source, sink = Source(), Sink()
        source.pipe(sink, end=False)
        source.push(None)
        board.run()
        assert sink.writable

    def test_unpipe_stops_it(self, board):
        source, sink, other = Source(), Sink(), Sink()
        source.pipe(sink)
        source.pipe(other)
        board.run()
        source.unpipe(sink)
        assert not source.is_paused()
        source.unpipe(Sink())
        source.unpipe()
        assert source.is_paused()
        source.push(b"a")
        board.run()
        assert sink.taken == other.taken == []

    def test_a_destination_that_closes_is_left(self, board):
        source, sink = Source(), Sink()
        source.pipe(sink)
        sink.destroy()
        board.run()
        assert source.is_paused()


class Loop(Duplex):
    """What is written is read."""

    def _write(self, chunk, done):
        self.push(chunk)
        done(None)

    def _final(self, done):
        self.push(None)
        done(None)


class TestDuplex:
    def test_it_closes_when_both_halves_are_over(self, board):
        loop = Loop()
        heard = record(loop, "data", "end", "finish", "close")
        loop.write(b"a")
        board.run()
        loop.end()
        board.run()
        assert heard[0] == ("data", b"a")
        assert sorted(heard[1:3]) == [("end",), ("finish",)]
        assert heard[3:] == [("close",)]

    def test_half_open_is_allowed_unless_it_is_not(self, board):
        lasting, brief = Loop(), Loop(allow_half_open=False)
        for stream in (lasting, brief):
            stream.resume()
            stream.push(None)
        board.run()
        assert lasting.writable
        assert brief.writable_finished
        assert brief.closed
