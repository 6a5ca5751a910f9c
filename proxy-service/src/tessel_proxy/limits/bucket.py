"""A token bucket without a clock. Twisted's (twisted.protocols.htb) reads the time of day."""

from __future__ import annotations


class Bucket:
    """A token bucket: time fills it at a constant rate, and use empties it. It starts full.

    `rate` is in units per second, `size` in units; callers pass the time in seconds as `now`.
    """

    def __init__(self, rate: float, size: float, now: float) -> None:
        self._rate = rate
        self._size = size
        self._level = size
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` from the bucket and return True.

        If the level is lower, take nothing and return False.
        """
        level = min(self._size, self._level + self._rate * max(0.0, now - self._at))
        self._at = now
        self._level = level if level < amount else level - amount
        return level >= amount

    def spend(self, amount: float, now: float) -> None:
        """Take `amount`, even if the bucket holds less: the level may become negative."""
        self._level = self.level(now) - amount

    def is_full(self, now: float) -> bool:
        """Return whether the level at time `now` is the size of the bucket."""
        return self.level(now) >= self._size

    def level(self, now: float) -> float:
        """Return the level at time `now`.

        A negative level is a debt: time refills the bucket from there.
        """
        self._level = min(self._size, self._level + self._rate * max(0.0, now - self._at))
        self._at = now
        return self._level

    def resize(self, rate: float, size: float, now: float) -> None:
        """Change rate and size from `now` on; what the bucket holds beyond the new size is lost."""
        self.level(now)
        self._rate, self._size = rate, size
        self._level = min(self._level, size)


class CountingBucket(Bucket):
    """A bucket that also adds up what was taken, for an account that several processes serve."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        super().__init__(rate, size, now)
        self.taken = 0.0
        self.was_short = False  # something was refused or waits, since the caller reset it

    def take(self, amount: float, now: float) -> bool:
        """See Bucket."""
        taken = super().take(amount, now)
        if taken:
            self.taken += amount
        else:
            self.was_short = True
        return taken

    def spend(self, amount: float, now: float) -> None:
        """See Bucket."""
        super().spend(amount, now)
        self.taken += amount
