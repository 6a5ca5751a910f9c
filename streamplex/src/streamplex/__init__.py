"""Many streams over one connection: the tunnel protocol of the Tessel 1 proxy."""
