'use strict';

/**
 * Loaded by Node before a program for the board: replaces what opens connections.
 *
 * The device is the parent process. It answers everything here over the channel, whose descriptor
 * is in TESSEL_CHANNEL_FD.
 */

const fd = Number(process.env.TESSEL_CHANNEL_FD);
delete process.env.TESSEL_CHANNEL_FD;

// A standard stream may be a socket: Node makes it now, with its own class of sockets.
void [process.stdin, process.stdout, process.stderr];

const { Channel } = require('./channel');

const channel = new Channel(fd);
require('./net').install(channel);
require('./tls').install(channel);
require('./dns').install(channel, () => (process.env.RADIO === 'host' ? null : []));
require('./modules').install(channel);
require('module').syncBuiltinESMExports();
