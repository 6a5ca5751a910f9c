"""The errors for a token that the proxy refuses or no longer accepts."""

from __future__ import annotations

from typing import Final

from streamplex.conversation import Reason, Refused
from tessel.errors import NodeError
from tessel.network.interface import Target
from tessel.settings import Settings

_NOW: Final = {
    Reason.NOT_CHECKED: "the proxy cannot check the token now",
    Reason.UNCONFIRMED: "the proxy could not check the token again, and ended the tunnel",
    Reason.TOO_MANY_TUNNELS: "the account has as many tunnels open as the proxy allows",
    Reason.TOO_MANY_ATTEMPTS: "the proxy got too many wrong tokens from this address",
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


def refusal(refused: Refused, settings: Settings) -> NodeError:
    """Return the error that a program gets for the proxy's refusal of its token.

    The code is EAGAIN if the proxy may accept the token soon, else ERR_PROXY_AUTHORIZATION.
    """
    reason = refused.reason
    if refused.try_again:
        return NodeError(_NOW.get(reason, _NOW[Reason.NOT_CHECKED]), "EAGAIN")
    proxy = Target(settings.proxy_host or "", settings.proxy_port)
    source = settings.token_setting
    if reason is Reason.REVOKED:
        error = AuthorizationFailed("Authorization failed: the token is no longer valid.")
        error.hint = f"the proxy {proxy} no longer accepts the token in {source}"
    else:
        error = AuthorizationFailed()
        error.hint = f"the proxy {proxy} refused the token in {source}"
    return error
