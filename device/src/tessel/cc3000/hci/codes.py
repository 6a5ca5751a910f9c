"""The numbers of the chip's protocol: opcodes, events, results, options."""

from __future__ import annotations

from enum import IntEnum


class Opcode(IntEnum):
    """Opcodes of commands. The event that answers a command has the same opcode."""

    WLAN_CONNECT = 0x0001
    WLAN_DISCONNECT = 0x0002
    SET_SCAN_PARAMETERS = 0x0003
    SET_CONNECTION_POLICY = 0x0004
    ADD_PROFILE = 0x0005
    DELETE_PROFILE = 0x0006
    GET_SCAN_RESULTS = 0x0007
    EVENT_MASK = 0x0008
    STATUS_GET = 0x0009
    SMART_CONFIG_START = 0x000A
    SMART_CONFIG_STOP = 0x000B
    SMART_CONFIG_SET_PREFIX = 0x000C
    NVMEM_READ = 0x0201
    NVMEM_CREATE_ENTRY = 0x0203
    READ_SP_VERSION = 0x0207
    SOCKET = 0x1001
    BIND = 0x1002
    RECV = 0x1004
    ACCEPT = 0x1005
    LISTEN = 0x1006
    CONNECT = 0x1007
    SELECT = 0x1008
    SET_SOCKET_OPTION = 0x1009
    GET_SOCKET_OPTION = 0x100A
    CLOSE_SOCKET = 0x100B
    RECV_FROM = 0x100D
    GET_HOST_BY_NAME = 0x1010
    MDNS_ADVERTISE = 0x1011
    DHCP = 0x2001
    PING_SEND = 0x2002
    PING_REPORT = 0x2003
    PING_STOP = 0x2004
    IP_CONFIG = 0x2005
    ARP_FLUSH = 0x2006
    SET_DEBUG_LEVEL = 0x2008
    SET_TIMERS = 0x2009
    START = 0x4000
    READ_BUFFER_SIZE = 0x400B


class DataOpcode(IntEnum):
    """Opcodes of data packets, one byte each."""

    SEND = 0x81
    SEND_TO = 0x83
    RECEIVED_FROM = 0x84
    RECEIVED = 0x85
    NVMEM_WRITE = 0x90
    NVMEM = 0x91


class EventOpcode(IntEnum):
    """Opcodes of events that do not answer a command with the same opcode."""

    NVMEM_WRITTEN = 0x0202
    PATCHES_REQUEST = 0x1000
    SENT = 0x1003
    SENT_TO = 0x100F
    FREE_BUFFERS = 0x4100
    WLAN_CONNECTED = 0x8001
    WLAN_DISCONNECTED = 0x8002
    WLAN_INIT = 0x8004
    DHCP_DONE = 0x8010
    PING_REPORTED = 0x8040
    SMART_CONFIG_DONE = 0x8080
    KEEPALIVE = 0x8200
    TCP_CLOSE_WAIT = 0x8800


class Code(IntEnum):
    """Error codes of the chip: negative values in place of a result."""

    FAILED = -1
    PENDING = -2  # accept: no connection yet
    INACTIVE = -57  # the peer or a timer has closed the socket, or it was never connected
    ARP_IN_PROCESS = -58
    NOT_CONNECTED = -59  # to an access point
    CANNOT_SEND = -60
    NAME_NOT_FOUND = -69
    NAME_BAD_ID = -75
    INVALID_NAME = -85
    ARP_FAILED = -95
    RECV_TIMED_OUT = -118
    NOT_LISTENING = -119
    TIMED_OUT = -121
    NO_SUCH_SOCKET = -122
    TCP_OPEN_FAILED = -124
    NOT_SUPPORTED = -126
    SOCKET_EXISTS = -127
    NO_MORE_SOCKETS = -128
    ALREADY_DISCONNECTED = -129
    NO_RESOURCES = -150


class Option(IntEnum):
    """Socket options, all at level 0xffff. For on/off options the value 0 means on."""

    RECV_NONBLOCK = 0
    RECV_TIMEOUT_MS = 1
    ACCEPT_NONBLOCK = 2


OPTION_ON, OPTION_OFF = 0, 1
OPTION_LEVEL = 0xFFFF


class SocketKind(IntEnum):
    """Kinds of socket, as numbered in `OpenSocket`."""

    STREAM = 1
    DATAGRAM = 2


TCP, UDP = 6, 17  # protocols of IP
AF_INET = 2


class Security(IntEnum):
    """Kinds of security of a Wi-Fi network."""

    OPEN = 0
    WEP = 1
    WPA = 2
    WPA2 = 3


class WlanStatus(IntEnum):
    """States of the Wi-Fi connection, as the chip reports them."""

    DISCONNECTED = 0
    SCANNING = 1
    CONNECTING = 2
    CONNECTED = 3


class NvmemFile(IntEnum):
    """Numbers of the files in the chip's non-volatile memory."""

    MAC = 6
