"""Traces by OpenTelemetry: each tunnel with its substreams, and the steps that open their targets.

`spans` makes the spans, `exporting` sends them to a collector. Both need the packages that the
extra `tessel-proxy[otel]` installs, so that they are imported only with
OTEL_EXPORTER_OTLP_ENDPOINT. Without it, nothing here runs.
"""

from tessel_proxy.monitoring.tracing.choice import require_packages, traces_of

__all__ = ["require_packages", "traces_of"]
