"""Monitoring of a running proxy: health, readiness and metrics over HTTP."""
