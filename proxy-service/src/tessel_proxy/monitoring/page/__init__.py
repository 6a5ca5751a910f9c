"""The operator's page: the static files that a browser loads from the admin port.

`PAGE` has each file by its path, `error_page` makes the page of an error number, and
`SECURITY_HEADERS` go with all of them. The files are the same in every installation and hold
nothing about this one: what the page shows comes from the API, after log-in. There is no build
step; `files/` is what a browser gets.
"""

from tessel_proxy.monitoring.page.errors import error_page
from tessel_proxy.monitoring.page.serving import PAGE, SECURITY_HEADERS, PageFile

__all__ = ["PAGE", "SECURITY_HEADERS", "PageFile", "error_page"]
