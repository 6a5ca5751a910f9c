'use strict';

/** many.js HOST PORT COUNT: opens that many sockets, and uses none before all stand. */

const assert = require('assert');
const net = require('net');

const [host, port, count] = [process.argv[2], ...process.argv.slice(3).map(Number)];
let standing = 0;
let echoed = 0;

function oneStands() {
  standing += 1;
  if (standing < count) return;
  console.log('all stand');
  for (const { socket, word } of sockets) socket.end(word);
}

function compare(word, heard) {
  assert.strictEqual(Buffer.concat(heard).toString(), word);
  echoed += 1;
  if (echoed === count) console.log('all heard their own word');
}

function openOne(number) {
  const word = `socket ${number}`.repeat(1000);
  const heard = [];
  const socket = net.connect(port, host, oneStands);
  socket.on('data', (data) => heard.push(data));
  socket.on('end', () => compare(word, heard));
  return { socket, word };
}

const sockets = Array.from({ length: count }, (_, number) => openOne(number));
