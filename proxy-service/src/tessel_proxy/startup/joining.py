"""Joins the invitations of a proxy to its settings, its accounts and its other processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from twisted.internet.interfaces import IReactorThreads

from tessel_proxy.auth.hashing import HashingQueue, reactor_threads
from tessel_proxy.certificates.authority import issuing_authority_pem
from tessel_proxy.certificates.make import CertificateFamily
from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.joining import Fleet
from tessel_proxy.fleet.notices import TokensRevoked
from tessel_proxy.startup.config import Config
from tessel_proxy.tunnel.joining import Invitations
from tessel_service_kit.clocks import WallTime


def invitations_of(
    config: Config,
    reactor: IReactorThreads,
    wall_time: WallTime,
    read_accounts: Callable[[], object],
    fleet: Fleet | None,
) -> Invitations:
    """Return the invitations of a proxy.

    `read_accounts` reads AUTH_FILE again. With `fleet`, all other processes do so, too, before a
    device gets its token: its next connection may come to any of them.
    """

    async def accept_new_tokens(account: str) -> None:
        read_accounts()
        if fleet is not None:
            with suppress(EngineError):  # then they read the file at their next look
                await fleet.engine.publish(TokensRevoked(account))

    files = CertificateFamily.CURRENT.files(config)
    return Invitations(
        config.invitations_folder,
        partial(issuing_authority_pem, files.cert, files.authority_cert),
        HashingQueue(reactor_threads(reactor)),
        wall_time,
        accept_new_tokens,
    )
