"""What the modules of `tessel.node` share: the runtime of the board that is on, the handles that
keep a program alive, checks of arguments, encodings, and warnings about a radio's capabilities.
"""
