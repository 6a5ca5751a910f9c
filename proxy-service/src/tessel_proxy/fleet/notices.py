"""What a process does about a notice of the engine: cut, end or check tunnels."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from tessel_proxy.fleet.engine import DeviceMoved, Notice, TokensRevoked, TunnelsEnded
from tessel_proxy.tunnel.shared_state import DeviceKey, TunnelRegistry


class NoticeActions:
    """Acts on notices about the tunnels of this process.

    `doubt` makes the authenticators forget that they have checked tokens lately.
    """

    def __init__(self, tunnels: TunnelRegistry, doubt: Callable[[], None]) -> None:
        self._tunnels = tunnels
        self._doubt = doubt

    def hear(self, notice: Notice) -> None:
        """Act on a notice."""
        match notice:
            case DeviceMoved(account, device, member):
                older = self._tunnels.by_device.get(DeviceKey(account, device))
                if older is not None:
                    older.move_away(member)
            case TokensRevoked(account):
                self._check_again(account)
            case TunnelsEnded(account, device):
                self._end(account, device)
            case _:
                assert_never(notice)

    def _check_again(self, account: str | None) -> None:
        self._doubt()
        for tunnel in list(self._tunnels.all):
            owner = tunnel.owner
            if owner is not None and account in (None, owner.account):
                tunnel.check_again()

    def _end(self, account: str, device: str | None) -> None:
        for tunnel in list(self._tunnels.all):
            owner = tunnel.owner
            if owner is not None and owner.account == account and device in (None, owner.name):
                tunnel.stop()
