"""`make page-screenshots`: the pictures of docs/operators-page.md, anew. Needs pngquant.

With `--serve` it only serves the invented fleet, for work on the page: change a file, restart, and
reload. The token is printed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from support.page.browser import DESKTOP, PHONE, Tab, chromium
from support.page.sample_fleet import sample_fleet
from support.page.stand_in_api import TOKEN

IMAGES = Path(__file__).parents[3] / "docs" / "images"
FILL_MS = 5_000  # until the list of the latest refusals has some rows
DEVICE = "camera-69"


def main():
    api = sample_fleet()
    if "--serve" in sys.argv:
        sys.stdout.write(f"{api.url}\ntoken: {TOKEN}\n")
        sys.stdout.flush()
        api.closing.wait()
        return
    with sync_playwright() as playwright, chromium(playwright) as browser:
        for scheme in ("light", "dark"):
            _desktop(browser, api.url, scheme)
            _phone(browser, api.url, scheme)


def _desktop(browser, url, scheme):
    tab = Tab(browser.new_context(viewport=DESKTOP, color_scheme=scheme), url)
    tab.log_in("overview")
    tab.page.wait_for_timeout(FILL_MS)
    _save(tab, f"overview-{scheme}")
    _open_device(tab)
    _save(tab, f"tunnel-{scheme}")


def _phone(browser, url, scheme):
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, device_scale_factor=2)
    tab = Tab(context, url)
    tab.log_in("overview")
    tab.page.locator("canvas").first.wait_for()
    _save(tab, f"overview-phone-{scheme}")
    tab.open("tunnels")
    tab.page.wait_for_timeout(1_000)
    _save(tab, f"tunnels-phone-{scheme}")
    _open_device(tab)
    tab.page.get_by_role("button", name="Refuse…").click()
    _save(tab, f"refuse-phone-{scheme}")


def _open_device(tab):
    tab.open("tunnels")
    tab.row(DEVICE[:6]).click()
    tab.shown("api.example.com:443")


def _save(tab, name):
    tab.page.mouse.move(0, 0)
    path = IMAGES / f"{name}.png"
    tab.page.screenshot(path=path)
    pngquant = shutil.which("pngquant")
    assert pngquant, "no pngquant; Debian: apt-get install pngquant"
    quality = ("--quality", "60-95", "--strip", "--force")
    subprocess.run([pngquant, *quality, "--output", path, path], check=True)


if __name__ == "__main__":
    main()
