'use strict';

// Backpressure: writes that must wait for drain, and readers that pause, read by hand, or stall.

const crypto = require('crypto');
const net = require('net');
const { host, ports } = require('./at');

const ended = (socket) => new Promise((resolve) => { socket.on('close', resolve); });
const MORE = 8 * 1024 * 1024;

(async () => {
  const up = net.connect(ports.slow, host);
  let sent = 0;
  let drains = 0;
  const fill = () => {
    while (sent < MORE) {
      sent += 65536;
      if (!up.write(Buffer.alloc(65536))) return;
    }
    up.end();
  };
  up.on('drain', () => { drains += 1; fill(); });
  let answer = '';
  up.on('data', (bytes) => { answer += bytes; });
  fill();
  console.log('up', 'stalls', sent < MORE);
  await ended(up);
  console.log('up', Number(answer) === sent, drains > 1, up.bytesWritten === sent);

  const paused = net.connect(ports.push, host, () => paused.write(`${MORE}`));
  let came = 0;
  let pauses = 0;
  paused.on('data', (bytes) => {
    came += bytes.length;
    if (pauses > 20) return;
    pauses += 1;
    paused.pause();
    setTimeout(() => paused.resume(), 1);
  });
  await ended(paused);
  console.log('paused', came, paused.bytesRead, pauses);

  for (const highWaterMark of [1024, undefined, 1024 * 1024]) {
    for (const size of [700, 300_000]) {
      if (size > highWaterMark) continue;
      const manual = net.connect({ port: ports.push, host, highWaterMark }, () => manual.write('2000000'));
      const pieces = [];
      manual.on('readable', () => {
        let piece;
        while ((piece = manual.read(size)) !== null) pieces.push(piece);
      });
      await ended(manual);
      const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
      console.log('manual', highWaterMark, size, total, pieces.slice(0, -1).every((piece) => piece.length === size));
    }
  }

  const stalled = net.connect(ports.push, host, () => stalled.write(`${MORE}`));
  stalled.pause();
  const other = net.connect(ports.push, host, () => other.write('1000000'));
  const hash = crypto.createHash('sha1');
  other.pipe(hash);
  await ended(other);
  console.log('other', other.bytesRead, hash.digest('hex').length);
  stalled.resume();
  await ended(stalled);
  console.log('stalled', stalled.bytesRead);

  const iterated = net.connect(ports.push, host, () => iterated.write('500000'));
  let seen = 0;
  for await (const piece of iterated) seen += piece.length;
  console.log('iterated', seen);

  const blocked = net.connect(ports.push, host, () => blocked.write(`${MORE}`));
  blocked.once('data', () => { for (const until = Date.now() + 200; Date.now() < until;); });
  blocked.resume();
  await ended(blocked);
  console.log('blocked', blocked.bytesRead);
})();
