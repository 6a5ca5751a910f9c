"""What happens before and around serving: settings, checks, composition, listeners, reload."""
