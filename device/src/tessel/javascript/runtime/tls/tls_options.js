'use strict';

/** The options of `tls.connect` -> fields of a call to the device. */

const { constants, createPrivateKey } = require('crypto');
const fs = require('fs');
const tls = require('tls');
const { coded } = require('../base/errors');
const { MAX_JSON_BYTES } = require('../channel/frames');

const DEFAULT_CIPHERS = constants.defaultCoreCipherList; // before an option or a program sets others
const DEFAULT_MIN_VERSION = 'TLSv1.2';
const DEFAULT_MAX_VERSION = 'TLSv1.3';
const MAX_BYTES = MAX_JSON_BYTES - 4096; // the rest is for the other fields of the call
const DEFAULT_MIN_DH_BITS = 1024; // Node's

/** Options of a context, which Node checks when it makes one. */
const CONTEXT_OPTIONS = [
  'ca', 'cert', 'key', 'pfx', 'passphrase', 'ciphers', 'minVersion', 'maxVersion', 'secureProtocol',
  'sessionTimeout', 'ticketKeys', 'dhparam', 'honorCipherOrder', 'sessionIdContext',
];

/** Options that only Node's own TLS can respect. To ignore one could weaken the connection. */
const ONLY_NODES = [
  'pskCallback', 'requestOCSP', 'crl', 'sigalgs', 'ecdhCurve', 'enableTrace', 'secureOptions',
  'clientCertEngine', 'privateKeyEngine', 'privateKeyIdentifier', 'allowPartialTrustChain',
];

/** Values of `secureProtocol`, without `_method` -> lowest and highest version. */
const PROTOCOL_METHODS = {
  TLS: ['TLSv1', 'TLSv1.3'],
  SSLv23: ['TLSv1', 'TLSv1.2'],
  TLSv1: ['TLSv1', 'TLSv1'],
  TLSv1_1: ['TLSv1.1', 'TLSv1.1'],
  TLSv1_2: ['TLSv1.2', 'TLSv1.2'],
};

/** Return whether Node has to check the options, because a program has set some of a context. */
function hasContextOptions(options) {
  return CONTEXT_OPTIONS.some((name) => options[name] !== undefined
    && !(name === 'ciphers' && options[name] === DEFAULT_CIPHERS));
}

/** Return whether there is an option that the device's TLS does not have. */
function onlyNodes(options) {
  return options.minDHSize > DEFAULT_MIN_DH_BITS
    || ONLY_NODES.some((name) => options[name] && !(name === 'ecdhCurve' && options[name] === 'auto'));
}

/**
 * Return the fields for the device.
 *
 * `options` are complete, with Node's defaults. `checksName`: the device compares the name with the
 * certificate; else the program does. An option that has its default is left out, because one that
 * is set keeps the connection from the TLS of a trusted proxy.
 */
function tlsFields(options, checksName) {
  const [minVersion, maxVersion] = versions(options);
  const authorities = options.ca ? texts(options.ca).filter(isPem) : defaultAuthorities;
  const fields = {
    ...identity(options),
    ca: authorities,
    extraCa: authorities || extraAuthorities.length === 0 ? undefined : extraAuthorities,
    servername: options.servername === undefined ? undefined : options.servername || '',
    alpn: options.ALPNProtocols ? alpnNames(options.ALPNProtocols) : undefined,
    ciphers: options.ciphers === DEFAULT_CIPHERS ? undefined : options.ciphers,
    minVersion: minVersion === DEFAULT_MIN_VERSION ? undefined : minVersion,
    maxVersion: maxVersion === DEFAULT_MAX_VERSION ? undefined : maxVersion,
  };
  if (options.rejectUnauthorized === false) fields.reject = false;
  if (!checksName) fields.checkName = false;
  checkSize(fields);
  return fields;
}

function checkSize(fields) {
  const nbytes = Buffer.byteLength(JSON.stringify(fields));
  if (nbytes <= MAX_BYTES) return;
  throw coded(RangeError, 'ERR_OUT_OF_RANGE',
    `The options of TLS have ${nbytes} bytes, in JSON; allowed on the device: ${MAX_BYTES}. Pass fewer authorities`);
}

function versions(options) {
  if (!options.secureProtocol) {
    return [options.minVersion || tls.DEFAULT_MIN_VERSION, options.maxVersion || tls.DEFAULT_MAX_VERSION];
  }
  const [, name] = /^(.*?)(_client)?_method$/.exec(options.secureProtocol) || [];
  if (!Object.hasOwn(PROTOCOL_METHODS, String(name))) {
    throw coded(TypeError, 'ERR_TLS_INVALID_PROTOCOL_METHOD',
      `secureProtocol is ${options.secureProtocol}; allowed: ${Object.keys(PROTOCOL_METHODS).join(', ')},`
      + ' each with _method or _client_method');
  }
  return PROTOCOL_METHODS[name];
}

// The client's certificate.

function identity({ cert, key, pfx, passphrase }) {
  const stores = pfx ? [pfx].flat() : [];
  return {
    cert: cert ? texts(cert) : undefined,
    key: key ? [key].flat().map((one) => plainKey(one, passphrase)) : undefined,
    pfx: pfx ? stores.map((one) => Buffer.from(one.buf || one).toString('base64')) : undefined,
    passphrase: onePassphrase(stores.map((one) => one.passphrase || passphrase)),
  };
}

/** Return a private key in PEM without encryption. Each key may have a passphrase of its own. */
function plainKey(key, passphrase) {
  const pem = key.pem === undefined ? key : key.pem;
  const secret = key.passphrase === undefined ? passphrase : key.passphrase;
  const text = asText(pem);
  if (!text.includes('ENCRYPTED')) return text;
  return createPrivateKey({ key: text, passphrase: secret }).export({ type: 'pkcs8', format: 'pem' });
}

function onePassphrase(secrets) {
  const distinct = new Set(secrets.map((secret) => (secret === undefined ? undefined : asText(secret))));
  if (distinct.size > 1) {
    throw coded(TypeError, 'ERR_INVALID_ARG_VALUE',
      "The option 'pfx' has several passphrases; allowed on the device: one for all of them");
  }
  return [...distinct][0];
}

// Lists.

function texts(value) {
  return [value].flat().map(asText);
}

function asText(value) {
  if (typeof value === 'string') return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
  return Buffer.from(value).toString();
}

function isPem(text) {
  return text.includes('-----BEGIN ');
}

/** Return the names of protocols as latin-1 texts, from a list or from the form of the wire. */
function alpnNames(protocols) {
  const converted = {};
  tls.convertALPNProtocols(protocols, converted);
  const wire = converted.ALPNProtocols;
  const names = [];
  for (let start = 0; start < wire.length; start += 1 + wire[start]) {
    const name = wire.subarray(start + 1, start + 1 + wire[start]);
    if (name.length === 0 || name.length < wire[start]) {
      throw coded(TypeError, 'ERR_INVALID_ARG_VALUE',
        `The option 'ALPNProtocols' has a name of ${wire[start]} bytes at byte ${start} of ${wire.length};`
        + ' allowed: one byte with the length, 1 to 255, and as many bytes');
    }
    names.push(name.toString('latin1'));
  }
  return names.length > 0 ? names : undefined;
}

// NODE_EXTRA_CA_CERTS, which Node reads once, too: authorities besides the default ones.

const extraAuthorities = readExtra(process.env.NODE_EXTRA_CA_CERTS);

function readExtra(file) {
  if (!file) return [];
  try {
    const found = [fs.readFileSync(file, 'utf8')].filter(isPem);
    checkSize(found);
    return found;
  } catch (error) {
    process.emitWarning(`NODE_EXTRA_CA_CERTS is ignored: ${error.message}`);
    return [];
  }
}

// Authorities in place of the default ones; Node 22 has the function.

let defaultAuthorities;
const { setDefaultCACertificates } = tls;

function setDefaults(certificates) {
  setDefaultCACertificates(certificates);
  defaultAuthorities = texts(certificates);
}

module.exports = { hasContextOptions, onlyNodes, setDefaults, tlsFields };
