'use strict';

/** Uses each of today's ways to the network once. Arguments: the ports of ways_server.js. */

const http2 = require('http2');

const [webPort, streamPort] = process.argv.slice(2);
const web = `127.0.0.1:${webPort}`;

function messageOf(source) {
  return new Promise((resolve, reject) => {
    source.onmessage = (message) => {
      source.close();
      resolve(message.data);
    };
    source.onerror = (event) => reject(event.error || new Error(event.message));
  });
}

function streamOf(session) {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({ ':path': '/' });
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      session.close();
      resolve(text);
    });
    stream.end();
  });
}

async function main() {
  const found = {
    fetch: await (await fetch(`http://${web}/`)).text(),
    WebSocket: await messageOf(new WebSocket(`ws://${web}/`)),
    EventSource: await messageOf(new EventSource(`http://${web}/events`)),
    http2: await streamOf(http2.connect(`http://127.0.0.1:${streamPort}`)),
  };
  process.stdout.write(`${JSON.stringify(found)}\n`);
  process.exit(0);
}

main();
