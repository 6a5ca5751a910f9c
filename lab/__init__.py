"""The whole system to try things on: target sites, deployments, and what the proxy logged.

The demo and the tests share it. It is not installed: run it from the root of the repository.
"""
