"""Behind `tessel.node.dgram`: UDP sockets, their options, and the queue of datagrams to send.

Programs import `tessel.dgram`, which exports all that is public here.
"""
