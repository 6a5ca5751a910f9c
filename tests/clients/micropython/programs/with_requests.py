"""A program that fetches pages with `requests`: only the first import is for the tunnel."""

import sys

import tunneled  # noqa: F401
import requests

for url in sys.argv[1:]:
    response = requests.get(url, headers={"X-Board": "pico"})
    print(response.status_code, len(response.content))
    response.close()
