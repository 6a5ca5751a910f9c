"""A CC3000 made of code: the chip's side of the same octets, and the air behind it."""
