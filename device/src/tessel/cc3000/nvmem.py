"""The chip's own memory: its MAC, and which service pack it runs."""

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
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def service_pack(self) -> ServicePack:
        return await self._driver.call(ReadServicePack())

    async def mac(self) -> bytes:
        return await self.read(NvmemFile.MAC, MAC_BYTES)

    async def read(self, file: int, length: int, offset: int = 0) -> bytes:
        _, data = await self._driver.fetch(ReadNvmem(file, length, offset))
        content = NvmemBytes.read(data).data if data is not None else b""
        if len(content) < length:
            raise NoiseError(f"{len(content)} bytes of the {length} asked for")
        return content[:length]

    async def create(self, file: int, length: int) -> None:
        await self._driver.call(CreateNvmemEntry(file, length))

    async def write(self, file: int, data: bytes, offset: int = 0) -> None:
        """In pieces the chip takes. Raises CommandError."""
        for start in range(0, len(data), WriteNvmem.LARGEST):
            piece = data[start : start + WriteNvmem.LARGEST]
            message = WriteNvmem(file, piece, offset + start)
            ok("write to memory", await self._driver.call(message))
