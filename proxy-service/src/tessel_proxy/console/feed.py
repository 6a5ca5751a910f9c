"""Reads the stream of events for `top` in a thread, and connects again when it is lost."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, Final

from tessel_proxy.console.client import Client
from tessel_proxy.console.live import MAX_TUNNELS, Broken, Event, Live, Lost, News, Snapshot
from tessel_proxy.console.place import ConsoleError

TOPICS: Final = "totals,tunnels,refusals,proxies"
SILENCE_S: Final = 5.0
"""Seconds without an event after which the connection is lost: `totals` comes each second."""

FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 5.0
"""The pause before a try doubles from the first to the longest: a proxy starts within seconds."""

MAX_NEWS: Final = 1000
"""News that wait for the next redraw: some hundred events come in a second at most."""


def snapshot(client: Client) -> Snapshot:
    """Ask for what the events then change. Raises ConsoleError."""
    tunnels: list[dict[str, Any]] = []
    for page in client.pages("tunnels"):
        tunnels += page["tunnels"]
        if len(tunnels) >= MAX_TUNNELS:
            break
    return Snapshot(tuple(tunnels), client.get("proxies"), client.get("history"))


def _news(client: Client) -> Generator[News]:
    """Return a snapshot and the events after it, until the stream ends. Raises ConsoleError."""
    with closing(client.events(TOPICS, SILENCE_S)) as events:
        yield snapshot(client)  # what happens from now on is in the stream, which has begun
        for topic, value in events:
            yield Event(topic, value)


def once(client: Client, wall_time: Callable[[], float]) -> Live:
    """Return the first complete picture. Raises ConsoleError."""
    live = Live()
    with closing(_news(client)) as news:
        for each in news:
            live.take(each, wall_time())
            if live.totals is not None:
                return live
    raise ConsoleError("the proxy ended the stream of events before it sent one; try again")


@contextmanager
def feeding(client: Client, put: Callable[[News], None]) -> Iterator[None]:
    """Read the stream in a thread for as long as the `with` block lasts."""
    is_over = threading.Event()
    run = partial(_feed, client, put, is_over)
    threading.Thread(target=run, daemon=True).start()  # it may wait for SILENCE_S
    try:
        yield
    finally:
        is_over.set()


def _feed(client: Client, put: Callable[[News], None], is_over: threading.Event) -> None:
    pause_s = FIRST_RETRY_S
    while not is_over.is_set():
        try:
            for each in _news(client):
                if is_over.is_set():
                    return
                put(each)
                pause_s = FIRST_RETRY_S
            put(Lost("the proxy ended the connection"))
        except ConsoleError as error:
            put(Lost(str(error)))
        except Exception as error:  # noqa: BLE001 -- raised again by the other thread
            put(Broken(error))
            return
        is_over.wait(pause_s)
        pause_s = min(2 * pause_s, LONGEST_RETRY_S)


class Inbox:
    """News from the thread and from signals, with a file descriptor on which to wait for them."""

    def __init__(self) -> None:
        self._news: queue.Queue[News] = queue.Queue(MAX_NEWS)
        self._readable, self._writable = os.pipe()
        os.set_blocking(self._writable, False)
        os.set_blocking(self._readable, False)
        self._was_resized = False

    def close(self) -> None:
        """Close the file descriptor on which the news are waited for."""
        readable, self._readable = self._readable, -1
        os.close(readable)

    def fileno(self) -> int:
        """The file descriptor: readable if there are news."""
        return self._readable

    def put(self, news: News) -> None:
        """Add news from another thread; waits while MAX_NEWS are there."""
        self._news.put(news)
        self._wake()

    def resized(self, *_: Any) -> None:
        """Called by the signal of a terminal that has another size."""
        self._was_resized = True
        self._wake()

    def take(self) -> list[News]:
        """Return all news."""
        with suppress(BlockingIOError):
            os.read(self._readable, MAX_NEWS)
        taken = []
        while not self._news.empty():
            taken.append(self._news.get())
        return taken

    def was_resized(self) -> bool:
        """Return whether the terminal got another size since the last call."""
        was, self._was_resized = self._was_resized, False
        return was

    def _wake(self) -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # enough of them, or nobody waits
            os.write(self._writable, b"\0")
