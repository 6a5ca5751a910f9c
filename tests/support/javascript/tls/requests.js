'use strict';

// https: agents, their pools, and errors.

const https = require('https');
const { ca, host, ports, shown } = require('./at');

const at = { host, port: ports.https, ca };

function ask(options, body) {
  return new Promise((resolve) => {
    const request = https.request({ ...at, ...options }, (response) => {
      let text = '';
      const { authorized, encrypted, alpnProtocol } = response.socket;
      response.on('data', (chunk) => { text += chunk; });
      response.on('end', () => resolve([
        response.statusCode, text, request.reusedSocket, authorized, encrypted, alpnProtocol,
      ]));
    });
    request.on('error', (error) => resolve(shown(error)));
    request.end(body);
  });
}

const pool = (agent) => [agent.sockets, agent.freeSockets].map((each) => Object.keys(each).length);

(async () => {
  console.log('GET', await ask({ path: '/a' }));
  console.log('POST', await ask({ path: '/b', method: 'POST' }, 'body'));
  console.log('no agent', await ask({ path: '/c', agent: false }));
  console.log('servername', await ask({ path: '/d', servername: 'localhost' }));
  console.log('Host', await ask({ path: '/e', headers: { Host: 'elsewhere.example' }, rejectUnauthorized: false }));
  console.log('wrong name', await ask({ path: '/e', port: ports.wrongName }));
  console.log('unknown authority', await ask({ path: '/f', ca: [] }));
  console.log('unverified', await ask({ path: '/g', ca: [], rejectUnauthorized: false }));
  const agent = new https.Agent({ keepAlive: true, ca });
  for (const path of ['/1', '/2']) console.log('kept', await ask({ path, agent }));
  await new Promise(setImmediate);
  console.log(pool(agent));
  console.log('another ca', await ask({ path: '/3', agent, rejectUnauthorized: false }));
  await new Promise(setImmediate);
  console.log(pool(agent));
  agent.destroy();
  await new Promise((resolve) => {
    https.get(`https://localhost:${ports.https}/by-url`, { ca, agent: false }, (response) => {
      response.resume().on('end', () => resolve(console.log('url', response.statusCode)));
    });
  });
})();
