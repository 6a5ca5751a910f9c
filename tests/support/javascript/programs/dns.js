'use strict';

// Prints what `dns` of this Node does. The names need no name server: the machine knows localhost,
// and `invalid` has no names.

const { AsyncLocalStorage } = require('async_hooks');
const dns = require('dns');
const promises = require('dns/promises');
const util = require('util');

process.removeAllListeners('warning'); // an empty name is deprecated

const IPV4 = { family: 4 };

function shown(value) {
  if (!(value instanceof Error)) return value;
  const { name, message, code, errno, syscall, hostname } = value;
  return { name, message, code, errno, syscall, hostname };
}

function say(label, ...values) {
  console.log(`${label}: ${JSON.stringify(values.map(shown))}`);
}

function thrownBy(call) {
  try {
    call();
    return 'nothing thrown';
  } catch (error) {
    return error;
  }
}

function lookup(...args) {
  return new Promise((done) => {
    try {
      dns.lookup(...args, (...results) => done(results.map(shown)));
    } catch (error) {
      done(['thrown', shown(error)]);
    }
  });
}

async function lookUp() {
  say('a family', await lookup('localhost', 4), await lookup('localhost', { family: 'IPv4' }));
  say('all', await lookup('localhost', { all: true, ...IPV4 }));
  say('an address', await lookup('127.0.0.1'), await lookup('::1', { all: true }));
  say('no name', await lookup(''), await lookup(null, { all: true }), await lookup(undefined, 6));
  say('an unknown name', await lookup('nothing.invalid'), await lookup('b\u00fcro.invalid'));
  say('orders', await lookup('localhost', { order: 'ipv4first', ...IPV4 }),
    await lookup('localhost', { verbatim: false, hints: dns.ADDRCONFIG, ...IPV4 }));
  let turn = 'the same turn';
  const answered = new Promise((done) => dns.lookup('localhost', 4, () => done(turn)));
  turn = 'a later turn';
  say('when', await answered);
  const { hostname, family } = dns.lookup('localhost', 4, () => {});
  say('returned', hostname, family);
  const store = new AsyncLocalStorage();
  say('context', await new Promise((done) => {
    store.run('kept', () => dns.lookup('localhost', 4, () => done(store.getStore())));
  }));
}

async function lookUpWrongly() {
  say('hostname', await lookup(5));
  for (const options of [7, 'x', { family: 5 }, { hints: 1 }, { all: 1 }, { order: 'x' }, { verbatim: 'x' }]) {
    say(`options ${util.inspect(options)}`, await lookup('localhost', options));
  }
  say('callback', thrownBy(() => dns.lookup('localhost')), thrownBy(() => dns.lookup('localhost', 4, 'x')));
  say('rrtype', thrownBy(() => dns.resolve('a', 'NOPE', () => {})), thrownBy(() => dns.resolve('a')));
  say('name', thrownBy(() => dns.resolve4(5, () => {})));
  say('service', thrownBy(() => dns.lookupService('x', 1, () => {})),
    thrownBy(() => dns.lookupService('127.0.0.1', 99999, () => {})), thrownBy(() => dns.lookupService('127.0.0.1')));
  say('servers', thrownBy(() => dns.setServers('x')), thrownBy(() => dns.setServers(['x'])));
  say('reverse', thrownBy(() => dns.reverse('x', () => {})));
  say('resolver', thrownBy(() => new dns.Resolver({ timeout: 'x' })));
}

async function promise() {
  say('promise', await dns.promises.lookup('localhost', 4), await promises.lookup('localhost', { all: true, ...IPV4 }));
  say('promisified', await util.promisify(dns.lookup)('localhost', 4));
  await promises.lookup('nothing.invalid').catch((error) => say('rejected', error));
  const many = Array.from({ length: 200 }, () => promises.lookup('localhost', 4));
  say('many', new Set((await Promise.all(many)).map(({ address }) => address)).size, many.length);
  say('members', typeof dns.setDefaultResultOrder, dns.NOTFOUND, dns.ADDRCONFIG);
}

lookUp().then(lookUpWrongly).then(promise);
