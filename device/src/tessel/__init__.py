"""A simulated Tessel runtime: what a program on the device imports."""
