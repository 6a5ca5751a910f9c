"""A CC3000 made of code: the chip's side of the same bytes, and the air behind it."""
