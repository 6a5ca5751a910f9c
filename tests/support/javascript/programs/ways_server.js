'use strict';

/** A server of this machine for HTTP, WebSocket, server-sent events and HTTP/2. Prints its ports. */

const crypto = require('crypto');
const http = require('http');
const http2 = require('http2');

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'; // of RFC 6455
const FINAL_TEXT = 0x81;

const web = http.createServer((request, response) => {
  if (request.url === '/events') response.setHeader('content-type', 'text/event-stream');
  response.end(request.url === '/events' ? 'data: event\n\n' : 'page');
});
web.on('upgrade', (request, socket) => {
  const key = request.headers['sec-websocket-key'] + GUID;
  const accept = crypto.createHash('sha1').update(key).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.write(Buffer.concat([Buffer.from([FINAL_TEXT, 5]), Buffer.from('frame')]));
});
const streams = http2.createServer((request, response) => response.end('stream'));

web.listen(0, '127.0.0.1', () => {
  streams.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${web.address().port} ${streams.address().port}\n`);
  });
});
