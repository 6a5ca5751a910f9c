'use strict';

// destroy in each state, and what becomes of writes that wait.

const net = require('net');
const { follow, host, later, ports, shown } = require('./at');

const written = (label) => (error) => console.log(label, 'written', error ? error.code : error);

(async () => {
  const never = new net.Socket();
  const ending = follow('never', never);
  never.destroy();
  await ending;

  const connecting = net.connect(ports.echo, host);
  connecting.write('x', written('connecting'));
  connecting.destroy();
  console.log('connecting', connecting.readyState, connecting.destroyed);
  await follow('connecting', connecting);

  const erring = net.connect(ports.echo, host);
  erring.destroy(new Error('mine'));
  await follow('erring', erring);

  for (const event of ['connect', 'ready', 'data', 'end', 'finish']) {
    const socket = net.connect(event === 'end' ? ports.greet : ports.echo, host);
    socket.write('x');
    if (event === 'finish') socket.end();
    socket.on(event, () => socket.destroy());
    await follow(`in ${event}`, socket);
  }

  const throwing = net.connect(ports.echo, host, () => throwing.destroy(new Error('in connect')));
  await follow('throwing', throwing);

  const pending = net.connect(ports.silent, host, () => {
    pending.write('a', written('pending a'));
    pending.write('b', written('pending b'));
    pending.destroy();
    pending.write('c', written('pending c'));
  });
  await follow('pending', pending);
  await later(10);

  const soon = net.connect(ports.late, host, () => {
    soon.write('last words');
    soon.destroySoon();
  });
  await follow('soon', soon);

  const twice = net.connect(ports.echo, host, () => {
    console.log('twice', twice.destroy() === twice.destroy(new Error('ignored')));
  });
  await follow('twice', twice);

  const refused = net.connect(ports.closed, host);
  refused.write('x', (error) => console.log('refused', 'written', shown(error)));
  await follow('refused', refused);
})();
