"""A site for devices to connect to. It counts and records its connections."""
