"""What services have in common: settings from the environment, log lines, a life until a signal."""
