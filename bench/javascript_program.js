'use strict';

// The client of bench/javascript.py; javascript_program.py does the same in Python.
//
// usage: tessel run bench/javascript_program.js D|U|E|O PORT COUNT
//
// D, U: transfer COUNT bytes. E: echo a byte COUNT times. O: hold COUNT open sockets at once.
// It prints the seconds from the start of the transfer, or the median seconds of an echo.

const net = require('net');

const PIECE = Buffer.alloc(65_536);
const [way, port, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const connect = (connected) => net.connect({ port, host: '127.0.0.1', noDelay: true }, connected);
const now = () => performance.now() / 1000;

function order(letter, nbytes) {
  const bytes = Buffer.alloc(9);
  bytes.write(letter);
  bytes.writeBigUInt64BE(BigInt(nbytes), 1);
  return bytes;
}

function transfer() {
  let left = way === 'U' ? count : 0;
  let due = way === 'D' ? count : 1; // one byte answers an upload
  let begun;
  const fill = () => {
    while (left > 0) {
      const piece = PIECE.subarray(0, left);
      left -= piece.length;
      if (!socket.write(piece)) return;
    }
  };
  const socket = connect(() => {
    begun = now();
    socket.write(order(way, count));
    fill();
  });
  socket.on('drain', fill);
  socket.on('data', (bytes) => { due -= bytes.length; });
  socket.on('end', () => {
    if (due !== 0) throw new Error(`${due} bytes are missing`);
    console.log(now() - begun);
  });
}

function echo() {
  const times = [];
  let begun;
  const ask = () => {
    begun = now();
    socket.write('x');
  };
  const socket = connect(() => {
    socket.write(order('E', 0));
    ask();
  });
  socket.on('data', () => {
    times.push(now() - begun);
    if (times.length < count) ask();
    else {
      socket.end();
      console.log(times.sort((a, b) => a - b)[count >> 1]);
    }
  });
}

function open() {
  const begun = now();
  const sockets = [];
  let answered = 0;
  for (let number = 0; number < count; number += 1) {
    const socket = connect(() => socket.write(Buffer.concat([order('E', 0), Buffer.from('x')])));
    sockets.push(socket);
    socket.on('data', () => {
      answered += 1;
      if (answered < count) return;
      console.log(now() - begun);
      for (const each of sockets) each.end();
    });
  }
}

({ D: transfer, U: transfer, E: echo, O: open })[way]();
