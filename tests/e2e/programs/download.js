'use strict';

/** download.js HOST PORT BYTES: asks a source for bytes; prints how many came and their sum. */

const crypto = require('crypto');
const net = require('net');

const [host, port, nbytes] = process.argv.slice(2);
const digest = crypto.createHash('sha256');
let received = 0;

const socket = net.connect(Number(port), host);
socket.on('data', (data) => {
  received += data.length;
  digest.update(data);
});
socket.on('end', () => console.log(received, digest.digest('hex')));
socket.write(`${nbytes}\n`);
