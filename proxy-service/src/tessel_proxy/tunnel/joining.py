"""The proxy's side of an invitation: a device without a token asks for one, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol as Interface

from twisted.logger import Logger

from streamplex.conversation import (
    AuthorityShown,
    JoinAnswer,
    Joined,
    JoinRefusal,
    JoinRequest,
    NotJoined,
)
from tessel_proxy.auth.hashing import HashingQueue
from tessel_proxy.auth.interface import AuthUnavailableError
from tessel_proxy.auth.invitations import InvitationFolder, InvitationsError
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.settings import ConfigError


class Invites(Interface):
    """Answers devices that ask to join."""

    async def answer(self, request: JoinRequest) -> JoinAnswer: ...


class NoInvitations:
    """Answers that no invitation is accepted."""

    async def answer(self, request: JoinRequest) -> JoinAnswer:  # noqa: ARG002 -- the interface's
        """Return a refusal."""
        return NotJoined(JoinRefusal.UNAVAILABLE)


class Invitations:
    """Answers devices that ask to join: with the authority's certificate, a token, or a refusal."""

    _log = Logger()

    def __init__(
        self,
        folder: Path | None,
        authority: Callable[[], str | None],
        threads: HashingQueue,
        wall_time: WallTime,
        accept_new_tokens: Callable[[str], Awaitable[object]],
    ) -> None:
        """Prepare to answer.

        Args:
            folder: the folder of invitations; None: no invitation is accepted.
            authority: returns the certificate of the proxy's authority as PEM text, or None;
                blocks.
            threads: runs what blocks.
            wall_time: returns seconds since 1970.
            accept_new_tokens: lets all processes read AUTH_FILE again, which has the token of a
                new invitation; called with the account. It does not fail.
        """
        self._folder = None if folder is None else InvitationFolder(folder)
        self._authority = authority
        self._threads = threads
        self._wall_time = wall_time
        self._accept_new_tokens = accept_new_tokens

    async def answer(self, request: JoinRequest) -> JoinAnswer:
        """Return the answer to a device. Does not fail."""
        try:
            if request.code is None:
                return AuthorityShown(await self._threads.run(self._authority))
            if self._folder is None:
                return NotJoined(JoinRefusal.UNAVAILABLE)
            redeem = partial(self._folder.redeem, request.code, self._wall_time())
            answer = await self._threads.run(redeem)
        except (InvitationsError, AuthUnavailableError, ConfigError) as error:
            self._log.error(
                "an invitation could not be accepted: {why}",
                event="join_failed",
                why=str(error),
                error=ErrorCode.INVITATIONS_UNUSABLE.value,
            )
            return NotJoined(JoinRefusal.UNAVAILABLE)
        if isinstance(answer, Joined):
            await self._accept_new_tokens(answer.account)
        return answer
