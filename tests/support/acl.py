"""Access control lists (ACLs) of files on Linux, without `setfacl`."""

import errno
import os
import struct

import pytest

ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"  # of a folder: what new files in it get

NOBODY = 0xFFFFFFFF  # an entry that names no user
OWNER, USER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
READ, WRITE = 4, 2


def allow_to(path, uid, kind=ACL):
    """Let one more user read the file, and not its group, as `setfacl --modify user:UID:r` does."""
    entries = [
        (OWNER, READ | WRITE, NOBODY),
        (USER, READ, uid),
        (GROUP, 0, NOBODY),
        (MASK, READ, NOBODY),
        (OTHERS, 0, NOBODY),
    ]
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, kind, struct.pack("<I", 2) + packed)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("this file system has no ACLs")
