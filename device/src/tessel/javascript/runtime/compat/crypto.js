'use strict';

const crypto = require('crypto');
const tls = require('tls');
const { add, define } = require('./define');

/** The digest of pbkdf2 before Node let the program choose one. */
const DEFAULT_DIGEST = 'sha1';

function installCrypto() {
  add(crypto, 'createCredentials', (options) => tls.createSecureContext(options));
  add(tls, 'createCredentials', (options) => tls.createSecureContext(options));
  const { pbkdf2, pbkdf2Sync } = crypto;
  define(crypto, 'pbkdf2', (password, salt, iterations, length, digest, callback) => {
    if (typeof digest === 'function') {
      pbkdf2(password, salt, iterations, length, DEFAULT_DIGEST, digest);
    } else {
      pbkdf2(password, salt, iterations, length, digest, callback);
    }
  });
  define(crypto, 'pbkdf2Sync', (password, salt, iterations, length, digest = DEFAULT_DIGEST) =>
    pbkdf2Sync(password, salt, iterations, length, digest),
  );
  add(crypto, 'createCipher', cipherFrom(crypto.createCipheriv));
  add(crypto, 'createDecipher', cipherFrom(crypto.createDecipheriv));
}

/** Node 22 dropped the functions that derive key and initialization vector from a password. */
function cipherFrom(create) {
  return (algorithm, password, options) => {
    const { keyLength, ivLength = 0 } = crypto.getCipherInfo(algorithm) ?? {};
    if (keyLength === undefined) throw new Error(`createCipher: unknown cipher ${algorithm}`);
    const bytes = derived(Buffer.from(password, 'binary'), keyLength + ivLength);
    const iv = ivLength > 0 ? bytes.subarray(keyLength) : null;
    return create(algorithm, bytes.subarray(0, keyLength), iv, options);
  };
}

/** OpenSSL's EVP_BytesToKey with MD5, one round and no salt, which the old functions used. */
function derived(password, length) {
  let bytes = Buffer.alloc(0);
  let block = Buffer.alloc(0);
  while (bytes.length < length) {
    block = crypto.createHash('md5').update(block).update(password).digest();
    bytes = Buffer.concat([bytes, block]);
  }
  return bytes.subarray(0, length);
}

module.exports = { installCrypto };
