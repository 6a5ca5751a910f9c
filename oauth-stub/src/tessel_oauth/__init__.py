"""A substitute for the Tessel token server, for development and tests."""
