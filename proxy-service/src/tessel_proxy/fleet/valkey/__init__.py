"""The state of a fleet in Valkey or Redis, for proxies on several hosts.

`engine.py` implements the interface, `lua/` has the scripts. Importing this package imports
txredisapi, which the extra `tessel-proxy[fleet]` installs; settings and address need nothing.
"""
