"""The proxy conversation: the messages that a device and the proxy exchange inside a tunnel.

This is layer 4 of docs/wire.md. Both ends import it: each message is encoded and decoded here and
nowhere else. The package is pure: it turns JSON values into typed messages and back.
"""

from streamplex.conversation.answers import (
    ALREADY_ACCEPTED,
    MAX_MESSAGE_CHARACTERS,
    NOT_AUTHORIZED,
    Accepted,
    Answer,
    Reason,
    Refused,
    decode_answer,
    decode_later_refusal,
    encode_answer,
    shown_message,
)
from streamplex.conversation.error_words import (
    WRONG_NAME,
    VerifyError,
    error_code,
    verify_error,
)
from streamplex.conversation.hello import (
    FEATURES,
    MAX_DEVICE_CHARACTERS,
    Hello,
    decode_hello,
    encode_hello,
    offer,
)
from streamplex.conversation.progress import (
    CLOSED,
    CONNECTED,
    IDLE,
    LOOKED_UP,
    SECURED,
)
from streamplex.conversation.requests import (
    CONNECT,
    IDLE_TIMEOUT,
    MAX_HOST_CHARACTERS,
    MAX_TIMEOUT_MS,
    BadRequestError,
    ConnectRequest,
    SubstreamKind,
    decode_connect,
    decode_idle_timeout,
    encode_connect,
    encode_idle_timeout,
    substream_kind,
)

__all__ = [
    "ALREADY_ACCEPTED",
    "CLOSED",
    "CONNECT",
    "CONNECTED",
    "FEATURES",
    "IDLE",
    "IDLE_TIMEOUT",
    "LOOKED_UP",
    "MAX_DEVICE_CHARACTERS",
    "MAX_HOST_CHARACTERS",
    "MAX_MESSAGE_CHARACTERS",
    "MAX_TIMEOUT_MS",
    "NOT_AUTHORIZED",
    "SECURED",
    "WRONG_NAME",
    "Accepted",
    "Answer",
    "BadRequestError",
    "ConnectRequest",
    "Hello",
    "Reason",
    "Refused",
    "SubstreamKind",
    "VerifyError",
    "decode_answer",
    "decode_connect",
    "decode_hello",
    "decode_idle_timeout",
    "decode_later_refusal",
    "encode_answer",
    "encode_connect",
    "encode_hello",
    "encode_idle_timeout",
    "error_code",
    "offer",
    "shown_message",
    "substream_kind",
    "verify_error",
]
