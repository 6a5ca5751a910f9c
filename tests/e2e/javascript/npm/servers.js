'use strict';
/**
 * servers.js CERTIFICATE KEY: the servers that the programs of this folder talk to, on loopback.
 *
 * Runs on plain Node. Prints one line of JSON with the ports, when all of them listen:
 * http, https, ws, wss, mqtt, mqtts. A GET of /connections by http returns, by service, how many
 * connections were made; asking for it does not count.
 */

const fs = require('fs');
const http = require('http');
const https = require('https');
const net = require('net');
const tls = require('tls');
const zlib = require('zlib');

const aedes = require('aedes')();
const { WebSocketServer } = require('ws');

const HOST = '127.0.0.1';
const MAX_BODY_BYTES = 1024 * 1024; // far more than any program sends
const [certificate, key] = process.argv.slice(2).map((file) => fs.readFileSync(file));
const credentials = { cert: certificate, key };

const pages = {
  '/page': (request, response) => response.end('a page\n'),
  '/gzip': (request, response) => {
    response.setHeader('content-type', 'application/json');
    response.setHeader('content-encoding', 'gzip');
    response.end(zlib.gzipSync(JSON.stringify({ zipped: true })));
  },
  '/redirect': (request, response) => {
    response.writeHead(302, { location: '/page' });
    response.end();
  },
  '/bytes': (request, response) => {
    const count = Number(new URL(request.url, 'http://site').searchParams.get('count'));
    response.end(Buffer.alloc(count, '0123456789abcdef'));
  },
  '/echo': async (request, response) => {
    const body = await received(request);
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ method: request.method, headers: request.headers, body }));
  },
};

/** Returns the body of a request as text. */
async function received(request) {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk;
    if (body.length > MAX_BODY_BYTES) throw new Error(`a body of more than ${MAX_BODY_BYTES} bytes`);
  }
  return body;
}

function answer(request, response) {
  const page = pages[request.url.split('?')[0]];
  if (page) return page(request, response);
  response.writeHead(404);
  return response.end();
}

/** Sends each message back as it came, and closes with the code that the client closes with. */
function echoing(server) {
  const sockets = new WebSocketServer({ server, handleProtocols: (asked) => [...asked][0] });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return server;
}

const services = {
  http: http.createServer(answer),
  https: https.createServer(credentials, answer),
  ws: echoing(http.createServer()),
  wss: echoing(https.createServer(credentials)),
  mqtt: net.createServer(aedes.handle),
  mqtts: tls.createServer(credentials, aedes.handle),
};

const connections = Object.fromEntries(Object.keys(services).map((name) => [name, 0]));

/** Counts TCP connections, so that one without TLS handshake or request counts, too. */
function counted(name, server) {
  server.on('connection', () => {
    connections[name] += 1;
  });
  return server;
}

const control = http.createServer((request, response) => {
  response.end(JSON.stringify(connections));
});

async function listen(server) {
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, HOST, resolve);
  });
  return server.address().port;
}

async function main() {
  const ports = { control: await listen(control) };
  for (const [name, server] of Object.entries(services)) {
    ports[name] = await listen(counted(name, server));
  }
  console.log(JSON.stringify(ports));
}

main();
