'use strict';

// Servers for the programs beside this file. They print their ports, and end with standard input.

const http = require('http');
const net = require('net');

const HOST = '127.0.0.1';
const PIECE = Buffer.alloc(65536, 'x');

const quiet = (socket) => socket.on('error', () => {});

const servers = {
  echo: net.createServer((socket) => quiet(socket).pipe(socket)),
  greet: net.createServer((socket) => quiet(socket).end('hello')),
  // Answers the end of the other half, in two pieces.
  late: net.createServer({ allowHalfOpen: true }, (socket) => {
    let came = 0;
    quiet(socket).on('data', (bytes) => { came += bytes.length; });
    socket.on('end', () => {
      socket.write(`${came} bytes, `);
      setTimeout(() => socket.end('answered late'), 20);
    });
  }),
  // Sends as many bytes as the first line says.
  push: net.createServer((socket) => quiet(socket).once('data', (line) => {
    let left = Number(String(line));
    (function more() {
      while (left > 0) {
        const piece = PIECE.subarray(0, left);
        left -= piece.length;
        if (!socket.write(piece)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    })();
  })),
  // Reads nothing before 300 ms have gone by.
  slow: net.createServer({ pauseOnConnect: true }, (socket) => {
    let came = 0;
    quiet(socket).on('data', (bytes) => { came += bytes.length; });
    socket.on('end', () => socket.end(`${came}`));
    socket.pause();
    setTimeout(() => socket.resume(), 300);
  }),
  silent: net.createServer((socket) => quiet(socket).resume()),
  reset: net.createServer((socket) => quiet(socket).once('data', () => socket.resetAndDestroy())),
  web: http.createServer((request, response) => {
    let body = '';
    request.on('data', (bytes) => { body += bytes; });
    request.on('end', () => {
      response.setHeader('X-Port', request.socket.remotePort);
      response.setHeader('Date', 'today');
      response.end(`${request.method} ${request.url} ${body}`);
    });
  }),
};

servers.web.on('upgrade', (request, socket, head) => {
  quiet(socket).write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: own\r\nConnection: Upgrade\r\n\r\n');
  socket.write(`upgraded${head}`);
  socket.pipe(socket);
});
servers.web.on('connect', (request, socket) => {
  quiet(socket).write('HTTP/1.1 200 Connection established\r\n\r\n');
  socket.end(`to ${request.url}`);
});
servers.web.on('checkContinue', (request, response) => {
  response.writeContinue();
  request.on('data', () => {}).on('end', () => response.end('continued'));
});

const closed = net.createServer().listen(0, HOST, async () => {
  const ports = { closed: closed.address().port };
  for (const [name, server] of Object.entries(servers)) {
    await new Promise((resolve) => { server.listen(0, HOST, resolve); });
    ports[name] = server.address().port;
  }
  closed.close(() => process.stdout.write(`${JSON.stringify(ports)}\n`));
});

process.stdin.on('end', () => process.exit(0)).resume();
