"""What the processes have in common: settings, log lines, the reactor, a life until a signal."""
