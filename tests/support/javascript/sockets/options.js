'use strict';

// Options of sockets and of connect, in all forms; wrong ones are Node's errors.

const net = require('net');
const { follow, host, ports } = require('./at');

const refusal = (make) => {
  try {
    make().on('error', () => {}).destroy();
    return 'no error';
  } catch (error) {
    return `${error.name} ${error.code}`;
  }
};

(async () => {
  const overloads = [
    () => net.connect(ports.greet, host),
    () => net.createConnection({ port: ports.greet, host }),
    () => net.createConnection(ports.greet, host, () => console.log('callback')),
    () => net.Socket().connect(ports.greet, host),
    () => new net.Stream({}).connect({ port: ports.greet, host }, () => console.log('callback')),
  ];
  for (const make of overloads) await follow('overload', make());

  const pieces = [];
  const read = net.connect({
    port: ports.push,
    host,
    onread: { buffer: Buffer.alloc(1000), callback: (nbytes, buffer) => { pieces.push(nbytes); return buffer.length === 1000; } },
  }, () => read.write('123456'));
  read.on('data', () => console.log('never with onread'));
  await new Promise((resolve) => { read.on('close', resolve); });
  console.log('onread', pieces.reduce((sum, each) => sum + each, 0), pieces.every((each) => each <= 1000));

  const made = [];
  const generated = net.connect({
    port: ports.push,
    host,
    onread: {
      buffer: () => { made.push(1); return Buffer.alloc(5000); },
      callback: (nbytes) => {
        if (made.length !== 3) return true;
        setTimeout(() => generated.resume(), 20);
        return false;
      },
    },
  }, () => generated.write('50000'));
  await new Promise((resolve) => { generated.on('close', resolve); });
  console.log('generated', generated.bytesRead, made.length > 9);

  const controller = new AbortController();
  const aborted = net.connect({ port: ports.silent, host, signal: controller.signal }, () => controller.abort());
  await follow('signal', aborted);
  await follow('aborted', net.connect({ port: ports.silent, host, signal: AbortSignal.abort() }));

  const lookups = [];
  const custom = net.connect({
    port: ports.greet,
    host: 'anything.example',
    lookup(name, options, callback) {
      lookups.push([name, options.family, typeof options.all]);
      process.nextTick(callback, null, options.all ? [{ address: host, family: 4 }] : host, 4);
    },
  });
  custom.on('lookup', (error, address, family, name) => console.log('custom', address === host, family, name));
  await follow('custom', custom);
  console.log('custom', lookups.length, lookups[0][0]);
  await follow('failing', net.connect({
    port: 1,
    host: 'failing.example',
    lookup: (name, options, callback) => process.nextTick(callback, Object.assign(new Error('no such'), { code: 'MINE' })),
  }));
  await follow('wrong', net.connect({
    port: 1, host: 'wrong.example', family: 4, lookup: (name, options, callback) => process.nextTick(callback, null, 'x', 4),
  }));

  await follow('select', net.connect({ port: ports.greet, host: 'localhost', family: 4, autoSelectFamily: true }));
  const nodelay = net.connect({ port: ports.greet, host, noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000 });
  console.log(nodelay.setNoDelay() === nodelay, nodelay.setKeepAlive(true, 50) === nodelay, nodelay.ref() === nodelay);
  await follow('options', nodelay);

  for (const make of [
    () => net.connect(65536, host),
    () => net.connect(-1, host),
    () => net.connect({ host }),
    () => net.connect({ port: true, host }),
    () => net.connect({ port: 1, host: 5 }),
    () => net.connect({ port: '0x50', host: 'localhost', localAddress: 'x' }),
    () => net.connect({ port: 1, host: '127.0.0.1', localAddress: 'x' }),
    () => net.connect({ port: 1, host: 'localhost', lookup: 5 }),
    () => new net.Socket({ objectMode: true }),
    () => new net.Socket().setTimeout(-1),
    () => new net.Socket().write(null),
    () => new net.Socket().write(5),
  ]) {
    console.log('refused', refusal(make));
  }

  const list = new net.BlockList();
  list.addAddress('127.0.0.1');
  await follow('blocked', net.connect({ port: ports.greet, host: '127.0.0.1', blockList: list }));
  process.exit(); // Node itself leaves handles of refused options and aborted sockets open
})();
