"""Behind `tessel.node.net` and `tessel.node.tls`: sockets, servers and their options.

Programs import `tessel.net` and `tessel.tls`, which export all that is public here.
"""
