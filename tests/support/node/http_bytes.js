// Gives bytes to Node's HTTP server and client, and prints what their programs hear, as JSON.
// stdin: {"server": {name: bytes}, "client": {name: [method, bytes]}}, bytes as latin-1 text.
'use strict';
const http = require('http');
const net = require('net');
const { once } = require('events');

const QUIET_MS = Number(process.env.QUIET_MS || 150); // after the last byte a peer waits so long before it closes

const closed = (emitter) => new Promise((done) => emitter.on('close', done));

function collect(message, heard, name) {
  const body = [];
  message.on('data', (chunk) => body.push(chunk));
  message.on('end', () => {
    heard[name].push([Buffer.concat(body).toString('latin1'), message.rawTrailers]);
  });
  message.on('aborted', () => heard.aborted.push(Buffer.concat(body).toString('latin1')));
  message.on('error', () => {});
}

async function server(bytes, listening) {
  const heard = { requests: [], bodies: [], aborted: [], errors: [], switched: [], statuses: [] };
  const site = http.createServer((request, response) => {
    heard.requests.push([request.method, request.url, request.httpVersion, request.rawHeaders]);
    collect(request, heard, 'bodies');
    request.on('end', () => response.end('ok'));
  });
  if (listening) {
    site.on('clientError', (error, socket) => {
      heard.errors.push(error.code);
      socket.destroy();
    });
    for (const event of ['connect', 'upgrade']) {
      site.on(event, (request, socket, head) => {
        heard.switched.push([event, request.url, head.toString('latin1')]);
        socket.on('error', () => {});
        socket.destroy();
      });
    }
  }
  await once(site.listen(0, '127.0.0.1'), 'listening');
  const output = [];
  const client = net.connect(site.address().port, '127.0.0.1');
  client.on('data', (chunk) => output.push(chunk)).on('error', () => {});
  client.write(Buffer.from(bytes, 'latin1'));
  setTimeout(() => client.destroy(), QUIET_MS);
  await closed(client);
  await new Promise((done) => setTimeout(done, QUIET_MS));
  site.close();
  site.closeAllConnections();
  const text = Buffer.concat(output).toString('latin1');
  heard.statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => Number(found[1]));
  if (!listening) heard.errors = null;
  return heard;
}

async function client(method, bytes) {
  const heard = { responses: [], bodies: [], aborted: [], errors: [], switched: [], information: [] };
  const site = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(Buffer.from(bytes, 'latin1'));
      setTimeout(() => socket.end(), QUIET_MS);
    });
  });
  await once(site.listen(0, '127.0.0.1'), 'listening');
  const request = http.request({ port: site.address().port, host: '127.0.0.1', method, path: 'a:1' });
  request.on('response', (response) => {
    heard.responses.push([response.statusCode, response.statusMessage, response.httpVersion,
      response.rawHeaders]);
    collect(response, heard, 'bodies');
  });
  request.on('error', (error) => heard.errors.push(error.code));
  request.on('continue', () => heard.information.push('continue'));
  request.on('information', (info) => heard.information.push(info.statusCode));
  for (const event of ['connect', 'upgrade']) {
    request.on(event, (response, socket, head) => {
      heard.switched.push([event, response.statusCode, head.toString('latin1')]);
      socket.on('error', () => {});
      socket.destroy();
    });
  }
  request.end();
  await closed(request);
  await new Promise((done) => setTimeout(done, 2 * QUIET_MS));
  site.close();
  return heard;
}

async function main() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const cases = JSON.parse(text);
  const results = { server: {}, refused: {}, client: {} };
  const jobs = [];
  for (const [name, bytes] of Object.entries(cases.server)) {
    jobs.push(server(bytes, true).then((heard) => { results.server[name] = heard; }));
    jobs.push(server(bytes, false).then((heard) => { results.refused[name] = heard.statuses; }));
  }
  for (const [name, [method, bytes]] of Object.entries(cases.client)) {
    jobs.push(client(method, bytes).then((heard) => { results.client[name] = heard; }));
  }
  await Promise.all(jobs);
  console.log(JSON.stringify({ version: process.version, results }));
}

main();
