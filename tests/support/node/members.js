// Prints the members of Node's classes and modules for networks, as JSON: {class: [names]}.
// Members that begin with _ and those of Object are left out.
'use strict';
const dgram = require('dgram');
const dns = require('dns');
const events = require('events');
const http = require('http');
const https = require('https');
const net = require('net');
const stream = require('stream');
const timers = require('timers');
const tls = require('tls');

function members(one) {
  const found = new Set();
  for (let at = one; at && at !== Object.prototype && at !== Function.prototype;
    at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (!name.startsWith('_') && name !== 'constructor') found.add(name);
    }
  }
  return [...found].sort();
}

function connected() {
  return new Promise((done) => {
    const site = http.createServer((request, response) => {
      const server = { request: members(request), response: members(response) };
      response.end();
      site.close();
      done(server);
    });
    site.listen(0, '127.0.0.1', () => {
      http.get({ port: site.address().port, host: '127.0.0.1', agent: false }, (r) => r.resume());
    });
  });
}

async function main() {
  const messages = await connected();
  const request = http.request({ port: 1, host: '127.0.0.1' });
  request.on('error', () => {});
  const timeout = setTimeout(() => {}, 1);
  const immediate = setImmediate(() => {});
  const datagrams = dgram.createSocket('udp4');
  const classes = {
    'events.EventEmitter': members(new events.EventEmitter()),
    'stream.Readable': members(new stream.Readable()),
    'stream.Writable': members(new stream.Writable()),
    'stream.Duplex': members(new stream.Duplex()),
    'net.Socket': members(new net.Socket()),
    'net.Server': members(new net.Server()),
    'tls.TLSSocket': members(new tls.TLSSocket()),
    'dgram.Socket': members(datagrams),
    'http.Agent': members(new http.Agent()),
    'http.ClientRequest': members(request),
    'http.IncomingMessage': messages.request,
    'http.Server': members(new http.Server()),
    'http.ServerResponse': messages.response,
    'https.Agent': members(new https.Agent()),
    'timers.Timeout': members(timeout),
    'timers.Immediate': members(immediate),
  };
  const modules = { dgram, dns, events, http, https, net, stream, timers, tls };
  for (const [name, module] of Object.entries(modules)) {
    classes[name] = Object.keys(module).filter((one) => !one.startsWith('_')).sort();
  }
  request.destroy();
  datagrams.close();
  clearTimeout(timeout);
  clearImmediate(immediate);
  console.log(JSON.stringify({ version: process.version, classes }));
}

main();
