"""Whether there are traces: OpenTelemetry's packages are imported only if a setting asks for it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

from tessel_proxy.monitoring.tracing.settings import TracingSettings
from tessel_proxy.records.repeated_lines import LogLines
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.settings import ConfigError

if TYPE_CHECKING:
    from tessel_proxy.monitoring.tracing.exporting import Traces

HOW: Final = "`pip install 'tessel-proxy[otel]'`"
PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class ITracingReactor(IReactorTime, IReactorFromThreads):
    """The reactor interfaces that traces use."""


def require_packages(settings: TracingSettings) -> None:
    """Raise ConfigError if traces are asked for, and their packages are not installed."""
    if settings.otel_exporter_otlp_endpoint is not None and not all(map(_is_installed, PACKAGES)):
        raise ConfigError(
            [f"OTEL_EXPORTER_OTLP_ENDPOINT needs the packages {' and '.join(PACKAGES)}: {HOW}"]
        )


def traces_of(
    settings: TracingSettings, reactor: ITracingReactor, wall_time: WallTime, lines: LogLines
) -> Traces | None:
    """Return what traces this process; None without OTEL_EXPORTER_OTLP_ENDPOINT.

    `lines` decides whether a line about a failure to send is written.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    # Not imported without the setting: the packages may be missing, and take memory.
    from tessel_proxy.monitoring.tracing.exporting import Traces  # noqa: PLC0415

    return Traces(
        settings.otel_exporter_otlp_endpoint,
        settings.otel_traces_sampler_arg,
        reactor,
        wall_time,
        lines,
    )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False
