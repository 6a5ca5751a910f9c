"""Files that an operator names -> their bytes: as all services read them."""

from servicekit.files import FileError, bytes_of

__all__ = ["FileError", "bytes_of"]
