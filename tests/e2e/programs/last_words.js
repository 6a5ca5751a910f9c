'use strict';

/** last_words.js HOST PORT COUNT: sends COUNT bytes, and exits in the same turn with code 9. */

const net = require('net');

const [host, port, count] = process.argv.slice(2);
const socket = net.connect(Number(port), host, () => {
  socket.write('x'.repeat(Number(count)));
  process.exit(9);
});
