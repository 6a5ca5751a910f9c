'use strict';

/** events.js HOST PORT: says one word to a TCP service and prints what happens, an event a line. */

const net = require('net');

const [host, port] = process.argv.slice(2);
const socket = net.connect(Number(port), host);
socket.on('connect', () => console.log('connect'));
socket.on('data', (data) => console.log('data', data.length));
socket.on('end', () => console.log('end'));
socket.on('error', (error) => console.log('error', error.code, error.message));
socket.on('close', () => console.log('close'));
socket.write('hello');
