"""One device's tunnel: its session and states, its token, its substreams, and its end.

Also holds the state that all tunnels of one proxy share.
"""
