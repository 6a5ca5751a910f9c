'use strict';

// The same transfers as device_program.py, by a program in JavaScript.
//
// usage: tessel run bench/device_program.js D|U PORT BYTES
//
// It prints a JSON object: seconds, and CPU seconds of this process and of the device.

const fs = require('fs');
const net = require('net');

const TICKS_PER_S = 100; // Linux's USER_HZ
const PIECE = Buffer.alloc(65_536);
const [direction, port, nbytes] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

/** CPU seconds of this process and of its parent, the device. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  const fields = fs.readFileSync(`/proc/${process.ppid}/stat`, 'latin1').replace(/.*\) /, '').split(' ');
  return (user + system) / 1e6 + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

let left = direction === 'U' ? nbytes : 0;
let due = direction === 'D' ? nbytes : 1; // one byte answers an upload
let begun;

const socket = net.connect(port, '127.0.0.1', () => {
  begun = [performance.now(), cpuSeconds()];
  const order = Buffer.alloc(9);
  order.write(direction);
  order.writeBigUInt64BE(BigInt(nbytes), 1);
  socket.write(order);
  fill();
});

function fill() {
  while (left > 0) {
    const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
    left -= piece.length;
    if (!socket.write(piece)) return;
  }
}

socket.on('drain', fill);
socket.on('data', (bytes) => { due -= bytes.length; });
socket.on('end', () => {
  if (due !== 0) throw new Error(`${due} bytes are missing`);
  console.log(JSON.stringify({ seconds: (performance.now() - begun[0]) / 1000, cpu_s: cpuSeconds() - begun[1] }));
});
