"""Run a JavaScript program: Node is a child process, and this device is its network.

The room's JavaScript, which Node loads before the program, is in `runtime/`.
"""

from tessel.javascript.program import IJavaScriptReactor, JavaScriptProgram

__all__ = ["IJavaScriptReactor", "JavaScriptProgram"]
