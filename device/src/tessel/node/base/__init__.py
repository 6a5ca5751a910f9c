"""Shared by the modules of `tessel.node`: the runtime of the board that is on, handles that keep a
program alive, checks of arguments, encodings, and warnings about a radio's capabilities.
"""
