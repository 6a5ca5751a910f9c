"""Make and read certificates: `tessel-proxy make-cert`, and PEM files for other rooms.

`make_files` writes a server's certificate and key, and an authority if there is none yet. Import
it from its module: this one is also imported by rooms that only read certificates.
"""

from tessel_proxy.certificates.pem import certificates_in, key_in, out_of_date, read_pem

__all__ = ["certificates_in", "key_in", "out_of_date", "read_pem"]
