'use strict';

// The order of a socket's events and callbacks, and what it says of itself meanwhile.

const net = require('net');
const { follow, host, later, ports } = require('./at');

(async () => {
  const fresh = new net.Socket();
  console.log('fresh', fresh.readyState, fresh.pending, fresh.connecting, fresh.bytesRead, fresh.bytesWritten,
    fresh.remoteAddress, fresh.address(), fresh.timeout);

  const echo = net.connect(ports.echo, host, () => console.log('echo', 'callback', echo.bytesWritten));
  console.log('echo', echo.readyState, echo.pending, echo.connecting, echo.remoteAddress);
  echo.write('a', () => console.log('echo', 'a written', echo.bytesWritten));
  echo.write('bc', 'utf8', () => console.log('echo', 'bc written'));
  console.log('echo', 'queued', echo.bytesWritten, echo.writableLength, echo.bufferSize);
  echo.once('data', () => echo.end('d', () => console.log('echo', 'ended')));
  await follow('echo', echo);
  console.log('echo', echo.bytesRead, echo.bytesWritten, echo.remoteAddress, echo.readyState, echo.destroyed);

  const greeted = net.connect({ port: String(ports.greet), host });
  await follow('greet', greeted);
  greeted.write('after', (error) => console.log('greet', 'after', error.code));
  await later(20);

  const named = net.connect(ports.greet, process.env.NAME || 'localhost');
  named.on('lookup', (error, address, family, name) => console.log('lookup', error, typeof family, name));
  await follow('named', named);

  const ticks = net.connect(ports.greet, host);
  ticks.on('connect', () => {
    process.nextTick(() => console.log('ticks', 'tick of connect'));
    Promise.resolve().then(() => console.log('ticks', 'promise of connect'));
  });
  ticks.on('data', () => Promise.resolve().then(() => console.log('ticks', 'promise of data')));
  ticks.on('end', () => process.nextTick(() => console.log('ticks', 'tick of end')));
  await follow('ticks', ticks);
})();
