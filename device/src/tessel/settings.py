"""The table of settings: from it come what `--help` shows, and the hints about names misspelt."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

DEFAULT_LOCAL = (
    "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 127.0.0.0/8 localhost "
    "::1/128 fe80::/10 fc00::/7"
)
DEFAULT_PORT = 443  # passes most firewalls, though it is not HTTPS
DEFAULT_IDLE_MS = 90_000
DEFAULT_PING_INTERVAL_S = 15
DEFAULT_PING_TIMEOUT_S = 15
RADIOS = ("cc3000-sim", "host", "cc3000")  # the first is the default
PROFILES = ("cc3000", "cc3000-real-time", "ideal")
SECURITIES = ("unsecured", "wep", "wpa", "wpa2")  # as the Tessel's `wifi` names them
DEFAULT_SPI = "/dev/spidev0.0"
DEFAULT_CS, DEFAULT_IRQ, DEFAULT_POWER = "22", "23", "24"  # as docs/cc3000-hardware.md wires them
DEBUG_SETTING = "_PROXY_DBG"

HELP_COLUMNS = 98
LOOKALIKE = 0.85  # PROXI_HOST is one of ours misspelt, HTTP_PROXY is somebody else's


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as users know it: all variables that set it, the first of them first."""

    names: tuple[str, ...]
    default: str
    meaning: str


SETTINGS = (
    Setting(
        ("PROXY_HOST",),
        "",
        "the proxy's name or address. There is no default: a token without a host is a fault",
    ),
    Setting(("PROXY_PORT",), str(DEFAULT_PORT), "its port"),
    Setting(
        ("PROXY_TOKEN", "PROXY_TOKEN_FILE", "TM_API_KEY", "TM_API_KEY_FILE"),
        "",
        "the token, or a file that holds it; the first that is set counts. Without one nothing "
        "goes through the tunnel",
    ),
    Setting(
        ("PROXY_CERT", "PROXY_CERT_FILE"),
        "",
        "PEM text, or a file of it: the authority to trust for the proxy's certificate, instead "
        "of the system's",
    ),
    Setting(
        ("PROXY_TRUSTED",),
        "0",
        "other than 0: TLS sockets go through the tunnel, the proxy does the TLS and sees the "
        "plain text",
    ),
    Setting(
        ("PROXY_TLS",),
        "",
        "end-to-end: TLS sockets go through the tunnel, the device does the TLS with the target",
    ),
    Setting(
        ("PROXY_LOCAL",),
        DEFAULT_LOCAL,
        "targets that are always reached directly, separated by blanks or commas: networks (for "
        "targets given as addresses), exact names and addresses, .example.com for a domain and "
        "all below it",
    ),
    Setting(
        ("PROXY_IDLE",),
        str(DEFAULT_IDLE_MS),
        "milliseconds without an open socket after which the tunnel is closed",
    ),
    Setting(
        ("PING_INTERVAL_S",),
        str(DEFAULT_PING_INTERVAL_S),
        "seconds of silence after which the proxy, if it knows ping/1, is asked whether it is "
        "there; 0: never",
    ),
    Setting(
        ("PING_TIMEOUT_S",),
        str(DEFAULT_PING_TIMEOUT_S),
        "seconds for it to say anything at all, else the tunnel is lost",
    ),
    Setting(
        ("PROXY_DEVICE",),
        "",
        "a name of at most 64 characters for this one device, unique in its account: the proxy "
        "logs it, and ends an older tunnel of the same name",
    ),
    Setting(
        ("RADIO",),
        RADIOS[0],
        "host: the machine's own sockets; cc3000-sim: a simulated CC3000, down to its pins, with "
        "this machine's sockets behind it; cc3000: a real one",
    ),
    Setting(
        ("CC3000_PROFILE",),
        PROFILES[0],
        "what of a chip is simulated. cc3000: its limits and quirks; cc3000-real-time: its "
        "slowness, too; ideal: neither",
    ),
    Setting(("CC3000_SPI",), DEFAULT_SPI, "the SPI device that a real chip is connected to"),
    Setting(
        ("CC3000_GPIO_CS",),
        DEFAULT_CS,
        "the line of its chip select: number or name, with the GPIO chip before it if that is not "
        "gpiochip0, as in gpiochip4:22",
    ),
    Setting(("CC3000_GPIO_IRQ",), DEFAULT_IRQ, "the line of its interrupt, written alike"),
    Setting(("CC3000_GPIO_VBAT_EN",), DEFAULT_POWER, "the line that switches it on"),
    Setting(
        ("WIFI_SSID",),
        "",
        "the network that the chip joins. Unset, a program joins one itself; the simulated chip "
        "then is in the one that the simulation has, tesselnet",
    ),
    Setting(
        ("WIFI_SECURITY",),
        "",
        "unsecured, wep, wpa or wpa2; unset: wpa2 if there is a password",
    ),
    Setting(("WIFI_PASSWORD", "WIFI_PASSWORD_FILE"), "", "its password, or a file that holds it"),
    Setting(
        (DEBUG_SETTING,),
        "",
        "if set, tells on standard error which way each socket goes and why, and the tunnel's life",
    ),
)


def described(settings: Iterable[Setting] = SETTINGS) -> str:
    """The table as `--help` shows it."""
    return "\n".join(_paragraph(each) for each in settings)


def _paragraph(setting: Setting) -> str:
    default = f" (default: {setting.default})" if setting.default else ""
    text = textwrap.fill(
        setting.meaning + default,
        HELP_COLUMNS,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_on_hyphens=False,
    )
    return f"  {', '.join(setting.names)}\n{text}"


def lookalikes(environ: Iterable[str], settings: Iterable[Setting] = SETTINGS) -> list[str]:
    """A hint for each variable that is not a setting but was probably meant to be one."""
    known = [name for each in settings for name in each.names]
    return [
        f"{name if name.isprintable() else ascii(name)} is not a setting: is {meant} meant?"
        for name in sorted(set(environ) - set(known))
        if (meant := _meant(name, known)) is not None
    ]


def _meant(name: str, known: list[str]) -> str | None:
    return next(iter(get_close_matches(name.upper(), known, n=1, cutoff=LOOKALIKE)), None)
