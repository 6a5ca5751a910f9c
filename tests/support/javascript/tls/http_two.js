'use strict';

// HTTP/2: a client, a server of the program, and fetch over TLS.

const http2 = require('http2');
const { ca, host, ports, read } = require('./at');

function get(session, path) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path });
    let text = '';
    stream.on('data', (chunk) => { text += chunk; });
    stream.on('end', () => resolve(text));
    stream.on('error', reject);
  });
}

async function visit(label, url, options) {
  const session = http2.connect(url, options);
  const codes = []; // of the session and of its streams, in any order
  session.on('error', (error) => codes.push(error.code));
  const closed = new Promise((resolve) => session.on('close', resolve));
  try {
    console.log(label, await Promise.all(['/a', '/b'].map((path) => get(session, path))), session.alpnProtocol,
      session.encrypted);
    session.close();
  } catch (error) {
    codes.push(error.code);
  }
  await closed;
  console.log(label, codes.sort());
}

(async () => {
  await visit('client', `https://${host}:${ports.http2}`, { ca });
  await visit('unknown authority', `https://${host}:${ports.http2}`, { ca: [] });
  await visit('no h2', `https://${host}:${ports.https}`, { ca });

  for (const make of [http2.createServer, http2.createSecureServer]) {
    const server = make({ key: read('server.key'), cert: read('server.pem') }, (request, response) => {
      response.end(`${request.url} ${request.socket.remoteAddress}`);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const scheme = make === http2.createServer ? 'http' : 'https';
    await visit(`own ${scheme}`, `${scheme}://127.0.0.1:${server.address().port}`, { ca });
    await new Promise((resolve) => server.close(resolve));
  }

  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // fetch takes no authorities
  const response = await fetch(`https://${host}:${ports.https}/fetched`);
  console.log(response.status, await response.text());
})();
