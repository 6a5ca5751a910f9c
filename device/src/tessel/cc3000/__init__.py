"""TI's CC3000, driven from its pins: bytes on a bus below, sockets and Wi-Fi above."""
