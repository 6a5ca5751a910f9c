"""Behind `tessel.node.wifi`: the board's Wi-Fi as an EventEmitter, and the options of `connect`.

Programs import `tessel.wifi`, which exports all that is public here.
"""
