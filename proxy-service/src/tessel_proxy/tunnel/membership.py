"""The entries of one tunnel in the state that all tunnels share: register, account, device name."""

from __future__ import annotations

from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.tunnel.shared_state import DeviceKey, OpenTunnel, SharedState


class Membership:
    """The entries of one tunnel in the sets and counters that all tunnels share.

    They are added at once, as an unauthenticated tunnel in its TLS handshake.
    """

    __slots__ = ("_account", "_device", "_shared", "_tunnel", "_usage")

    def __init__(self, shared: SharedState, tunnel: OpenTunnel) -> None:
        self._shared = shared
        self._tunnel = tunnel
        self._usage: AccountUsage | None = None
        self._account = ""  # of `_usage`
        self._device: DeviceKey | None = None
        tunnels = shared.tunnels
        tunnels.all.add(tunnel)
        tunnels.unauthenticated.add(tunnel)
        tunnels.handshaking.add(tunnel)

    def handshake_done(self) -> None:
        """Stop counting the tunnel among the TLS handshakes in progress."""
        self._shared.tunnels.handshaking.discard(self._tunnel)

    def replace_older(self, device: DeviceKey | None, record: TunnelRecord) -> None:
        """Cut the older tunnel of the same device, if there is one; `device` None: it has no name.

        Call this before `join_account`: the older tunnel may use the last place of the account.
        """
        older = None if device is None else self._shared.tunnels.by_device.get(device)
        if older is not None:
            older.replace(record)

    def join_account(self, account: str) -> AccountUsage | None:
        """Count the tunnel for its account; return None if the account has its maximum already."""
        self._account = account
        self._usage = self._shared.limits.open_tunnel(account)
        return self._usage

    def authenticated(self, device: DeviceKey | None) -> None:
        """Register the tunnel as authenticated, and as the newest of `device` (None: no name)."""
        self._shared.tunnels.unauthenticated.discard(self._tunnel)
        if device is not None:
            self._device = device
            self._shared.tunnels.by_device[device] = self._tunnel

    def closing(self) -> None:
        """Register the tunnel as closing."""
        self._shared.tunnels.closing.add(self._tunnel)

    def leave_account(self) -> None:
        """Remove the tunnel from its account and device; a second call does nothing."""
        usage, self._usage = self._usage, None
        if usage is not None:
            self._shared.limits.close_tunnel(self._account, usage)
        by_device = self._shared.tunnels.by_device
        if self._device is not None and by_device.get(self._device) is self._tunnel:
            del by_device[self._device]
            if self._shared.places is not None:
                self._shared.places.left(*self._device)

    def leave(self) -> None:
        """Remove the tunnel from all sets and counters."""
        tunnels = self._shared.tunnels
        tunnels.all.discard(self._tunnel)
        tunnels.unauthenticated.discard(self._tunnel)
        tunnels.handshaking.discard(self._tunnel)
        tunnels.closing.discard(self._tunnel)
        self.leave_account()
