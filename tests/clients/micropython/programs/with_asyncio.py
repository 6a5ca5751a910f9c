"""A program whose tasks have a connection each, by asyncio's own streams."""

import asyncio
import sys

import tunneled  # noqa: F401

HOST, PORT = sys.argv[1], int(sys.argv[2])


async def ask(number):
    reader, writer = await asyncio.open_connection(HOST, PORT)
    line = b"task %d says %s\n" % (number, b"x" * 2000)
    writer.write(line)
    await writer.drain()
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer == line


async def main():
    print(await asyncio.gather(*[ask(number) for number in range(4)]))


asyncio.run(main())
