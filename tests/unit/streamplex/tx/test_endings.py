"""Why a connection ended, without Twisted's sentences and OpenSSL's tuples."""

import pytest
from OpenSSL import SSL
from twisted.internet import error, main
from twisted.python.failure import Failure

from streamplex import RemoteError
from streamplex.tx.endings import in_words


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (error.ConnectionDone(), "the connection was closed"),
        (main.CONNECTION_LOST, "the connection broke"),
        (error.ConnectionAborted(), "this side cut the connection"),
        (error.ConnectionRefusedError(111), "the connection was refused"),
        (error.DNSLookupError("no results for x"), "the name does not resolve"),
        (error.TCPTimedOutError(110), "no answer to the connection attempt"),
        (error.TimeoutError(), "timeout"),
        (error.ConnectError(113), "No route to host"),
        (error.ConnectError(string="odd"), "An error occurred while connecting: odd"),
        (SSL.SysCallError(-1, "Unexpected EOF"), "the connection broke during TLS"),
        (
            SSL.Error([("SSL routines", "", "one"), ("x", "", "two")]),
            "TLS failed: one, two",
        ),
        (SSL.Error(), "TLS failed: no reason given"),
        (RemoteError("frame body of 2 bytes."), "frame body of 2 bytes"),
        (KeyError(), "KeyError"),
    ],
)
def test_an_ending_is_told_in_plain_words(fault, words):
    assert in_words(Failure(fault)) == words
