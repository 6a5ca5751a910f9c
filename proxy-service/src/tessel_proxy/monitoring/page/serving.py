"""Reads the page's files from the package, once, and gives each its headers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

CONTENT_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
"""By the end of a file's name. Other files of the folder, such as licences, are not served."""

_RULES: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    # text of a device can become HTML nowhere: browsers that know this refuse the attempt
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)

SECURITY_HEADERS: Final[Mapping[bytes, bytes]] = MappingProxyType(
    {
        b"content-security-policy": "; ".join(_RULES).encode(),
        b"cross-origin-opener-policy": b"same-origin",
        b"cross-origin-resource-policy": b"same-origin",
        b"referrer-policy": b"no-referrer",
        b"x-content-type-options": b"nosniff",
        b"x-frame-options": b"DENY",  # for browsers that do not know frame-ancestors
    }
)


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent; `etag` changes with its content."""

    content_type: bytes
    body: bytes
    etag: bytes


def _read() -> Mapping[bytes, PageFile]:
    """Return the files by path: index.html as `/`, and the others below `/page/`."""
    found = {
        b"/page/" + path.encode(): _page_file(name, source.read_bytes())
        for path, name, source in _below(files(__package__) / "files", "")
    }
    return MappingProxyType({b"/": found.pop(b"/page/index.html"), **found})


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, str, Traversable]]:
    """Yield path, suffix and file of everything in a folder that is served."""
    for entry in folder.iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if entry.is_dir():
            yield from _below(entry, f"{prefix}{entry.name}/")
        elif suffix in CONTENT_TYPES:
            yield prefix + entry.name, suffix, entry


def _page_file(suffix: str, body: bytes) -> PageFile:
    digest = hashlib.sha256(body).hexdigest()[:32]
    return PageFile(CONTENT_TYPES[suffix], body, f'"{digest}"'.encode())


PAGE: Final = _read()
