'use strict';

/**
 * steered.js PORT: connects until it is ended, and prints each connection and each error.
 *
 * It writes all the time, and reads no more than the buffer of its socket: then errors are easily lost.
 */

const net = require('net');

const AGAIN_MS = 100;
const WRITE_MS = 20;

function connect() {
  const socket = net.connect(Number(process.argv[2]), '127.0.0.1');
  let isFull = false;
  const writing = setInterval(() => {
    socket.write('x'.repeat(1000));
    if (isFull || socket.readableLength < socket.readableHighWaterMark) return;
    isFull = true;
    console.log('connected');
  }, WRITE_MS);
  socket.on('error', (error) => console.log(error.message));
  socket.on('close', () => {
    clearInterval(writing);
    setTimeout(connect, AGAIN_MS);
  });
}

connect();
