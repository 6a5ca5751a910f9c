"""The traffic of one substream within the limits of its account: BYTES_PER_S and BYTES_PER_DAY."""

from __future__ import annotations

from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.limits.rate import RateLimit
from tessel_proxy.relay.backpressure import Pauses, Why


class Traffic:
    """Counts the bytes of one substream, and applies the rate and quota of its account."""

    __slots__ = ("_from_device", "_from_target", "_tally")

    def __init__(self, tally: AccountUsage, from_device: Pauses, from_target: Pauses) -> None:
        """Made only for an account with such a limit (`counts_bytes`)."""
        self._tally = tally
        self._from_device = from_device
        self._from_target = from_target

    def start_device(self) -> None:
        """Admit the direction from the device to the account's rate, which may pause it at once."""
        self._tally.to_targets.admit(self._from_device)

    def start_target(self) -> None:
        """Admit the direction from the target to the account's rate, which may pause it at once."""
        self._tally.to_devices.admit(self._from_target)

    def may_pass_to_target(self, nbytes: int) -> bool:
        """Count `nbytes` from the device; return False if the quota was already used up."""
        return self._may_pass(nbytes, self._tally.to_targets, self._from_device)

    def may_pass_to_device(self, nbytes: int) -> bool:
        """Count `nbytes` from the target; return False if the quota was already used up."""
        return self._may_pass(nbytes, self._tally.to_devices, self._from_target)

    def _may_pass(self, nbytes: int, rate: RateLimit, pauses: Pauses) -> bool:
        if not self._tally.quota.move(nbytes):
            return False
        rate.moved(nbytes, pauses)
        return True

    @property
    def waits(self) -> bool:
        """Whether the account's rate pauses one of the directions now."""
        return Why.RATE in self._from_device or Why.RATE in self._from_target

    def end(self) -> None:
        """Remove both directions from the account's rates."""
        self._tally.to_targets.leave(self._from_device)
        self._tally.to_devices.leave(self._from_target)
