"""visits.py URL...: request the pages one after another, and print them."""

import sys
from urllib.parse import urlsplit

from tessel import http, https


def visit(urls):
    if not urls:
        return
    url, *others = urls
    client = https if urlsplit(url).scheme == "https" else http

    def print_page(response):
        response.set_encoding("utf8")
        response.on("data", lambda text: print(f"{url} says: {text}", end=""))
        response.on("end", lambda: visit(others))

    client.get(url, print_page)


if len(sys.argv) < 2:
    print("usage: tessel run demo/visits.py URL...", file=sys.stderr)
    sys.exit(2)
visit(sys.argv[1:])
