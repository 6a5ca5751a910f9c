"""A token bucket without a clock. Twisted's (twisted.protocols.htb) reads the time of day."""

from __future__ import annotations


class Bucket:
    """A token bucket: it is filled by time and emptied by use. Callers pass the time in seconds."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self._rate = rate
        self._size = size
        self._level = size
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` if the bucket holds it, and return whether it did."""
        if self.level(now) < amount:
            return False
        self._level -= amount
        return True

    def spend(self, amount: float, now: float) -> None:
        """Take `amount`, even if the bucket holds less: the level may become negative."""
        self._level = self.level(now) - amount

    def is_full(self, now: float) -> bool:
        return self.level(now) >= self._size

    def level(self, now: float) -> float:
        """The level now. Below zero it is a debt, which time pays."""
        self._level = min(self._size, self._level + self._rate * max(0.0, now - self._at))
        self._at = now
        return self._level
