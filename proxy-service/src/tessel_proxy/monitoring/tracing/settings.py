"""Settings of traces. Their names are OpenTelemetry's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tessel_service_kit.parsers import optional
from tessel_service_kit.settings import Settings, setting

_SHARE: Final = re.compile(r"0(?:\.[0-9]+)?|1(?:\.0+)?|\.[0-9]+")


def collector_url(text: str) -> str:
    """Parse the URL of a collector, without a slash at its end."""
    found = urlsplit(text)
    if found.scheme not in ("http", "https") or not found.hostname or found.username is not None:
        raise ValueError("http://HOST:PORT or https://HOST:PORT, without a user or password")
    return text.rstrip("/")


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    if not _SHARE.fullmatch(text):
        raise ValueError("a number from 0 to 1")
    return float(text)


@dataclass(frozen=True, kw_only=True)
class TracingSettings(Settings):
    """The settings of traces. The packages read further OTEL_ variables themselves."""

    otel_exporter_otlp_endpoint: str | None = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "URL of an OpenTelemetry collector that gets traces by OTLP over HTTP, for example "
        "http://127.0.0.1:4318; unset: no traces. Needs `pip install tessel-proxy[otel]`",
        optional(collector_url),
    )
    otel_traces_sampler_arg: float = setting(
        "OTEL_TRACES_SAMPLER_ARG",
        "1",
        "share of the tunnels that are traced, each with all of its substreams, from 0 to 1",
        share,
    )
