'use strict';

/**
 * upload.js HOST PORT BYTES: sends random bytes, ends, and prints its own sum and the target's.
 *
 * It writes while `write` returns true, and then waits for `drain`.
 */

const crypto = require('crypto');
const net = require('net');

const BLOCK = 64 * 1024;
const [host, port, nbytes] = process.argv.slice(2);
const digest = crypto.createHash('sha256');
let left = Number(nbytes);
let waits = 0;

function writeOn() {
  while (left > 0) {
    const block = crypto.randomBytes(Math.min(left, BLOCK));
    left -= block.length;
    digest.update(block);
    if (!socket.write(block)) {
      waits += 1;
      socket.once('drain', writeOn);
      return;
    }
  }
  socket.end();
}

const socket = net.connect(Number(port), host, writeOn);
socket.on('data', (data) => process.stdout.write(`counted ${data}`));
socket.on('close', () => {
  console.log('sent', nbytes, digest.digest('hex'));
  console.log('waited', waits);
});
