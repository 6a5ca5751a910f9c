"""The chip's own memory: its MAC, and which service pack it runs."""

from __future__ import annotations

from tessel.cc3000.driver import Driver
from tessel.cc3000.errors import NoiseError
from tessel.cc3000.hci.codes import NvmemFile
from tessel.cc3000.hci.netapp import (
    CreateNvmemEntry,
    NvmemOctets,
    ReadNvmem,
    ReadServicePack,
    WriteNvmem,
)
from tessel.cc3000.hci.replies import ServicePack
from tessel.cc3000.results import ok

MAC_OCTETS = 6


class Nvmem:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def service_pack(self) -> ServicePack:
        return await self._driver.call(ReadServicePack())

    async def mac(self) -> bytes:
        return await self.read(NvmemFile.MAC, MAC_OCTETS)

    async def read(self, file: int, length: int, offset: int = 0) -> bytes:
        _, data = await self._driver.fetch(ReadNvmem(file, length, offset))
        octets = NvmemOctets.read(data).octets if data is not None else b""
        if len(octets) < length:
            raise NoiseError(f"{len(octets)} octets of the {length} asked for")
        return octets[:length]

    async def create(self, file: int, length: int) -> None:
        await self._driver.call(CreateNvmemEntry(file, length))

    async def write(self, file: int, octets: bytes, offset: int = 0) -> None:
        """In pieces the chip takes. Raises CommandError."""
        for start in range(0, len(octets), WriteNvmem.LARGEST):
            piece = octets[start : start + WriteNvmem.LARGEST]
            message = WriteNvmem(file, piece, offset + start)
            ok("write to memory", await self._driver.call(message))
