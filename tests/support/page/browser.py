"""A tab of a real Chromium on the operator's page, with what it must never do."""

import os
import shutil
from contextlib import contextmanager

from support.page.stand_in_api import TOKEN

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
TIMEOUT_MS = 15_000  # for anything to appear; a busy machine takes seconds
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}


@contextmanager
def chromium(playwright):
    """Run Debian's Chromium without a window."""
    # its sandbox does not work for root, as in containers
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
    try:
        yield browser
    finally:
        browser.close()


class Tab:
    """One tab, which records errors of the console and requests to other addresses."""

    def __init__(self, context, url):
        self.url = url
        self.page = context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.errors = []  # of the console, and exceptions
        self.elsewhere = []  # requests to anywhere else
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._requested)

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _requested(self, request):
        if not request.url.startswith(self.url):
            self.elsewhere.append(request.url)

    def open(self, view=""):
        """Open a view by its address, and wait until the page runs."""
        self.page.goto(self.url + (f"#/{view}" if view else ""))
        self.page.wait_for_selector("#login:not([hidden]), #app:not([hidden])")

    def log_in(self, view="tunnels", token=TOKEN):
        """Log in, and wait until the view is live."""
        self.open(view)
        self.page.fill("#token", token)
        self.page.press("#token", "Enter")
        self.page.wait_for_selector("#connection[data-state=live]")

    def shown(self, text):
        """Wait until this text is visible."""
        self.page.get_by_text(text).first.wait_for(state="visible")

    def until(self, expression, value=None):
        """Wait until a JavaScript expression is true."""
        self.page.wait_for_function(expression, arg=value)

    def has_rows(self, count):
        """Wait until the list has this many rows in view."""
        rows = "document.querySelectorAll('.grid-space .grid-row:not([hidden])')"
        self.until(f"(count) => {rows}.length === count", count)

    @property
    def devices(self):
        """The names in the rows of the list that are elements now, from top to bottom."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll(".grid-space .grid-row:not([hidden])")]
                .sort((a, b) => a.dataset.index - b.dataset.index)
                .map((row) => row.querySelector(".name").textContent)"""
        )

    def row(self, name):
        """Return the row of a device, an account or a refusal."""
        return self.page.locator(".grid-space .grid-row:visible", has_text=name).first

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def focused(self):
        """What a screen reader would say of the focused element."""
        return self.page.evaluate(
            """() => { const e = document.activeElement;
                return e.getAttribute("aria-label")
                    ?? e.labels?.[0]?.textContent ?? e.textContent; }"""
        )

    def tab_to(self, name, most=40):
        """Press Tab until the element of this name has the focus."""
        for _ in range(most):
            if self.focused == name:
                return
            self.press("Tab")
        raise AssertionError(f"{most} times Tab did not reach {name!r}; now at {self.focused!r}")
