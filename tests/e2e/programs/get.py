"""get.py URL [direct]: prints what the page holds. An error ends it, as nobody listens for one."""

import sys
from urllib.parse import urlsplit

from tessel import http, https

url, *way = sys.argv[1:]
client = https if urlsplit(url).scheme == "https" else http


def print_page(response):
    response.set_encoding("utf8")
    response.on("data", lambda text: print(text, end=""))


client.get(url, {"proxy": False} if way == ["direct"] else {}, print_page)
