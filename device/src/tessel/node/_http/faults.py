"""Converts the parser's error texts to Node's errors with their codes.

llhttp gives each error a text and a code. `httptools` passes on only the text, so the text
selects the code. The texts are llhttp's (`src/llhttp.c`); a test compares them with a real Node.
"""

from http import HTTPStatus

from tessel.node._http.events import HttpWireError

_CODES = {
    "HPE_CLOSED_CONNECTION": ("Data after `Connection: close`",),
    "HPE_CR_EXPECTED": ("Missing expected CR ",),
    "HPE_INVALID_CHUNK_SIZE": ("Chunk size overflow", "Invalid character in chunk size"),
    "HPE_INVALID_CONSTANT": (
        "Expected HTTP/",
        "Expected SOURCE method",
        "Invalid method for ",
        "Invalid word encountered",
    ),
    "HPE_INVALID_CONTENT_LENGTH": (
        "Content-Length can't be present",
        "Content-Length overflow",
        "Empty Content-Length",
        "Invalid character in Content-Length",
    ),
    "HPE_INVALID_HEADER_TOKEN": (
        "Invalid header ",
        "Unexpected whitespace after header value",
    ),
    "HPE_INVALID_METHOD": ("Expected space after method", "Invalid method encountered"),
    "HPE_INVALID_STATUS": ("Invalid response status", "Invalid status code"),
    "HPE_INVALID_TRANSFER_ENCODING": (
        "Empty Transfer-Encoding",
        "Invalid `Transfer-Encoding`",
        "Request has invalid `Transfer-Encoding`",
        "Transfer-Encoding can't be present",
    ),
    "HPE_INVALID_URL": (
        "Double @ in url",
        "Expected CRLF",
        "Invalid char in url",
        "Invalid characters in url",
        "Unexpected char in url",
        "Unexpected start char in url",
    ),
    "HPE_INVALID_VERSION": (
        "Expected CRLF after version",
        "Expected HTTP/2 Connection Preface",
        "Expected dot",
        "Expected space after version",
        "Invalid HTTP version",
        "Invalid major version",
        "Invalid minor version",
    ),
    "HPE_LF_EXPECTED": ("Missing expected LF ",),
    "HPE_PAUSED_H2_UPGRADE": ("Pause on PRI/Upgrade",),
    "HPE_PAUSED_UPGRADE": ("Pause on CONNECT/Upgrade",),
    "HPE_STRICT": ("Expected LF ", "Invalid character in chunk ext", "Invalid quoted-pair"),
    "HPE_UNEXPECTED_CONTENT_LENGTH": ("Duplicate Content-Length",),
    "HPE_UNEXPECTED_SPACE": ("Unexpected space after start line",),
}
_BY_WORDS = sorted(
    ((words, code) for code, each in _CODES.items() for words in each),
    key=lambda pair: -len(pair[0]),  # the longest match decides
)


def parse_error(reason: str) -> HttpWireError:
    """Return the error for a fault that llhttp describes by the text `reason`."""
    found = (code for words, code in _BY_WORDS if reason.startswith(words))
    code = next(found, "HPE_INVALID_CONSTANT")
    return HttpWireError(code, f"Parse Error: {reason}", HTTPStatus.BAD_REQUEST)


def cut_short() -> HttpWireError:
    """Return the error for a connection that ended in the middle of a message."""
    return HttpWireError("HPE_INVALID_EOF_STATE", "Parse Error", HTTPStatus.BAD_REQUEST)


def header_overflow() -> HttpWireError:
    """Return the error for a head that is too large or has too many fields (status 431)."""
    return HttpWireError(
        "HPE_HEADER_OVERFLOW",
        "Parse Error: Header overflow",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    )


def extensions_overflow() -> HttpWireError:
    """Return the error for a chunk whose extensions are too long (status 413)."""
    return HttpWireError(
        "HPE_CHUNK_EXTENSIONS_OVERFLOW",
        "Parse Error: Chunk extensions overflow",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def body_overflow(limit: int) -> HttpWireError:
    """Return the error for a body of more than `limit` bytes (status 413)."""
    return HttpWireError(
        "ERR_HTTP_BODY_TOO_LARGE",
        f"body is longer than the {limit} bytes allowed",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )
