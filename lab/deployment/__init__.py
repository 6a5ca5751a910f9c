"""The whole system, started on this machine (`local`) or in containers (`compose`)."""
