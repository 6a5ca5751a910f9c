'use strict';

/** farewell.js HOST PORT WORDS: reads until its peer has ended, and only then sends something. */

const net = require('net');

const [host, port, words] = process.argv.slice(2);
const socket = net.connect({ host, port: Number(port), allowHalfOpen: true });
socket.on('data', (data) => process.stdout.write(`heard ${data}`));
socket.on('end', () => console.log('end'));
socket.on('end', () => socket.end(words));
socket.on('close', () => console.log('close'));
