"""A process whose time of day is set while it runs, without touching the machine's clock.

A library that is loaded before all others adds an offset to CLOCK_REALTIME. It reads the offset
from a file, so that a test can change it at any moment. CLOCK_MONOTONIC stays as it is.
"""

import os
import shutil
import subprocess
import sys

import pytest

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset_s;

__attribute__((constructor)) static void look_for_the_offset(void)
{
    const char *name = getenv("CLOCK_OFFSET_FILE");
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    if (mapped != MAP_FAILED) offset_s = mapped;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int failed = (int) syscall(SYS_clock_gettime, id, now);
    if (!failed && offset_s && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset_s;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;
    (void) zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also)
{
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    if (also) *also = precise.tv_sec;
    return precise.tv_sec;
}
"""


class SetClock:
    """A clock for one process: pass `environ` to it; `set` changes its time of day."""

    def __init__(self, folder):
        if not sys.platform.startswith("linux"):
            pytest.skip("the library that shifts the time of day is for Linux")
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler (cc) to build the library that shifts the time of day")
        source, library = folder / "set_clock.c", folder / "set_clock.so"
        source.write_text(SOURCE)
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source]
        subprocess.run(command, check=True, timeout=60)
        self._offset = folder / "clock_offset"
        self._offset.write_bytes(bytes(8))
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._offset)}

    def set(self, offset_s):
        """Set the clock this many seconds ahead of the machine's; behind it, if negative."""
        data = offset_s.to_bytes(8, sys.byteorder, signed=True)
        with self._offset.open(
            "r+b"
        ) as file:  # written in place, because the process has mapped this file
            os.pwrite(file.fileno(), data, 0)
