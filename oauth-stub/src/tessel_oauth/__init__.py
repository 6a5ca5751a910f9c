"""A stand-in for the Tessel token server."""
