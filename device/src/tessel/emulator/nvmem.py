"""The emulated chip's non-volatile memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from tessel.cc3000.hci.codes import NvmemFile
from tessel.cc3000.hci.netapp import SetAddress, SetTimers
from tessel.cc3000.hci.wlan import ANY_BSSID, AddProfile, SetConnectionPolicy

MAC = bytes.fromhex("08 00 28 5a 1b 2c")  # 08:00:28 is Texas Instruments'
SERVICE_PACK = (1, 26)  # that of the captured chip

PROFILES = 7
NO_PROFILE = 255
FILES = 16  # at most
LARGEST_FILE = 8192  # bytes; the largest file of a real chip, a patch, is smaller


@dataclass(frozen=True, slots=True)
class SavedNetwork:
    """A network that the chip joins or has joined. `key` is empty for an open network."""

    ssid: bytes
    security: int
    key: bytes = field(repr=False)
    bssid: bytes = ANY_BSSID


@dataclass(slots=True)
class ChipMemory:
    """Holds the settings, profiles and files that the chip keeps while its power is off."""

    timers: SetTimers
    address: SetAddress = field(default_factory=SetAddress)
    policy: SetConnectionPolicy = field(default_factory=lambda: SetConnectionPolicy(0, 0, 0))
    last_network: SavedNetwork | None = None
    profiles: dict[int, AddProfile] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=lambda: {int(NvmemFile.MAC): MAC})

    @property
    def mac(self) -> bytes:
        """The chip's MAC address, six bytes."""
        return self.files[NvmemFile.MAC][:6].ljust(6, b"\0")

    def add_profile(self, profile: AddProfile) -> int:
        """Store a profile and return its index, or NO_PROFILE if there is no room."""
        free = (index for index in range(PROFILES) if index not in self.profiles)
        index = next(free, NO_PROFILE)
        if index != NO_PROFILE:
            self.profiles[index] = profile
        return index

    def delete_profile(self, index: int) -> None:
        """Delete a profile, or all of them if `index` is NO_PROFILE."""
        if index == NO_PROFILE:
            self.profiles.clear()
        else:
            self.profiles.pop(index, None)

    def create(self, file: int, length: int) -> bool:
        """Create a file of zeros and return True.

        Returns False, without creating it, if it would be too large or there are too many files.
        """
        if length > LARGEST_FILE or (file not in self.files and len(self.files) >= FILES):
            return False
        self.files[file] = bytes(length)
        return True

    def write(self, file: int, data: bytes, offset: int) -> bool:
        """Write into a file, creating it if needed, and return True.

        Returns False, without writing, if it would be too large or there are too many files.
        """
        old = self.files.get(file, b"")
        end = offset + len(data)
        if end > LARGEST_FILE or (file not in self.files and len(self.files) >= FILES):
            return False
        self.files[file] = old[:offset].ljust(offset, b"\0") + data + old[end:]
        return True

    def read(self, file: int, length: int, offset: int) -> bytes | None:
        """Return at most `length` bytes of a file from `offset` on.

        Returns None if there is no such file.
        """
        data = self.files.get(file)
        return None if data is None else data[offset : offset + length]
