"""The user and the password that clients of the gateway must know."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password. The check takes the same time for each wrong guess."""

    user: str
    password: str = field(repr=False)

    def match(self, user: bytes, password: bytes) -> bool:
        """Return whether a client has sent this user and password.

        Digests are compared, so that the time does not depend on the lengths either, and always
        both of them.
        """
        right_user = hmac.compare_digest(_digest(user), _digest(self.user.encode()))
        right_password = hmac.compare_digest(_digest(password), _digest(self.password.encode()))
        return right_user & right_password

    def match_basic(self, value: bytes) -> bool:
        """Return whether a value of Proxy-Authorization is `Basic` with this user and password."""
        scheme, _, encoded = value.strip().partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            user, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        except binascii.Error:
            return False
        return self.match(user, password)


def _digest(text: bytes) -> bytes:
    return sha256(text).digest()
