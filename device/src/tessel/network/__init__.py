"""Which way a connection goes, and the ways there are: directly, or through the tunnel."""
