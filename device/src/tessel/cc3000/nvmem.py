"""The chip's non-volatile memory: its MAC address, service pack and files."""

from __future__ import annotations

from tessel.cc3000.driver import Driver
from tessel.cc3000.errors import NoiseError
from tessel.cc3000.hci.codes import NvmemFile
from tessel.cc3000.hci.netapp import (
    CreateNvmemEntry,
    NvmemBytes,
    ReadNvmem,
    ReadServicePack,
    WriteNvmem,
)
from tessel.cc3000.hci.replies import ServicePack
from tessel.cc3000.results import ok

MAC_BYTES = 6


class Nvmem:
    """Reads and writes the chip's non-volatile memory. Each method may raise ChipError."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def service_pack(self) -> ServicePack:
        """Return the version of the chip's firmware."""
        return await self._driver.call(ReadServicePack())

    async def mac(self) -> bytes:
        """Return the chip's MAC address, six bytes."""
        return await self.read(NvmemFile.MAC, MAC_BYTES)

    async def read(self, file: int, length: int, offset: int = 0) -> bytes:
        """Return `length` bytes of the file with number `file`, from `offset` on.

        Raises NoiseError if the chip sends fewer bytes.
        """
        _, data = await self._driver.fetch(ReadNvmem(file, length, offset))
        content = NvmemBytes.read(data).data if data is not None else b""
        if len(content) < length:
            raise NoiseError(f"file {file}: {length} bytes were asked for, {len(content)} came")
        return content[:length]

    async def create(self, file: int, length: int) -> None:
        """Create the file with number `file` and a size of `length` bytes."""
        await self._driver.call(CreateNvmemEntry(file, length))

    async def write(self, file: int, data: bytes, offset: int = 0) -> None:
        """Write `data` to a file from `offset` on, in as many commands as the chip needs.

        Raises CommandError.
        """
        for start in range(0, len(data), WriteNvmem.LARGEST):
            piece = data[start : start + WriteNvmem.LARGEST]
            message = WriteNvmem(file, piece, offset + start)
            ok("write to memory", await self._driver.call(message))
