"""The ports of a site that is the only one on its host, such as in a container."""

FIXED_PORTS = {
    "http": 80,  # the sample of the original names no port
    "https": 8443,
    "echo": 7001,
    "count": 7002,
    "source": 7003,
    "trickle": 7004,
    "reset": 7005,
    "farewell": 7006,
    "control": 8090,
}
