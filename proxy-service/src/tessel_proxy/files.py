"""Files that an operator names -> their bytes: as all services read them."""

from tessel_service_kit.files import FileError, bytes_of

__all__ = ["FileError", "bytes_of"]
