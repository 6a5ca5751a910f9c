"""Behind `tessel.node.http` and `tessel.node.https`: parser, wire, agent, requests and servers.

Programs import `tessel.http` and `tessel.https`, which export all that is public here.
"""
