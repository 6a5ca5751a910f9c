'use strict';

/** killed.js HOST PORT: kills its own process when it is connected. */

const net = require('net');

const [host, port] = process.argv.slice(2);
net.connect(Number(port), host, () => process.kill(process.pid, 'SIGKILL'));
