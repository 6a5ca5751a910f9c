"""Code that the services share: settings, logs, a monotonic reactor, and a run until a signal."""
