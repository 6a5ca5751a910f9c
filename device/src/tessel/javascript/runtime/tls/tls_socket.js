'use strict';

/**
 * TLS sockets whose TLS is done by the device, or by the proxy.
 *
 * They have the members of Node's `tls.TLSSocket`. If the proxy does the TLS, the device does not know
 * the certificate and the cipher: these members are empty then.
 */

const { X509Certificate } = require('crypto');
const net = require('net');
const { legacyChain, legacyObject, x509Chain } = require('../base/certificates');
const { coded, errorOf } = require('../base/errors');
const { finishConnect, kEvents, kLink } = require('../net/socket');

const kCheck = Symbol('check'); // the program's check of the name, until it was made
const kFacts = Symbol('facts'); // the device's description of its TLS; null: the proxy does it
const kOptions = Symbol('options');

const UNESTABLISHED = 'Client network socket disconnected before secure TLS connection was established';

// Codes of OpenSSL for certificates, such as CERT_HAS_EXPIRED, and of Node for their names.
const OF_CERTIFICATES = /^((?!ERR_)[A-Z]+(_[A-Z]+)+|ERR_TLS_CERT_ALTNAME_INVALID)$/;

/** Make the class of TLS sockets. `fieldsOf(options)` returns the TLS fields of a `connect`. */
function makeTlsSocketClass(fieldsOf) {
  const { Socket } = net;

  function DeviceTLSSocket(options) {
    const { allowHalfOpen, highWaterMark, onread, signal } = options;
    Socket.call(this, { allowHalfOpen, highWaterMark, onread, signal });
    this.encrypted = true;
    this.authorized = false;
    this.authorizationError = null;
    this.secureConnecting = true;
    this.alpnProtocol = null;
    this.servername = null;
    this.ssl = null; // Node's handle, which there is none of
    this._secureEstablished = false;
    this[kOptions] = options;
    this[kFacts] = null;
    this[kCheck] = null;
  }
  Object.setPrototypeOf(DeviceTLSSocket.prototype, Socket.prototype);
  Object.setPrototypeOf(DeviceTLSSocket, Socket);
  Object.defineProperty(DeviceTLSSocket, 'name', { value: 'TLSSocket' });

  Object.assign(DeviceTLSSocket.prototype, connecting(Socket.prototype, fieldsOf), facts, unsupported);
  return DeviceTLSSocket;
}

/** The methods that `connect` uses. */
const connecting = (base, fieldsOf) => ({
  [kEvents]: {
    ...base[kEvents],
    tcp(handle) {
      handle.holdBack(); // nothing is sent before the program has accepted the certificate
      finishConnect(this);
    },
  },

  _connectFields(options) {
    this[kOptions] = { ...this[kOptions], ...options };
    const { fields, check } = fieldsOf(this[kOptions]);
    this[kCheck] = check;
    // A name that the program looks up itself would not reach the device, which checks it.
    if (options.lookup || options.blockList) fields.servername ||= options.host || 'localhost';
    return { ...base._connectFields.call(this, options), tls: fields };
  },

  _established() {
    const known = this[kLink].tls || null;
    this[kFacts] = known;
    this._secureEstablished = true;
    this.alpnProtocol = (known && known.alpn) || false;
    this.servername = sentName(this[kOptions], known);
    this.emit('secure');
    if (this.destroyed) return;
    const fault = verdict(this, known);
    this.authorized = fault === null;
    if (fault !== null) this.authorizationError = fault.code || fault.message;
    if (fault !== null && this[kOptions].rejectUnauthorized !== false) {
      this.destroy(fault);
      return;
    }
    this[kCheck] = null;
    this.secureConnecting = false;
    this[kLink].letGo();
    this.emit('secureConnect');
  },

  _destroy(error, callback) {
    if (error && error.code === 'ECONNRESET' && error.message === UNESTABLISHED) {
      const { path, host, port, localAddress } = this[kOptions];
      Object.assign(error, { path, host, port, localAddress });
    }
    if (error && this.secureConnecting && OF_CERTIFICATES.test(error.code)) {
      this.authorizationError = error.code;
    }
    base._destroy.call(this, error, callback);
  },
});

/** Return why the peer is not accepted; null: it is. The program's own check comes last. */
function verdict(socket, known) {
  if (known === null) return null;
  if (known.error) return errorOf(known.error);
  if (socket[kCheck] === null) return null;
  const { servername, host } = socket[kOptions];
  return socket[kCheck](servername || host || 'localhost', socket.getPeerCertificate(true)) || null;
}

function sentName({ servername, host }, known) {
  if (servername !== undefined) return servername || false;
  return known !== null && host && !net.isIP(host) ? host : false;
}

/** Members that describe the TLS, as in Node. */
const facts = {
  getPeerCertificate(detailed) {
    if (this.destroyed) return null;
    const chain = this[kFacts] === null ? [] : ders(this[kFacts].chain);
    if (chain.length === 0) return {};
    return detailed ? legacyChain(chain) : legacyObject(chain[0]);
  },

  getPeerX509Certificate() {
    if (this.destroyed || this[kFacts] === null || this[kFacts].chain.length === 0) return undefined;
    return x509Chain(ders(this[kFacts].chain));
  },

  getCertificate() {
    if (this.destroyed) return null;
    const own = this[kFacts] && this[kFacts].own;
    return own ? legacyObject(Buffer.from(own, 'base64')) : {};
  },

  getX509Certificate() {
    const own = !this.destroyed && this[kFacts] && this[kFacts].own;
    return own ? new X509Certificate(Buffer.from(own, 'base64')) : undefined;
  },

  getCipher() {
    const cipher = !this.destroyed && this[kFacts] && this[kFacts].cipher;
    if (!cipher) return this.destroyed ? null : undefined;
    const [name, standardName, version] = cipher;
    return { name, standardName, version };
  },

  getProtocol() {
    return (!this.destroyed && this[kFacts] && this[kFacts].protocol) || null;
  },

  getEphemeralKeyInfo() {
    if (this.destroyed) return null;
    const key = this[kFacts] && this[kFacts].ephemeral;
    if (!key) return {};
    const [type, name, size] = key;
    return { type, name, size };
  },

  isSessionReused() {
    if (this.destroyed) return null;
    return Boolean(this[kFacts] && this[kFacts].reused);
  },
};

function ders(chain) {
  return chain.map((der) => Buffer.from(der, 'base64'));
}

/** Members of Node's TLS that the device's TLS does not have. */
const unsupported = {
  getSession: nothingYet,
  getTLSTicket: nothingYet,
  getFinished: nothingYet,
  getPeerFinished: nothingYet,
  getSharedSigalgs() {
    return this.destroyed ? null : []; // known to servers only
  },
  setSession() {}, // `isSessionReused` says that it was not
  disableRenegotiation() {}, // there is none
  setMaxSendFragment() {
    return false; // as Node says it for a size that cannot be set
  },
  setServername(name) {
    if (typeof name !== 'string') {
      throw coded(TypeError, 'ERR_INVALID_ARG_TYPE',
        `The "name" argument must be of type string. Received ${typeof name}`);
    }
    this[kOptions].servername = name;
  },
  setKeyCert() {
    throw missing('setKeyCert: pass cert and key to tls.connect');
  },
  enableTrace() {
    process.emitWarning('enableTrace: the TLS of the device cannot be traced; pass enableTrace to tls.connect');
  },
  exportKeyingMaterial() {
    throw missing('exportKeyingMaterial');
  },
  renegotiate(options, callback) {
    if (callback) process.nextTick(callback, missing('renegotiate'));
    return false;
  },
};

function nothingYet() {
  return this.destroyed ? null : undefined;
}

function missing(what) {
  return coded(Error, 'ERR_METHOD_NOT_IMPLEMENTED', `The TLS of the device does not have ${what}`);
}

module.exports = { makeTlsSocketClass };
