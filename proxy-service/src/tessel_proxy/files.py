"""Files that an operator names -> their bytes: as all services read them."""

from servicekit.files import FileError, octets_of

__all__ = ["FileError", "octets_of"]
