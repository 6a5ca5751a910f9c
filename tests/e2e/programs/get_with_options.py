"""get_with_options.py URL JSON: prints what the https page holds, asked for with these options."""

import json
import sys

from tessel import https

url, options = sys.argv[1:]


def print_page(response):
    response.set_encoding("utf8")
    response.on("data", lambda text: print(text, end=""))


https.get(url, json.loads(options), print_page)
