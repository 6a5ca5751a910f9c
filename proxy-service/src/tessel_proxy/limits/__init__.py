"""What may be had and used: by an account, by a source, by this process."""
