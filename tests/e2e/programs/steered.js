'use strict';

/** steered.js PORT: connects until it is ended, and prints each connection and each error. */

const net = require('net');

const AGAIN_MS = 100;

function connect() {
  const socket = net.connect(Number(process.argv[2]), '127.0.0.1', () => socket.write('hello'));
  socket.on('data', () => console.log('connected'));
  socket.on('error', (error) => console.log(error.message));
  socket.on('close', () => setTimeout(connect, AGAIN_MS));
}

connect();
