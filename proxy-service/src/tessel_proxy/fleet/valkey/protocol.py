"""One connection to the engine: txredisapi's protocol without its waits and its trust in replies.

docs/decisions/0022 says which parts of txredisapi are used, and why not the others.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from txredisapi import BaseRedisProtocol, ScriptDoesNotExist  # type: ignore[import-untyped]

from tessel_proxy.fleet.valkey.scripts import Script

MAX_REPLY_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one reply. The largest are the names of all members, 64 bytes each, and the notices that
were kept: some MiB. More is a fault, and would only fill the memory."""


class EngineProtocol(BaseRedisProtocol):  # type: ignore[misc] # it has no types
    """Sends commands and matches replies to them, in their order.

    A reply that cannot be read, is too long, or that nobody waits for ends the connection: the
    replies after it would be taken for those of other commands. `fault` then says what was seen,
    and `lost` fires when the connection is closed for any reason.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(charset=None, convertNumbers=False)  # values are bytes, also "123"
        self.callLater = clock.callLater  # else the one of the process's reactor
        self.fault = ""
        self.policy = ""  # what the server drops when its memory is full
        self.lost: Deferred[None] = Deferred()
        self._clock = clock
        self._sent_at: deque[float] = deque()
        self._partial_bytes = 0

    def connectionMade(self) -> None:
        """Allow commands. txredisapi would authenticate, and give up for ever if that fails."""
        self.connected = 1

    def connectionLost(self, reason: Failure) -> None:
        """Fail all commands that wait for a reply."""
        self.fault = self.fault or reason.getErrorMessage()
        super().connectionLost(reason)
        self.lost.callback(None)

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        """Read replies; end the connection if they make no sense."""
        if not self.connected:
            return
        self._partial_bytes += len(data)
        try:
            super().dataReceived(data, unpause)
        except Exception as error:  # noqa: BLE001 -- its parser raises anything; no byte is trusted
            self.end(f"a reply cannot be read: {error!r}")
        if self._partial_bytes > MAX_REPLY_BYTES:
            self.end(f"a reply has more than {MAX_REPLY_BYTES} bytes")

    def lineLengthExceeded(self, line: bytes) -> None:
        """Called for a line without an end."""
        self.end(f"a line of more than {self.MAX_LENGTH} bytes, which begins with {line[:20]!r}")

    def replyReceived(self, reply: object) -> None:
        """Give a complete reply to the command that waits for it."""
        self._partial_bytes = 0
        if not self.replyQueue.waiting:
            self.end("a reply arrived that no command waits for")
            return
        self._sent_at.popleft()
        super().replyReceived(reply)

    def execute_command(self, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Send a command; return a Deferred with its reply. Raises ConnectionError if closed."""
        self._sent_at.append(self._clock.seconds())
        try:
            result: Deferred[Any] = super().execute_command(*args, **kwargs)
        except BaseException:
            self._sent_at.pop()
            raise
        return result

    def _build_command(self, *args: object, **_kwargs: object) -> bytes:
        """Return a command as bytes. txredisapi's takes 2.5 times as long."""
        pieces = [b"*%d\r\n" % len(args)]
        for each in args:
            value = each if isinstance(each, bytes) else str(each).encode()
            pieces.append(b"$%d\r\n%b\r\n" % (len(value), value))
        return b"".join(pieces)

    async def run(self, script: Script, *args: object) -> bytes:
        """Execute a script; load it if the server does not know it, or has lost it."""
        try:
            reply = await self.evalsha(script.sha, (), args)
        except ScriptDoesNotExist:
            await self.script_load(script.source)
            reply = await self.evalsha(script.sha, (), args)
        if not isinstance(reply, bytes):
            self.end(f"script {script.name} returned {reply!r:.80}")
            raise TypeError(self.fault)
        return reply

    @property
    def waiting(self) -> int:
        """Number of commands without a reply."""
        return len(self._sent_at)

    @property
    def silent_s(self) -> float:
        """Seconds since the oldest command without a reply was sent; 0: there is none."""
        return self._clock.seconds() - self._sent_at[0] if self._sent_at else 0.0

    def end(self, fault: str) -> None:
        """Cut the connection, because of `fault`."""
        self.fault = self.fault or fault
        if self.connected and self.transport is not None:
            self.transport.abortConnection()
