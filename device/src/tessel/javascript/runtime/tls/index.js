'use strict';

/**
 * Replaces `tls.connect`: the device, or the proxy, does the TLS.
 *
 * Over a socket or stream that the program passes, on servers, and with options that only Node has,
 * Node's own TLS runs, and the device carries its bytes.
 */

const net = require('net');
const tls = require('tls');
const { coded } = require('../base/errors');
const { kEncrypted } = require('../net/socket');
const {
  hasContextOptions, onlyNodes, setDefaults, tlsFields,
} = require('./tls_options');
const { makeTlsSocketClass } = require('./tls_socket');

const NodeTLSSocket = tls.TLSSocket;
const nodeConnect = tls.connect;
const nodeCreateSecureContext = tls.createSecureContext;
const nodeCheckServerIdentity = tls.checkServerIdentity;
const contexts = new WeakMap(); // context -> the options it was made of, unless it was changed since
const CHANGING = /^(set|add|load|enable)[A-Z]/; // methods of Node's contexts that change them

/** Replace `tls.connect` and what belongs to it. */
function install() {
  const DeviceTLSSocket = makeTlsSocketClass(fieldsOf);
  tls.TLSSocket = makeAnyTlsSocketClass(DeviceTLSSocket);
  tls.connect = makeConnect(DeviceTLSSocket);
  if (tls.setDefaultCACertificates) tls.setDefaultCACertificates = setDefaults;
  tls.createSecureContext = function createSecureContext(options) {
    const context = nodeCreateSecureContext(options);
    contexts.set(context, options || {});
    forgetIfChanged(context);
    return context;
  };
}

function makeConnect(DeviceTLSSocket) {
  return function connect(...args) {
    const [given, callback] = normalized(args);
    if (given.socket) return nodeConnect.apply(this, args);
    const options = complete(given);
    if (needsNode(options)) return connectByNode(given, callback);
    if (!options.secureContext && hasContextOptions(options)) nodeCreateSecureContext(options); // throws
    const socket = new DeviceTLSSocket(options);
    if (callback) socket.once('secureConnect', callback);
    if (options.timeout) socket.setTimeout(options.timeout);
    warnOfAddress(options.servername);
    return socket.connect(options);
  };
}

/** Make Node's class, except that a socket without another one below it is one of the device. */
function makeAnyTlsSocketClass(DeviceTLSSocket) {
  function TLSSocket(socket, options) {
    if (!socket && !(options && options.isServer)) return new DeviceTLSSocket(complete({ ...options }));
    if (new.target === undefined) return NodeTLSSocket.call(this, socket, options);
    return Reflect.construct(NodeTLSSocket, [socket, options], new.target);
  }
  Object.setPrototypeOf(TLSSocket, NodeTLSSocket);
  TLSSocket.prototype = NodeTLSSocket.prototype;
  Object.defineProperty(TLSSocket, Symbol.hasInstance, {
    value(object) {
      return Function.prototype[Symbol.hasInstance].call(this, object)
        || (this === TLSSocket && object instanceof DeviceTLSSocket);
    },
  });
  return TLSSocket;
}

// The options.

/** Return the options and the callback of a call of `tls.connect`, in any of its forms. */
function normalized(args) {
  const [options, callback] = net._normalizeArgs(args);
  const more = [args[1], args[2]].find((each) => typeof each === 'object' && each !== null);
  return [{ ...options, ...more }, callback];
}

/** Return the options with Node's defaults. */
function complete(given) {
  const options = {
    rejectUnauthorized: !allowsUnauthorized(),
    ciphers: tls.DEFAULT_CIPHERS,
    checkServerIdentity: tls.checkServerIdentity,
    minDHSize: 1024,
    ...given,
  };
  options.rejectUnauthorized = options.rejectUnauthorized !== false;
  const { checkServerIdentity, minDHSize, servername } = options;
  if (typeof checkServerIdentity !== 'function') {
    throw wrongType('checkServerIdentity', 'function', checkServerIdentity);
  }
  if (servername && typeof servername !== 'string') throw wrongType('servername', 'string', servername);
  if (typeof minDHSize !== 'number') throw wrongType('minDHSize', 'number', minDHSize);
  if (!(minDHSize >= 1)) {
    throw coded(RangeError, 'ERR_OUT_OF_RANGE',
      `The value of "options.minDHSize" is out of range. It must be >= 1. Received ${minDHSize}`);
  }
  return options;
}

function wrongType(name, allowed, value) {
  return coded(TypeError, 'ERR_INVALID_ARG_TYPE',
    `The "options.${name}" property must be of type ${allowed}. Received ${typeof value}`);
}

/** Forget the options of a context when the program changes it by a method, such as `addCACert`. */
function forgetIfChanged(context) {
  const native = context.context;
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(native));
  for (const name of names.filter((each) => CHANGING.test(each))) {
    const { [name]: change } = native;
    native[name] = function changeAndForget(...args) {
      contexts.delete(context);
      return change.apply(this, args);
    };
  }
}

/** Return whether only Node's own TLS can respect the options. */
function needsNode(options) {
  const { secureContext } = options;
  if (onlyNodes(options)) return true;
  return Boolean(secureContext) && (!contexts.has(secureContext) || onlyNodes(contexts.get(secureContext)));
}

/** Return the fields for the device, and the program's own check of the name. */
function fieldsOf(options) {
  const made = contexts.get(options.secureContext);
  const { servername, ALPNProtocols, rejectUnauthorized } = options;
  const all = made === undefined ? options
    : { ciphers: tls.DEFAULT_CIPHERS, ...made, servername, ALPNProtocols, rejectUnauthorized };
  const own = options.checkServerIdentity !== nodeCheckServerIdentity;
  return { fields: tlsFields(all, !own), check: own ? options.checkServerIdentity : null };
}

let warnedOfUnauthorized = false;

function allowsUnauthorized() {
  if (process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return false;
  if (!warnedOfUnauthorized) {
    warnedOfUnauthorized = true;
    process.emitWarning('Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to \'0\' makes TLS '
      + 'connections and HTTPS requests insecure by disabling certificate verification.');
  }
  return true;
}

let warnedOfAddress = false;

function warnOfAddress(servername) {
  if (warnedOfAddress || !servername || !net.isIP(servername)) return;
  warnedOfAddress = true;
  process.emitWarning(`The TLS option servername is an address (${servername}), which RFC 6066 forbids:`
    + ' no name is sent', 'DeprecationWarning', 'DEP0123');
}

// Node's own TLS.

/** Connect with the TLS of Node over a socket of the device. */
function connectByNode(given, callback) {
  const ofTls = { onread: undefined, signal: undefined, timeout: undefined };
  const below = net.connect({ ...given, ...ofTls, [kEncrypted]: true });
  const socket = nodeOver(below, given);
  below.on('lookup', (...found) => socket.emit('lookup', ...found));
  below.on('ready', () => socket.emit('ready'));
  if (callback) socket.once('secureConnect', callback);
  if (given.timeout) socket.setTimeout(given.timeout);
  return socket;
}

function nodeOver(below, given) {
  try {
    return nodeConnect({ ...given, host: given.host || 'localhost', socket: below });
  } catch (error) {
    below.destroy(); // an option is wrong
    throw error;
  }
}

module.exports = { install };
