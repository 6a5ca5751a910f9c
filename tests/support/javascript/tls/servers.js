'use strict';

/** TLS servers for the programs beside this file. Prints their ports as JSON when all listen. */

const fs = require('fs');
const http2 = require('http2');
const https = require('https');
const net = require('net');
const path = require('path');
const tls = require('tls');

const [, , folder] = process.argv;
const read = (name) => fs.readFileSync(path.join(folder, name));
const ca = read('ca.pem');
const own = { key: read('server.key'), cert: read('server.pem') };
const wrongName = { key: read('other.key'), cert: read('other.pem') };

/** Greet with what the server knows of the connection, and echo what follows. */
function greet(socket) {
  socket.on('error', () => {});
  const peer = socket.getPeerCertificate();
  socket.write(`${JSON.stringify({
    servername: socket.servername,
    alpn: socket.alpnProtocol,
    protocol: socket.getProtocol(),
    client: peer.subject && peer.subject.O,
    authorized: socket.authorized,
  })}\n`);
  socket.pipe(socket);
}

/** Answer the line "down N" with N bytes, and "up" with the number of bytes that follow. */
function transfer(socket) {
  socket.on('error', () => {});
  socket.once('data', (line) => {
    const [word, count] = String(line).trim().split(' ');
    if (word === 'down') {
      socket.end(Buffer.alloc(Number(count), 'x'));
      return;
    }
    let received = 0;
    socket.on('data', (chunk) => { received += chunk.length; });
    socket.on('end', () => socket.end(String(received)));
  });
}

const options = { ...own, allowHalfOpen: true };
const servers = {
  greet: tls.createServer(options, greet),
  wrongName: tls.createServer({ ...options, ...wrongName }, greet),
  chained: tls.createServer({ ...options, key: read('chained.key'), cert: read('chained.pem') }, greet),
  alpn: tls.createServer({ ...options, ALPNProtocols: ['h2', 'http/1.1'] }, greet),
  tls12: tls.createServer({ ...options, maxVersion: 'TLSv1.2' }, greet),
  asking: tls.createServer({ ...options, ca, requestCert: true, rejectUnauthorized: true }, greet),
  transfer: tls.createServer(options, transfer),
  relay: tls.createServer(options, (socket) => {
    const below = net.connect(ports.greet, '127.0.0.1');
    for (const each of [socket, below]) each.on('error', () => {});
    socket.pipe(below).pipe(socket);
  }),
  text: net.createServer((socket) => {
    socket.on('error', () => {});
    socket.end('220 this is no TLS\r\n');
  }),
  silent: net.createServer((socket) => socket.on('error', () => {}).resume()),
  hangsUp: net.createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end())),
  fin: tls.createServer(options, (socket) => {
    socket.on('error', () => {});
    socket.write('last words');
    setTimeout(() => socket._parent.end(), 200); // TCP's end, without close_notify
  }),
  startTls: net.createServer((socket) => {
    socket.on('error', () => {});
    socket.write('220 ready\r\n');
    socket.once('data', () => {
      socket.write('220 go ahead\r\n');
      const secure = new tls.TLSSocket(socket, { ...own, isServer: true });
      greet(secure);
    });
  }),
  https: https.createServer(own, (request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => response.end(`${request.method} ${request.url} ${body} ${request.socket.servername}`));
  }),
  http2: http2.createSecureServer({ ...own, allowHTTP1: true }, (request, response) => {
    response.end(`${request.httpVersion} ${request.url}`);
  }),
};

// The server without close_notify needs its TCP socket.
servers.fin.on('connection', (socket) => servers.fin.once('secureConnection', (secure) => {
  secure._parent = socket;
}));

const ports = {};
for (const [name, server] of Object.entries(servers)) {
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1', () => {
    ports[name] = server.address().port;
    if (Object.keys(ports).length === Object.keys(servers).length) console.log(JSON.stringify(ports));
  });
}
process.stdin.on('end', () => process.exit(0)).resume(); // when the test ends
