// Small programs for Node; behaviour.py has the same for the device. Each gives a list of what it saw.
'use strict';
const dgram = require('dgram');
const dns = require('dns');
const { EventEmitter } = require('events');
const http = require('http');
const net = require('net');
const stream = require('stream');
const tls = require('tls');

const HOST = '127.0.0.1';
const LIMIT_MS = 4000;
const scenarios = {};
const text = (chunk) => Buffer.from(chunk).toString('latin1');

function log(emitter, seen, prefix, ...events) {
  for (const event of events) {
    emitter.on(event, (value) => seen.push(prefix + event + (value instanceof Error ? ` ${value.code}` : '')));
  }
  return emitter;
}

function code(act) {
  try {
    act();
    return 'ok';
  } catch (error) {
    return error.code || error.name;
  }
}

function listen(server, then) {
  server.listen(0, HOST, () => then(server.address().port));
  return server;
}

// events

scenarios['events: order of listeners'] = (seen, done) => {
  const one = new EventEmitter();
  one.on('x', () => seen.push('on'));
  one.once('x', () => seen.push('once'));
  one.prependListener('x', () => seen.push('prepended'));
  one.on('x', () => one.on('x', () => seen.push('added meanwhile')));
  one.emit('x');
  one.emit('x');
  done();
};
scenarios['events: an error without a listener'] = (seen, done) => {
  seen.push(code(() => new EventEmitter().emit('error', 'text')));
  done();
};
scenarios['events: newListener and removeListener'] = (seen, done) => {
  const one = new EventEmitter();
  one.on('newListener', (name) => seen.push(`new ${name} ${one.listenerCount('x')}`));
  one.on('removeListener', (name) => seen.push(`gone ${name} ${one.listenerCount('x')}`));
  const f = () => {};
  one.on('x', f);
  one.off('x', f);
  one.once('x', f);
  one.emit('x');
  done();
};
scenarios['events: wrong arguments'] = (seen, done) => {
  const one = new EventEmitter();
  seen.push(code(() => one.on('x', 5)), code(() => one.once('x', null)));
  seen.push(code(() => one.setMaxListeners(-1)));
  done();
};

// stream

class Sink extends stream.Writable {
  constructor(seen) { super({ highWaterMark: 4 }); this.seen = seen; }

  _write(chunk, _, then) { this.seen.push(`write ${text(chunk)}`); setImmediate(then); }
}

scenarios['stream: events of a readable'] = (seen, done) => {
  const one = new stream.Readable({ read() {} });
  log(one, seen, '', 'pause', 'resume', 'end', 'close');
  one.on('data', (chunk) => seen.push(`data ${text(chunk)}`));
  one.push('a');
  one.push(null);
  one.on('close', done);
};
scenarios['stream: text in an encoding'] = (seen, done) => {
  const one = new stream.Readable({ read() {} });
  one.setEncoding('hex');
  one.on('data', (chunk) => seen.push(chunk));
  one.on('end', done);
  one.push(Buffer.from([0xab, 0xcd]));
  one.push(null);
};
scenarios['stream: unshift and read'] = (seen, done) => {
  const one = new stream.Readable({ read() {} });
  one.push('bc');
  one.unshift('a');
  seen.push(text(one.read(2)), text(one.read()), String(one.read()));
  done();
};
scenarios['stream: write and end'] = (seen, done) => {
  const one = new Sink(seen);
  log(one, seen, '', 'drain', 'finish', 'close', 'error');
  seen.push(String(one.write('ab', () => seen.push('written'))), String(one.write('cdef')));
  one.end('g', () => seen.push('ended'));
  one.on('close', done);
};
scenarios['stream: write after end'] = (seen, done) => {
  const one = new Sink(seen);
  log(one, seen, '', 'finish', 'close', 'error');
  one.end();
  one.write('a', (error) => seen.push(`callback ${error.code}`));
  one.on('close', done);
};
scenarios['stream: end twice'] = (seen, done) => {
  const one = new Sink(seen);
  log(one, seen, '', 'finish', 'error');
  one.end();
  one.end((error) => seen.push(`callback ${error ? error.code : error}`));
  one.on('close', done);
};
scenarios['stream: wrong chunks'] = (seen, done) => {
  const one = new Sink(seen);
  seen.push(code(() => one.write(null)), code(() => one.write(5)));
  seen.push(code(() => one.write('a', 'nonsense')));
  done();
};
scenarios['stream: destroy'] = (seen, done) => {
  const one = new Sink(seen);
  log(one, seen, '', 'finish', 'error', 'close');
  one.write('a', (error) => seen.push(`callback ${error && error.code}`));
  one.destroy(Object.assign(new Error('x'), { code: 'EX' }));
  one.write('b', (error) => seen.push(`later ${error.code}`));
  one.on('close', done);
};
scenarios['stream: pipe'] = (seen, done) => {
  const from = new stream.Readable({ read() {} });
  const to = new Sink(seen);
  log(to, seen, '', 'pipe', 'unpipe', 'finish');
  seen.push(String(from.pipe(to) === to));
  from.push('ab');
  from.push(null);
  to.on('close', done);
};

// timers

scenarios['timers: order'] = (seen, done) => {
  setTimeout(() => { // when all scenarios are under way
    setImmediate(() => seen.push('immediate'));
    process.nextTick(() => seen.push('tick'));
    setTimeout(() => { seen.push('timeout'); done(); }, 300);
    seen.push('now');
  }, 300);
};
scenarios['timers: an interval that clears itself'] = (seen, done) => {
  const timer = setInterval((word) => {
    seen.push(word);
    if (seen.length === 2) { clearInterval(timer); setTimeout(done, 30); }
  }, 5, 'x');
};

// net

scenarios['net: refused'] = (seen, done) => {
  const gone = listen(net.createServer(), (port) => gone.close(() => {
    const one = log(net.connect(port, HOST), seen, '', 'lookup', 'connect', 'ready', 'error');
    one.on('close', (had) => { seen.push(`close ${had}`); done(); });
  }));
};
scenarios['net: events of a connection'] = (seen, done) => {
  const server = listen(net.createServer((peer) => {
    log(peer, seen, 'server ', 'end', 'finish', 'close');
    peer.on('data', (data) => { seen.push(`server ${text(data)}`); peer.end('bye'); });
  }), (port) => {
    const one = log(net.connect(port, HOST), seen, '', 'connect', 'ready', 'end', 'finish');
    seen.push(one.readyState);
    one.on('connect', () => { seen.push(one.readyState); one.write('hi'); });
    one.on('data', (data) => seen.push(text(data)));
    one.on('close', () => { seen.push(one.readyState); server.close(done); });
  });
};
scenarios['net: half open'] = (seen, done) => {
  const server = listen(net.createServer({ allowHalfOpen: true }, (peer) => {
    peer.on('end', () => { seen.push('server end'); peer.end('after'); });
    peer.resume();
  }), (port) => {
    const one = net.connect(port, HOST);
    one.end('hi');
    one.on('data', (data) => seen.push(text(data)));
    one.on('close', () => server.close(done));
  });
};
scenarios['net: write after end'] = (seen, done) => {
  const server = listen(net.createServer((peer) => peer.resume()), (port) => {
    const one = log(net.connect(port, HOST), seen, '', 'error');
    one.on('connect', () => { one.end(); one.write('x', (e) => seen.push(`callback ${e.code}`)); });
    one.on('close', (had) => { seen.push(`close ${had}`); server.close(done); });
  });
};
scenarios['net: destroy while connecting'] = (seen, done) => {
  const server = listen(net.createServer((peer) => peer.resume().on('error', () => {})), (port) => {
    const one = log(net.connect(port, HOST), seen, '', 'connect', 'error');
    one.destroy();
    seen.push(`${one.destroyed} ${one.connecting}`);
    one.on('close', (had) => { seen.push(`close ${had}`); server.close(done); });
  });
};
scenarios['net: timeout'] = (seen, done) => {
  const server = listen(net.createServer((peer) => peer.resume()), (port) => {
    const one = log(net.connect(port, HOST), seen, '', 'timeout');
    one.setTimeout(30, () => { seen.push(String(one.destroyed)); one.setTimeout(0); one.end(); });
    one.on('close', () => server.close(done));
  });
};
scenarios['net: a reset'] = (seen, done) => {
  const server = listen(net.createServer((peer) => peer.on('data', () => peer.resetAndDestroy())), (port) => {
    const one = log(net.connect(port, HOST), seen, '', 'end', 'error');
    one.write('x');
    one.on('data', () => {});
    one.on('close', (had) => { seen.push(`close ${had}`); server.close(done); });
  });
};
scenarios['net: servers that cannot listen'] = (seen, done) => {
  const first = listen(net.createServer(), (port) => {
    seen.push(code(() => first.listen(0)));
    const second = log(net.createServer(), seen, '', 'error');
    second.listen(port, HOST);
    second.on('error', () => second.close((error) => { seen.push(error.code); first.close(done); }));
  });
};
scenarios['net: connections past the limit'] = (seen, done) => {
  const server = listen(log(net.createServer((peer) => peer.resume()), seen, '', 'drop'), (port) => {
    server.maxConnections = 1;
    const first = net.connect(port, HOST, () => {
      const second = net.connect(port, HOST).resume();
      second.on('close', () => { first.end(); server.close(() => { seen.push('closed'); done(); }); });
    });
  });
};
scenarios['net: wrong arguments'] = (seen, done) => {
  for (const given of [{ port: 65536 }, { port: -1 }, { port: 'x' }, { port: 1, host: 5 }, {}, { port: 1, timeout: 'x' }]) {
    seen.push(code(() => net.connect(given).on('error', () => {}).destroy()));
  }
  seen.push(code(() => net.createServer().listen(70000)));
  done();
};
scenarios['net: addresses'] = (seen, done) => {
  seen.push(net.isIP('1.2.3.4'), net.isIP('::1'), net.isIP('x'), net.isIPv4('1.2.3'), net.isIPv6('::ffff:1.2.3.4'));
  const server = listen(net.createServer((peer) => peer.end()), (port) => {
    seen.push(server.address().family, server.address().address, server.listening);
    const one = net.connect(port, HOST, () => seen.push(one.remoteAddress, one.remoteFamily, one.localAddress));
    one.resume().on('close', () => server.close(() => { seen.push(server.address(), server.listening); done(); }));
  });
};

// tls

scenarios['tls: a server that speaks no TLS'] = (seen, done) => {
  const server = listen(net.createServer((peer) => peer.on('error', () => {}).end('hello, this is plain text')), (port) => {
    const one = log(tls.connect(port, HOST), seen, '', 'connect', 'secureConnect', 'end', 'error');
    one.on('close', (had) => { seen.push(`close ${had}`); server.close(); done(); });
  });
};

// dgram

scenarios['dgram: a message'] = (seen, done) => {
  const one = log(dgram.createSocket('udp4'), seen, '', 'listening', 'close');
  one.on('message', (data, from) => {
    seen.push(text(data), from.address, from.family, from.size);
  });
  one.bind(0, HOST, () => {
    seen.push(one.address().family);
    one.send('hello', one.address().port, HOST, (error, size) => setTimeout(() => {
      seen.push(`sent ${error} ${size}`);
      one.close(done);
    }, 100));
  });
};
scenarios['dgram: wrong uses'] = (seen, done) => {
  seen.push(code(() => dgram.createSocket('udp5')));
  const one = dgram.createSocket('udp4');
  seen.push(code(() => one.address()));
  seen.push(code(() => one.send('x', 70000, HOST)), code(() => one.send(5, 1, HOST)));
  one.bind(0, HOST, () => {
    seen.push(code(() => one.bind(0)), code(() => one.setTTL(0)), code(() => one.disconnect()));
    one.close();
    seen.push(code(() => one.close()), code(() => one.send('x', 1, HOST)));
    done();
  });
};

// dns

scenarios['dns: addresses'] = (seen, done) => {
  dns.lookup('127.0.0.1', (error, address, family) => {
    seen.push(error, address, family);
    dns.lookup('::1', { all: true }, (e, all) => { seen.push(e, ...all.map((a) => `${a.address} ${a.family}`)); done(); });
  });
};
scenarios['dns: wrong arguments'] = (seen, done) => {
  seen.push(code(() => dns.lookup('a')), code(() => dns.lookup(5, () => {})));
  seen.push(code(() => dns.lookup('a', { family: 5 }, () => {})), code(() => dns.lookup('a', 5, () => {})));
  done();
};

// http

function serve(listener, then) { return listen(http.createServer(listener), then); }
const quick = { agent: false, host: HOST };

scenarios['http: headers of a request'] = (seen, done) => {
  const server = serve((request, response) => {
    seen.push(...request.rawHeaders.map((one) => one.replace(/:\d+$/, '')));
    response.end();
    server.close(done);
  }, (port) => http.get({ port, ...quick, headers: { 'X-A': ['1', '2'] } }).on('response', (r) => r.resume()));
};
scenarios['http: headers of a request with a body'] = (seen, done) => {
  const server = serve((request, response) => {
    seen.push(...request.rawHeaders.map((one) => one.replace(/:\d+$/, '')));
    response.end();
    server.close(done);
  }, (port) => {
    const request = http.request({ port, ...quick, method: 'POST' }).on('response', (r) => r.resume());
    request.write('a');
    request.end();
  });
};
scenarios['http: headers of a response'] = (seen, done) => {
  const server = serve((request, response) => response.end('ok'), (port) => {
    http.get({ port, ...quick, headers: { Connection: 'keep-alive' } }, (r) => {
      seen.push(...r.rawHeaders.filter((_, at) => at % 2 === 0));
      r.resume().on('end', () => { server.close(done); server.closeAllConnections(); });
    });
  });
};
scenarios['http: events of an exchange'] = (seen, done) => {
  const server = serve((request, response) => {
    log(request, seen, 'server request ', 'end', 'close');
    log(response, seen, 'server response ', 'finish', 'close');
    request.on('data', (data) => seen.push(`server ${text(data)}`));
    request.on('end', () => response.end('ok'));
  }, (port) => {
    const request = http.request({ port, ...quick, method: 'POST' });
    log(request, seen, '', 'finish');
    request.on('response', (r) => {
      seen.push(r.statusCode, r.statusMessage);
      log(r, seen, 'response ', 'end');
      r.on('data', (data) => seen.push(text(data)));
    });
    request.on('close', () => setTimeout(() => server.close(done), 50));
    request.end('hi');
  });
};
scenarios['http: invalid requests'] = (seen, done) => {
  const bad = [
    ['nonsense'], ['ftp://a/'], [{ method: 'GET /' }], [{ path: '/a b' }], [{ headers: { 'a b': '1' } }],
    [{ headers: { a: 'b\n' } }], [{ headers: { a: undefined } }], [{ agent: 'x' }], [{ method: 5 }], [{ hostname: 5 }],
  ];
  for (const given of bad) seen.push(code(() => http.request(...given).on('error', () => {}).destroy()));
  done();
};
scenarios['http: invalid uses of a response'] = (seen, done) => {
  const server = serve((request, response) => {
    seen.push(code(() => response.writeHead(99)), code(() => response.writeHead(1000)), code(() => response.writeHead('x')));
    seen.push(code(() => response.setHeader('a', undefined)), code(() => response.setHeader('a b', 1)));
    seen.push(code(() => response.writeHead(200, 'a\n')), code(() => response.write(5)), code(() => response.write(null)));
    response.statusCode = 200;
    response.statusMessage = 'OK';
    response.write('a');
    seen.push(code(() => response.setHeader('a', 1)), code(() => response.writeHead(200)), code(() => response.removeHeader('a')));
    response.on('error', (error) => seen.push(error.code));
    response.end();
    response.write('b', (error) => seen.push(`callback ${error.code}`));
    server.close(done);
  }, (port) => http.get({ port, ...quick }, (r) => r.resume()));
};
scenarios['http: abort in the queue'] = (seen, done) => {
  const server = serve((request, response) => setTimeout(() => response.end(), 30), (port) => {
    const agent = new http.Agent({ maxSockets: 1 });
    // on a busy machine, the server may close before it has accepted the first connection
    http.get({ port, host: HOST, agent }, (r) => r.resume()).on('error', () => {});
    const second = log(http.get({ port, host: HOST, agent }), seen, '', 'abort', 'error', 'close');
    second.abort();
    setTimeout(() => server.close(done), 100);
  });
};
for (const how of ['abort', 'destroy']) {
  scenarios[`http: ${how} before the response`] = (seen, done) => {
    const server = serve(() => {}, (port) => {
      const request = log(http.get({ port, ...quick }), seen, '', 'abort', 'error', 'close');
      setTimeout(() => request[how](), 30);
      request.on('close', () => { server.close(done); server.closeAllConnections(); });
    });
  };
  scenarios[`http: ${how} within the response`] = (seen, done) => {
    const server = serve((request, response) => { response.on('error', () => {}).write('a'); }, (port) => {
      const request = log(http.get({ port, ...quick }), seen, '', 'abort', 'error');
      request.on('response', (r) => {
        log(r, seen, 'response ', 'aborted', 'end', 'error', 'close');
        r.on('data', () => request[how]());
        r.on('close', () => setTimeout(() => { server.close(done); server.closeAllConnections(); }, 30));
      });
    });
  };
}
scenarios['http: a server that goes away'] = (seen, done) => {
  const server = serve((request, response) => { response.write('a'); setTimeout(() => response.destroy(), 30); }, (port) => {
    const request = log(http.get({ port, ...quick }), seen, '', 'error');
    request.on('response', (r) => {
      log(r.resume(), seen, 'response ', 'aborted', 'end', 'error', 'close');
      r.on('close', () => { seen.push(r.complete, r.aborted); server.close(done); });
    });
  });
};
scenarios['http: a response shorter than its length'] = (seen, done) => {
  const server = serve((request, response) => { response.setHeader('Content-Length', 10); response.end('short'); }, (port) => {
    const request = log(http.get({ port, ...quick }), seen, '', 'error');
    request.on('response', (r) => {
      log(r.resume(), seen, 'response ', 'aborted', 'end', 'error', 'close');
      r.on('close', () => server.close(done));
    });
  });
};
scenarios['http: a timeout'] = (seen, done) => {
  const server = serve(() => {}, (port) => {
    const request = log(http.get({ port, ...quick, timeout: 30 }), seen, '', 'timeout', 'error', 'close');
    request.on('timeout', () => request.destroy());
    request.on('close', () => { server.close(done); server.closeAllConnections(); });
  });
};
scenarios['http: a connection used again'] = (seen, done) => {
  const server = serve((request, response) => response.end('ok'), (port) => {
    const agent = new http.Agent({ keepAlive: true });
    const get = (then) => {
      const request = http.get({ port, host: HOST, agent }, (r) => r.resume().on('close', () => setTimeout(then, 20)));
      request.on('socket', () => seen.push(request.reusedSocket));
    };
    get(() => get(() => { agent.destroy(); server.close(done); }));
  });
};
scenarios['http: expect'] = (seen, done) => {
  const server = serve((request, response) => request.resume().on('end', () => response.end()), (port) => {
    server.on('checkContinue', (request, response) => {
      seen.push('checkContinue');
      response.writeContinue();
      server.emit('request', request, response);
    });
    const request = log(http.request({ port, ...quick, method: 'POST', headers: { Expect: '100-continue' } }), seen, '', 'continue');
    request.on('information', (info) => seen.push(info.statusCode));
    request.on('continue', () => request.end('body'));
    request.on('response', (r) => { seen.push(r.statusCode); r.resume(); server.close(done); });
    request.flushHeaders();
  });
};
scenarios['http: a program of a server that answers late'] = (seen, done) => {
  const server = serve((request, response) => {
    setTimeout(() => { response.end('late', () => seen.push('ended')); }, 300);
    response.on('close', () => { seen.push('close'); server.close(done); });
    request.on('aborted', () => seen.push('aborted'));
  }, (port) => { const request = http.get({ port, ...quick }).on('error', () => {}); setTimeout(() => request.destroy(), 150); });
};
scenarios['http: closing a server'] = (seen, done) => {
  const server = serve((request, response) => {
    server.close(() => { seen.push('closed'); done(); });
    setTimeout(() => response.end('ok', () => seen.push('ended')), 30);
  }, (port) => http.get({ port, ...quick }, (r) => r.resume()));
};

async function main() {
  const results = {};
  await Promise.all(Object.entries(scenarios).map(([name, scenario]) => new Promise((done) => {
    const seen = results[name] = [];
    const limit = setTimeout(() => { seen.push('(never done)'); done(); }, LIMIT_MS);
    scenario(seen, () => setTimeout(() => { clearTimeout(limit); done(); }, 20));
  })));
  console.log(JSON.stringify({ version: process.version, results }));
  process.exit(0);
}

main();
