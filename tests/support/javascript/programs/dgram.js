'use strict';

// Prints what `dgram` of this Node does. Numbers of ports are printed as names.

const dgram = require('dgram');
const { once } = require('events');

const HOST = '127.0.0.1';
const ports = new Map();

function named(text) {
  for (const [port, name] of ports) text = text.replaceAll(String(port), name);
  return text;
}

function shown(value) {
  if (!(value instanceof Error)) return value;
  const { name, message, code, errno, syscall, hostname, address, port } = value;
  return { name, message, code, errno, syscall, hostname, address, port };
}

function say(label, ...values) {
  console.log(named(`${label}: ${JSON.stringify(values.map(shown))}`));
}

function tried(label, call) {
  try {
    const result = call();
    say(label, result instanceof dgram.Socket ? 'a socket' : result);
  } catch (error) {
    say(label, error);
  }
}

async function bound(name, options = 'udp4') {
  const socket = dgram.createSocket(options);
  socket.bind(0, HOST);
  await once(socket, 'listening');
  ports.set(socket.address().port, name);
  return socket;
}

const closed = (...sockets) => Promise.all(sockets.map((one) => {
  one.close();
  return once(one, 'close');
}));

function create() {
  for (const type of [undefined, 'udp5', {}, { type: 'x' }, null, 5]) {
    tried(`create ${JSON.stringify(type)}`, () => dgram.createSocket(type));
  }
  tried('create with a wrong lookup', () => dgram.createSocket({ type: 'udp4', lookup: 5 }));
  tried('create with a wrong signal', () => dgram.createSocket({ type: 'udp4', signal: 5 }));
  tried('create with a wrong size', () => dgram.createSocket({ type: 'udp4', recvBufferSize: 'x' }));
  const made = dgram.createSocket('udp4', () => {});
  say('class', made instanceof dgram.Socket, made.constructor === dgram.Socket, made.type,
    made.listenerCount('message'), dgram.Socket.name, dgram.createSocket.length);
  made.close();
}

async function misuse() {
  const socket = dgram.createSocket('udp4');
  tried('address of none', () => socket.address());
  tried('ttl of none', () => socket.setTTL(5));
  tried('broadcast of none', () => socket.setBroadcast(true));
  tried('multicast interface of none', () => socket.setMulticastInterface(HOST));
  tried('peer of none', () => socket.remoteAddress());
  tried('disconnect none', () => socket.disconnect());
  tried('ref', () => socket.ref() === socket && socket.unref() === socket);
  const wrong = [[], [5], ['x'], ['x', 0], ['x', 70000], ['x', 'y'], ['x', 5000, 5], [[1], 5000, HOST],
    ['text', 0, 1, 5000, HOST], [Buffer.from('text'), 2, 9, 5000, HOST], [Buffer.from('text'), 9, 1, 5000, HOST],
    [Buffer.from('text'), -1, 2, 5000, HOST], [null, 5000], [{}, 5000, HOST]];
  for (const args of wrong) tried(`send ${JSON.stringify(args)}`, () => socket.send(...args));
  socket.ref();
  for (const port of [0, 'x', 70000, undefined]) tried(`connect ${port}`, () => socket.connect(port));
  tried('connect to a number', () => socket.connect(5000, 5));
  await closed(socket);
  tried('close again', () => socket.close());
  tried('bind closed', () => socket.bind());
  tried('send closed', () => socket.send('x', 5000, HOST));
  tried('address of closed', () => socket.address());
  tried('ref of closed', () => socket.ref() === socket);
}

// Closes a socket, and binds another one to its port. Another program may take the port in between.
async function boundAgain(socket, attempts) {
  const { port } = socket.address();
  await closed(socket);
  const again = dgram.createSocket('udp4').bind(port, HOST);
  try {
    await once(again, 'listening');
  } catch (error) {
    if (error.code !== 'EADDRINUSE' || attempts === 1) throw error;
    return boundAgain(await bound('P1'), attempts - 1);
  }
  if (again.address().port !== port) throw new Error(`bound to ${again.address().port}, not ${port}`);
  return again;
}

async function bindings() {
  const first = await bound('P1');
  say('address', first.address());
  tried('bind again', () => first.bind(0));
  const order = [];
  const second = dgram.createSocket('udp4');
  second.on('error', (error) => order.push(shown(error)));
  second.bind(first.address().port, HOST, () => order.push('never'));
  await once(second, 'error');
  say('bind in use', ...order, second.listenerCount('listening'));
  second.bind({ port: 0, address: 'localhost' }, () => order.push('listening'));
  tried('bind twice', () => second.bind());
  await once(second, 'listening');
  say('bind after an error', order.at(-1), second.address().address, second.address().family);
  const other = dgram.createSocket('udp4');
  other.bind(0, '::1');
  say('bind to IPv6', (await once(other, 'error'))[0]);
  other.bind(0, 'nothing.invalid');
  say('bind to no name', (await once(other, 'error'))[0]);
  other.bind();
  await once(other, 'listening');
  say('bind to all', other.address().address);
  await closed(second, other);
  const again = await boundAgain(first, 5);
  say('bind a closed port', again.address().address);
  await closed(again);
}

async function datagrams() {
  const [here, there] = [await bound('P1'), await bound('P2')];
  const { port } = there.address();
  const received = [];
  there.on('message', (data, from) => received.push([data.toString(), from]));
  const calls = [['text', port, HOST], [Buffer.from('bytes'), port, HOST], [['a', Buffer.from('b')], port, HOST],
    [new Uint16Array([0x6161]), port, HOST], [new DataView(new ArrayBuffer(2)), port, HOST], ['', port],
    [[], port, HOST], [Buffer.from('offset'), 3, 2, port, HOST], ['name', port, 'localhost'],
    ['string port', String(port), HOST], ['null', port, null]];
  for (const args of calls) {
    const sent = new Promise((done) => here.send(...args, (...results) => done(results)));
    const [, [data, from]] = await Promise.all([sent, once(there, 'message')]);
    say('sent', ...await sent, data.toString(), from);
  }
  const failed = (...args) => new Promise((done) => here.send(...args, (...results) => done(results)));
  say('too big', ...await failed(Buffer.alloc(70000), port, HOST));
  say('to IPv6', ...await failed('x', port, '::1'));
  say('to no name', ...await failed('x', port, 'nothing.invalid'));
  here.send('x', port, 'nothing.invalid');
  say('to no name, without a callback', (await once(here, 'error'))[0]);
  here.send('x', port, HOST);
  here.close();
  tried('send after close', () => here.send('x', port, HOST));
  await once(here, 'close');
  const sender = dgram.createSocket('udp4');
  sender.send('first', port, HOST);
  sender.send('second', port, HOST, () => sender.close());
  await Promise.all([once(there, 'message'), once(sender, 'close')]);
  say('received', received.length);
  await closed(there);
}

async function peers() {
  const [here, there, stranger] = [await bound('P1'), await bound('P2'), await bound('P3')];
  const { port } = there.address();
  here.connect(port, () => say('connect calls back'));
  tried('connect while connecting', () => here.connect(port));
  await once(here, 'connect');
  say('peer', here.remoteAddress());
  tried('connect again', () => here.connect(port));
  tried('send elsewhere', () => here.send('x', 0, 1, port, HOST));
  here.send('to the peer', (...results) => say('sent to the peer', ...results));
  say('peer received', String((await once(there, 'message'))[0]));
  here.send(Buffer.from('a part'), 2, 4);
  say('peer received', String((await once(there, 'message'))[0]));
  const heard = [];
  here.on('message', (data) => heard.push(String(data)));
  await new Promise((done) => stranger.send('from a stranger', here.address().port, HOST, done));
  there.send('from the peer', here.address().port, HOST);
  await once(here, 'message');
  say('heard', heard);
  here.disconnect();
  tried('peer after disconnect', () => here.remoteAddress());
  tried('disconnect again', () => here.disconnect());
  here.connect(port, 'nothing.invalid', (error) => say('connect to no name', error));
  await new Promise((done) => setTimeout(done, 20));
  here.connect(port, 'nothing.invalid');
  say('connect to no name', (await once(here, 'error'))[0]);
  here.connect(port, '::1');
  say('connect to IPv6', (await once(here, 'error'))[0]);
  await closed(here, there, stranger);
}

async function options() {
  const socket = await bound('P1');
  for (const ttl of [0, 1, 255, 256, 'x']) tried(`ttl ${ttl}`, () => socket.setTTL(ttl));
  for (const ttl of [0, 255, 256, 'x']) tried(`multicast ttl ${ttl}`, () => socket.setMulticastTTL(ttl));
  for (const on of [true, false, 1]) {
    tried(`broadcast ${on}`, () => socket.setBroadcast(on));
    tried(`loopback ${on}`, () => socket.setMulticastLoopback(on));
  }
  for (const address of [HOST, 'x', 5]) tried(`interface ${address}`, () => socket.setMulticastInterface(address));
  for (const args of [[], ['x'], ['192.0.2.1'], ['239.1.2.3', 'x'], ['239.1.2.3', HOST]]) {
    tried(`join ${args}`, () => socket.addMembership(...args));
  }
  tried('leave', () => socket.dropMembership('239.1.2.3', HOST));
  tried('leave nothing', () => socket.dropMembership());
  await closed(socket);
}

async function multicast() {
  const receiver = dgram.createSocket('udp4');
  receiver.bind(0);
  await once(receiver, 'listening');
  receiver.addMembership('239.1.2.3', HOST);
  const sender = await bound('P1');
  sender.setMulticastInterface(HOST);
  sender.setMulticastLoopback(true);
  sender.send('to a group', receiver.address().port, '239.1.2.3');
  const [data, { size }] = await once(receiver, 'message');
  say('a group received', String(data), size);
  await closed(receiver, sender);
}

async function signals() {
  const control = new AbortController();
  const socket = await bound('P1', { type: 'udp4', signal: control.signal });
  control.abort();
  await once(socket, 'close');
  tried('close aborted', () => socket.close());
  const early = dgram.createSocket({ type: 'udp4', signal: AbortSignal.abort() });
  await once(early, 'close');
  tried('bind aborted', () => early.bind());
  const asked = [];
  const lookup = (name, family, done) => {
    asked.push([name, family]);
    process.nextTick(done, null, HOST, 4);
  };
  const looking = dgram.createSocket({ type: 'udp4', lookup });
  looking.bind(0, 'home.test');
  await once(looking, 'listening');
  looking.send('x', looking.address().port, 'self.test');
  await once(looking, 'message');
  say('own lookup', asked, looking.address().address);
  await closed(looking);
}

(async () => {
  create();
  for (const part of [misuse, bindings, datagrams, peers, options, multicast, signals]) {
    ports.clear();
    await part();
  }
})();
