"""Files that the proxy reads again while it serves.

`Reloadable` is the interface of what can be reloaded, and `stamps_of` notices changed files.
`ReadAgain`, `held_until_restart` and `passphrase_in` read files that hold secrets.
"""

from tessel_proxy.files.reloadable import Reloadable, Warns, stamps_of
from tessel_proxy.files.secret_files import ReadAgain, held_until_restart, passphrase_in

__all__ = ["ReadAgain", "Reloadable", "Warns", "held_until_restart", "passphrase_in", "stamps_of"]
