"""The limits of an HTTP server on each connection, and the options that set them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tessel.node._http.options import MAX_HEADER_BYTES, number

# Node's defaults, in milliseconds.
HEADERS_TIMEOUT_MS = 60_000
REQUEST_TIMEOUT_MS = 300_000
KEEP_ALIVE_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Holds the limits of an HTTP server on each connection. A timeout of 0 is no limit."""

    max_header_bytes: int
    max_body_bytes: int | None  # None: no limit; bodies are streamed and need no memory
    headers_timeout_ms: int
    request_timeout_ms: int
    keep_alive_timeout_ms: int
    max_requests: int = 0  # on one connection; 0: no limit
    insecure: bool = False  # accept what llhttp refuses unless it is lenient

    @property
    def kept(self) -> str:
        """The value of the header Keep-Alive in responses; empty if there is no idle timeout."""
        if not self.keep_alive_timeout_ms:
            return ""
        most = f", max={self.max_requests}" if self.max_requests else ""
        return f"timeout={int(self.keep_alive_timeout_ms // 1000)}{most}"

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> Self:
        """Return the limits that a server's options set, with Node's defaults; raises NodeError."""
        body = options.get("max_body_size")
        return cls(
            max_header_bytes=number(options, "max_header_size", MAX_HEADER_BYTES),
            max_body_bytes=None if body is None else number(options, "max_body_size", 0),
            headers_timeout_ms=number(options, "headers_timeout", HEADERS_TIMEOUT_MS),
            request_timeout_ms=number(options, "request_timeout", REQUEST_TIMEOUT_MS),
            keep_alive_timeout_ms=number(options, "keep_alive_timeout", KEEP_ALIVE_TIMEOUT_MS),
            insecure=bool(options.get("insecure_http_parser", False)),
        )
