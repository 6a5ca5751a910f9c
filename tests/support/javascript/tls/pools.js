'use strict';

// An agent keeps connections that may use the tunnel apart from those that may not.

const https = require('https');
const { ca, host, ports } = require('./at');

(async () => {
  const agent = new https.Agent({ keepAlive: true, ca });
  for (const proxy of [undefined, false, undefined, false]) {
    await new Promise((resolve) => {
      const request = https.get({ host, port: ports.https, agent, proxy }, (response) => {
        console.log('proxy', proxy, request.reusedSocket);
        response.resume().on('end', () => setImmediate(resolve));
      });
    });
  }
  console.log(Object.keys(agent.freeSockets).length, 'pools');
  agent.destroy();
})();
