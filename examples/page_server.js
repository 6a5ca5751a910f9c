'use strict';

// An HTTP server on the device: each page says how many were asked for before.
//
//     tessel run examples/page_server.js [PORT]
//
// Servers are never behind the tunnel: they listen at the device's own address. Ctrl-C ends it.

const http = require('http');

let pages = 0;

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end(`${request.method} ${request.url}, after ${pages} others\n`);
  pages += 1;
});

server.listen(Number(process.argv[2] || 8080), () => {
  console.log(`listening on port ${server.address().port}`);
});
