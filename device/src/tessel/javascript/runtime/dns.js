'use strict';

/**
 * Look-ups of names: the device's radio answers them. Arguments, results and errors stay those of
 * Node's `dns`.
 *
 * Node's `dns`, its promises and its resolvers ask a part of Node for names. The functions of that
 * part are replaced here.
 */

const net = require('net');
const os = require('os');
const url = require('url');
const { AsyncResource } = require('async_hooks');
const { sentHost } = require('./channel/channel');
const { NUMBERS, coded, errorOf } = require('./base/errors');
const { binding } = require('./base/binding');
const { warnOnce } = require('./base/warnings');
const { nameServers } = require('./wifi');

/** Look-ups that the device does at a time; further ones wait here. A radio does one after another. */
const MAX_LOOKUPS = 64;

/** The code of a resolver if no name server answers. */
const RESOLVER_CODE = { EAI_AGAIN: 'ETIMEOUT' };

const NAME_SERVER_PORT = 53;
const NOT_IMPLEMENTED = 'ENOTIMP';
const CANCELLED = 'ECANCELLED';

/** Asks the device for addresses, a limited number at a time. */
class LookUps {
  constructor(channel) {
    this._channel = channel;
    this._active = 0;
    this._waiting = [];
  }

  /** Look up a name; `answered` is called with the device's fields. Returns a function to cancel. */
  ask(name, family, answered) {
    const question = { name: asciiOf(name), family, answered, resource: new AsyncResource('LOOKUP') };
    this._channel.hold();
    if (this._active < MAX_LOOKUPS) this._send(question);
    else this._waiting.push(question);
    return () => {
      question.answered = () => {};
    };
  }

  _send(question) {
    const channel = this._channel;
    const id = channel.add({ onEvent: (fields) => this._onAnswer(id, question, fields) });
    this._active += 1;
    channel.sendEnvironment();
    channel.call(id, { op: 'lookup', name: sentHost(question.name), family: question.family });
  }

  _onAnswer(id, question, fields) {
    this._channel.remove(id);
    this._active -= 1;
    if (this._waiting.length > 0) this._send(this._waiting.shift());
    this._channel.release();
    question.resource.runInAsyncScope(question.answered, null, fields);
  }
}

function install(channel) {
  const lookUps = new LookUps(channel);
  const cares = binding('cares_wrap');
  const { prototype } = cares.ChannelWrap;

  cares.getaddrinfo = function getaddrinfo(request, name, family, hints, order) {
    lookUps.ask(name, family, (fields) => {
      if (fields.event === 'found') request.oncomplete(null, ordered(fields.addresses, order, cares));
      else {
        fail(request, NUMBERS.get(fields.error.code) || NUMBERS.get('EAI_FAIL'), fields.error);
      }
    });
    return 0;
  };
  cares.getnameinfo = (request) => refuse(request, 'lookupService');

  for (const name of Object.getOwnPropertyNames(prototype).filter((one) => one.startsWith('query'))) {
    prototype[name] = (request) => refuse(request, name.replace('query', 'resolve'));
  }
  prototype.getHostByAddr = (request, address) =>
    (net.isIP(address) === 0 ? -os.constants.errno.EINVAL : refuse(request, 'reverse'));
  prototype.queryA = resolver(lookUps, 4);
  prototype.queryAaaa = resolver(lookUps, 6);
  replaceCancel(prototype);
  replaceServers(prototype);
}

/** Return a method that resolves a name to addresses of a family, for a resolver's `this`. */
function resolver(lookUps, family) {
  return function query(request, name) {
    const running = runningOf(this);
    const cancel = lookUps.ask(name, family, (fields) => {
      running.delete(stopped);
      if (fields.event === 'failed') {
        const { code } = fields.error;
        fail(request, RESOLVER_CODE[code] || code, fields.error);
        return;
      }
      const found = fields.addresses.map(({ address }) => address);
      request.oncomplete(null, found, found.map(() => 0)); // ttl 0: the radio does not report it
    });
    const stopped = () => {
      cancel();
      complete(request, CANCELLED);
    };
    running.add(stopped);
    return 0;
  };
}

const kRunning = Symbol('running');

function runningOf(handle) {
  handle[kRunning] ||= new Set();
  return handle[kRunning];
}

function replaceCancel(prototype) {
  const nodeCancel = prototype.cancel;
  prototype.cancel = function cancel() {
    const running = [...runningOf(this)];
    runningOf(this).clear();
    running.forEach((stopped) => stopped());
    return nodeCancel.call(this);
  };
}

function replaceServers(prototype) {
  const { getServers } = prototype;
  prototype.getServers = function getRadiosServers() {
    const found = nameServers();
    return found === null ? getServers.call(this) : found.map((one) => [one, NAME_SERVER_PORT]);
  };
  prototype.setServers = function setServers() {
    throw coded(Error, 'ERR_DNS_SET_SERVERS_FAILED',
      'setServers: a board\'s radio asks the name server of its network, and no other');
  };
}

/** End a request that is not for addresses: the radio looks up nothing else. */
function refuse(request, call) {
  warnOnce(`dns: a board's radio looks up only addresses (A and AAAA): ${call} fails with ENOTIMP`);
  complete(request, NOT_IMPLEMENTED);
  return 0;
}

/** End a request with an error after the call that has made it. */
function complete(request, code) {
  const resource = new AsyncResource('LOOKUP');
  setImmediate(() => resource.runInAsyncScope(() => request.oncomplete(code)));
}

function ordered(found, order, cares) {
  const addresses = found.map(({ address }) => address);
  const first = { [cares.DNS_ORDER_IPV4_FIRST]: 4, [cares.DNS_ORDER_IPV6_FIRST]: 6 }[order];
  if (first === undefined && order !== false) return addresses; // Node before 20.13 passes false
  const isFirst = (address) => net.isIP(address) === (first || 4);
  return [...addresses.filter(isFirst), ...addresses.filter((address) => !isFirst(address))];
}

function asciiOf(name) {
  return /^[\x00-\x7f]*$/.test(name) ? name : url.domainToASCII(name) || name;
}

/**
 * End a request with an error of the device. Node makes its own error of the status for `callback`
 * or `reject`; it gets the device's hint. Codes that only the device has, such as ERR_SETTINGS, need
 * the device's error: Node would call them a failure of the name server.
 */
function fail(request, status, fields) {
  for (const name of ['callback', 'reject']) {
    const report = request[name];
    if (typeof report !== 'function') continue;
    request[name] = function reportAsDevice(error, ...others) {
      return report.call(this, errorFor(error, fields), ...others);
    };
  }
  request.oncomplete(status, null);
}

function errorFor(error, fields) {
  if (fields.code.startsWith('ERR_')) return errorOf(fields);
  return fields.hint === undefined ? error : Object.assign(error, { hint: fields.hint });
}

module.exports = { install };
