'use strict';

// A WebSocket client with the npm module ws: send a text, print the answer, and close.
//
//     (cd examples/npm && npm ci)
//     tessel run examples/npm/websocket.js ws://HOST:PORT/ [TEXT]
//
// A ws: address goes through the tunnel, like http:. For wss:, see PROXY_TLS in docs/routing.md.

const WebSocket = require('ws');

const [url, text = 'Hello from the device'] = process.argv.slice(2);
if (url === undefined) {
  console.error('usage: tessel run examples/npm/websocket.js ws://HOST:PORT/ [TEXT]');
  process.exit(2);
}

const socket = new WebSocket(url);
socket.on('open', () => socket.send(text));
socket.on('message', (data) => {
  console.log(`answer: ${data}`);
  socket.close();
});
