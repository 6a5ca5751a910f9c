"""Code that the services share: settings, logs, a monotonic reactor, and the run of a service."""
