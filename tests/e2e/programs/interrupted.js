'use strict';

/**
 * interrupted.js HOST ENDLESS_PORT ECHO_PORT: a download without an end, and what ends it.
 *
 * After that it tries an echo, again and again, until it works.
 */

const net = require('net');

const RETRY_MS = 300;
const [host, endlessPort, echoPort] = process.argv.slice(2);

function download() {
  const socket = net.connect(Number(endlessPort), host);
  socket.once('data', () => console.log('receiving'));
  socket.on('data', () => {});
  socket.on('end', () => console.log('end'));
  socket.on('error', (error) => console.log('error', error.code));
  socket.on('close', () => console.log('close'));
  socket.on('close', echo);
}

function echo() {
  const socket = net.connect(Number(echoPort), host);
  socket.on('data', (data) => console.log('echo', String(data)));
  socket.on('error', () => setTimeout(echo, RETRY_MS));
  socket.end('again');
}

download();
