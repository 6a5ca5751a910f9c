"""What host and chip say to each other, in both directions: packets, commands, replies, events."""
