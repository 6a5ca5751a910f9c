"""Behind `tessel.node.stream`: Readable, Writable, Duplex and Transform, pipes and pipelines.

Programs import `tessel.stream`, which exports all that is public here.
"""
