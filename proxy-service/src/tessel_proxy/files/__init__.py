"""Files that the proxy reads again while it serves."""
