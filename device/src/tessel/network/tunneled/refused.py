"""The errors for a token that the proxy refuses or no longer accepts."""

from __future__ import annotations

from typing import Final

from streamplex.conversation import Reason, Refused
from tessel.errors import NodeError
from tessel.network.interface import Target
from tessel.network.limits import REFUSED_HOLD_S, RETRY_AFTER_CAP_S
from tessel.settings import Settings

_NOW: Final = {
    Reason.NOT_CHECKED: "the proxy cannot check the token now",
    Reason.UNCONFIRMED: "the proxy could not check the token again, and ended the tunnel",
    Reason.TOO_MANY_TUNNELS: "the account has as many tunnels open as the proxy allows",
    Reason.TOO_MANY_ATTEMPTS: "the proxy got too many wrong tokens from this address",
    Reason.ENDED: "the proxy's operator ended the tunnel",
    Reason.REFUSED: "the proxy's operator refuses this device for now",
}
"""The texts of refusals that may end soon."""


class AuthorizationFailed(NodeError):  # noqa: N818 - the words a program sees
    """The proxy does not accept the token. An immediate retry is useless."""

    def __init__(self, message: str = "Authorization failed.") -> None:
        super().__init__(message, "ERR_PROXY_AUTHORIZATION")

    def again(self) -> NodeError:
        """Return a copy of the error for another socket."""
        copy = AuthorizationFailed(str(self))
        copy.hint = self.hint
        return copy


class RefusedForNow(NodeError):  # noqa: N818 -- as above
    """The operator of the proxy refuses this device for a time; `hold_s` in seconds."""

    def __init__(self, message: str, hold_s: float) -> None:
        super().__init__(message, "EAGAIN")
        self.hold_s = hold_s


def hold_s(error: NodeError) -> float:
    """Return the seconds for which the token is not sent again after this error; 0: no limit.

    A wait that ends with the refusal is bounded, because the operator may allow the device earlier.
    """
    match error:
        case AuthorizationFailed():
            return REFUSED_HOLD_S
        case RefusedForNow():
            return error.hold_s
        case _:
            return 0.0


def refusal(refused: Refused, settings: Settings) -> NodeError:
    """Return the error that a program gets for the proxy's refusal of its token.

    The code is EAGAIN if the proxy may accept the token soon, else ERR_PROXY_AUTHORIZATION. What
    the operator says is part of the text.
    """
    reason = refused.reason
    if refused.try_again:
        text = _with_message(_NOW.get(reason, _NOW[Reason.NOT_CHECKED]), refused)
        if reason is Reason.REFUSED:
            return RefusedForNow(text, _time_until(refused))
        return NodeError(text, "EAGAIN")
    return _lasting(refused, settings)


def _lasting(refused: Refused, settings: Settings) -> AuthorizationFailed:
    proxy = Target(settings.proxy_host or "", settings.proxy_port)
    source = settings.token_setting
    match refused.reason:
        case Reason.REVOKED:
            error = AuthorizationFailed("Authorization failed: the token is no longer valid.")
            error.hint = f"the proxy {proxy} no longer accepts the token in {source}"
        case Reason.REFUSED:
            text = "Authorization failed: the proxy's operator refuses this device"
            error = AuthorizationFailed(_with_message(text, refused))
            error.hint = f"only the operator of the proxy {proxy} can allow the device again"
        case _:
            error = AuthorizationFailed()
            error.hint = f"the proxy {proxy} refused the token in {source}"
    return error


def _with_message(text: str, refused: Refused) -> str:
    return f"{text}: {refused.message}" if refused.message else text


def _time_until(refused: Refused) -> float:
    if refused.retry_after_ms is None:
        return REFUSED_HOLD_S
    return min(refused.retry_after_ms / 1000, RETRY_AFTER_CAP_S)
