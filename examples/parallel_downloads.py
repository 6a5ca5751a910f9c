"""Twenty downloads at once, over one tunnel.

    tessel run --env PROXY_HOST=... --env PROXY_TOKEN=... examples/parallel_downloads.py URL

Prints the size and SHA-256 of each, and fails if they differ. Each download has its own socket, but
all sockets share one connection to the proxy. Without a proxy the fifth socket fails, because the
simulated chip has only four: ENOENT: Cannot open another socket.
"""

import hashlib
import sys

from tessel import http

DOWNLOADS = 20

if len(sys.argv) != 2:
    print("usage: tessel run examples/parallel_downloads.py URL", file=sys.stderr)
    sys.exit(2)
url = sys.argv[1]
sums = []


def download(number):
    digest = hashlib.sha256()
    size = 0

    def add(data):
        nonlocal size
        size += len(data)
        digest.update(data)

    def finished():
        print(f"download {number:2}: {size} bytes, SHA-256 {digest.hexdigest()}")
        sums.append((size, digest.hexdigest()))
        if len(sums) == DOWNLOADS:
            compare()

    def answered(response):
        if response.status_code != 200:
            sys.exit(f"download {number}: {response.status_code} {response.status_message}")
        # `end` comes only if all of it came: a download that was cut is an error instead,
        # and as nobody here listens for errors, one ends the program with exit code 1.
        response.on("data", add)
        response.on("end", finished)

    http.get(url, answered)


def compare():
    if len(set(sums)) > 1:
        sys.exit("the downloads differ")
    print(f"all {DOWNLOADS} are the same")


for number in range(1, DOWNLOADS + 1):
    download(number)
