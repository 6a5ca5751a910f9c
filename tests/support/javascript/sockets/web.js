'use strict';

// http: agents and their sockets, upgrades, CONNECT, pipelines, 100-continue, aborts, time-outs.

const http = require('http');
const net = require('net');
const { host, later, ports, shown } = require('./at');

const ask = (options, body) => new Promise((resolve) => {
  const request = http.request({ host, port: ports.web, path: '/', ...options }, (response) => {
    let text = '';
    response.on('data', (bytes) => { text += bytes; });
    response.on('end', () => resolve({ text, port: response.headers['x-port'], response, request }));
  });
  request.on('error', (error) => resolve({ error }));
  request.end(body);
});

(async () => {
  const keeping = new http.Agent({ keepAlive: true });
  const first = await ask({ agent: keeping, method: 'POST' }, 'body');
  await later(10);
  const second = await ask({ agent: keeping });
  console.log('kept', first.text, second.text, first.port === second.port, second.request.reusedSocket);
  await later(10);
  const around = await ask({ agent: keeping, proxy: false });
  console.log('around the proxy', around.text);
  keeping.destroy();

  const limited = new http.Agent({ maxSockets: 2, keepAlive: true });
  const answers = await Promise.all([1, 2, 3, 4, 5].map((path) => ask({ agent: limited, path: `/${path}` })));
  console.log('limited', answers.map(({ text }) => text).join(), new Set(answers.map(({ port }) => port)).size);
  limited.destroy();

  console.log('none', (await ask({ agent: false })).response.headers.connection);
  console.log('global', (await ask({ agent: http.globalAgent })).text);

  const upgraded = http.request({ host, port: ports.web, headers: { Connection: 'Upgrade', Upgrade: 'own' } });
  await new Promise((resolve) => upgraded.on('upgrade', (response, socket, head) => {
    console.log('upgrade', response.statusCode, socket instanceof net.Socket);
    let text = String(head);
    socket.on('data', (bytes) => {
      text += bytes;
      if (text.endsWith('more')) socket.end();
    });
    socket.on('close', () => resolve(console.log('upgrade', text)));
    socket.write('more');
  }).end());

  const connected = http.request({ host, port: ports.web, method: 'CONNECT', path: 'target:80' });
  await new Promise((resolve) => connected.on('connect', (response, socket, head) => {
    let text = String(head);
    socket.on('data', (bytes) => { text += bytes; }).on('end', () => {
      console.log('connect', response.statusCode, text);
      resolve();
    });
  }).end());

  const expecting = http.request({ host, port: ports.web, method: 'PUT', headers: { Expect: '100-continue' } });
  expecting.on('continue', () => {
    console.log('continue');
    expecting.end('body');
  });
  await new Promise((resolve) => expecting.on('response', (response) => {
    response.on('data', (bytes) => console.log('continue', String(bytes))).on('end', resolve);
  }).flushHeaders());

  const pipelined = net.connect(ports.web, host);
  pipelined.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  let text = '';
  pipelined.on('data', (bytes) => { text += bytes; });
  await new Promise((resolve) => { pipelined.on('close', resolve); });
  console.log('pipelined', text.match(/GET \/\d/g).join());

  const aborted = http.get({ host, port: ports.silent });
  aborted.on('error', (error) => console.log('aborted', error.code, error.message));
  aborted.on('close', () => console.log('aborted', 'close', aborted.destroyed));
  aborted.on('socket', (socket) => socket.on('connect', () => aborted.destroy()));
  await new Promise((resolve) => { aborted.on('close', resolve); });

  const timed = http.get({ host, port: ports.silent, timeout: 50 });
  timed.on('timeout', () => timed.destroy(new Error('too slow')));
  timed.on('error', (error) => console.log('timed', error.message));
  await new Promise((resolve) => { timed.on('close', resolve); });

  console.log('refused', shown((await ask({ port: ports.closed })).error));
  console.log('reset', (await ask({ port: ports.reset })).error.code);
  console.log('greeted', (await ask({ port: ports.greet })).error.code);

  const server = http.createServer({ keepAliveTimeout: 50 }, (request, response) => {
    if (request.url === '/cut') request.socket.destroy();
    else response.end(`own ${request.socket.remoteAddress}`);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.on('listening', resolve); });
  const { port } = server.address();
  const agent = new http.Agent({ keepAlive: true });
  console.log((await ask({ host: '127.0.0.1', port, agent })).text);
  console.log('cut', (await ask({ host: '127.0.0.1', port, path: '/cut', agent })).error.code);
  agent.destroy();
  await new Promise((resolve) => { server.close(resolve); });
  console.log('closed');
})();
