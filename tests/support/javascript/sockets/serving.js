'use strict';

// Servers: their events, errors, limits, and what is open when they close.

const http = require('http');
const net = require('net');
const { follow, later, shown } = require('./at');

const HOST = '127.0.0.1';
const once = (emitter, name) => new Promise((resolve) => { emitter.once(name, (...args) => resolve(args)); });
const listen = async (server, ...args) => {
  server.listen(...args);
  await once(server, 'listening');
  return server.address().port;
};

(async () => {
  const server = net.createServer();
  console.log('before', server.listening, server.address());
  const port = await listen(server, 0, HOST);
  console.log('open', server.listening, server.address().address, server.address().family, port > 0);
  try {
    server.listen(0);
  } catch (error) {
    console.log('twice', error.code, error.message);
  }

  const used = net.createServer();
  used.listen(port, HOST);
  const [error] = await once(used, 'error');
  console.log('used', error.code, error.errno, error.syscall, error.address, error.port === port,
    error.message.replace(port, 'PORT'), used.listening);

  const stray = net.createServer().listen(0, '192.0.2.1');
  const [absent] = await once(stray, 'error');
  console.log('stray', absent.code, absent.syscall, absent.address, absent.message);

  const named = net.createServer();
  await listen(named, { port: 0, host: 'localhost', backlog: 5 });
  console.log('named', named.listening);
  named.close();
  await once(named, 'close');

  const accepted = [];
  server.on('connection', (socket) => {
    accepted.push(socket);
    console.log('accepted', socket.remoteAddress, socket.localPort === port, socket.remoteFamily, socket.readyState,
      socket.server === server, socket.address().port === port, socket.remotePort > 0);
  });
  server.maxConnections = 1;
  server.on('drop', (data) => console.log('drop', data.localPort === port, data.remoteAddress, data.remoteFamily));
  const first = net.connect(port, HOST);
  first.on('error', () => {});
  await once(server, 'connection');
  const second = net.connect(port, HOST);
  second.on('error', () => {}).resume();
  await Promise.all([once(server, 'drop'), once(second, 'close')]);
  const [count] = await new Promise((resolve) => { server.getConnections((_, number) => resolve([number])); });
  console.log('connections', count);

  server.close(() => console.log('closed', server.listening, server.address()));
  server.close((fault) => console.log('closed again', fault && fault.code));
  await later(30);
  console.log('still', server.listening, first.readyState);
  first.end();
  accepted[0].resume().on('end', () => console.log('accepted', 'end'));
  await once(server, 'close');
  await later(10);
  const rest = net.connect(port, HOST);
  rest.on('error', (fault) => console.log('rest', fault.code));
  await once(rest, 'close');

  const pausing = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true, keepAlive: true });
  const pausingPort = await listen(pausing, 0, HOST);
  const client = net.connect(pausingPort, HOST, () => client.end('waits'));
  const [paused] = await once(pausing, 'connection');
  await later(20);
  console.log('paused', paused.isPaused(), paused.bytesRead, paused.readableFlowing);
  paused.on('data', (bytes) => console.log('paused', String(bytes)));
  paused.on('end', () => paused.end('answer'));
  paused.resume();
  await follow('client', client);
  pausing.close();
  await once(pausing, 'close');

  const quick = net.createServer().listen(0, HOST);
  quick.close(() => console.log('quick', 'closed'));
  await later(20);

  const aborting = new AbortController();
  const signalled = net.createServer();
  await listen(signalled, { port: 0, host: HOST, signal: aborting.signal });
  aborting.abort();
  await once(signalled, 'close');
  console.log('signalled', 'closed');

  const web = http.createServer((request, response) => { if (request.url === '/') response.end('page'); });
  const webPort = await listen(web, 0, HOST);
  http.get({ port: webPort, host: HOST, path: '/hangs' }).on('error', (fault) => console.log('hangs', fault.code, fault.message));
  await later(30);
  web.close(() => console.log('web', 'closed'));
  web.closeAllConnections();
  await once(web, 'close');

  try {
    net.createServer().listen(70000);
  } catch (fault) {
    console.log('wrong', shown(fault));
  }
  const forever = net.createServer();
  await listen(forever, 0, HOST);
  forever.on('connection', (socket) => socket.unref());
  forever.unref(); // else the program would not end
  net.connect(forever.address().port, HOST).unref();
})();
