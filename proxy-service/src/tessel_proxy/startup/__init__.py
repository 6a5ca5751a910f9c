"""Start the proxy: read and check the settings, build all parts, listen, reload, stop.

`get_ready` reads the settings, the files and the plug-in, and returns the checked parts as a
`Ready`. `ProxyService` joins these parts, and starts and stops the proxy.
"""

from tessel_proxy.startup.command_line import parser
from tessel_proxy.startup.composition import IProxyReactor, ProxyService
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.preparation import Ready, get_ready

__all__ = ["Config", "IProxyReactor", "ProxyService", "Ready", "get_ready", "parser"]
