"""A token bucket. Twisted has one (twisted.protocols.htb), which reads the time of day itself."""

from __future__ import annotations


class Bucket:
    """Fills with time and is emptied by use. Its clock is whoever asks."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self._rate = rate
        self._size = size
        self._level = size
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Take so much, if it is there."""
        if self.level(now) < amount:
            return False
        self._level -= amount
        return True

    def spend(self, amount: float, now: float) -> None:
        """Take so much, though it is more than there is: a debt that time pays."""
        self._level = self.level(now) - amount

    def is_full(self, now: float) -> bool:
        return self.level(now) >= self._size

    def level(self, now: float) -> float:
        """What is in it; below zero what it is owed."""
        self._level = min(self._size, self._level + self._rate * max(0.0, now - self._at))
        self._at = now
        return self._level
