'use strict';

/**
 * Errors: those of the device with Node's members, and those that Node's own code would throw.
 */

const os = require('os');
const { legacyObject } = require('./certificates');

/**
 * Return the Error for the fields that the device has sent, with Node's members.
 *
 * Its stack is the program's line that opened the socket or server, `file:line`, if it is known: the
 * stack of this moment shows only how the event came.
 */
function errorOf(fields, openedAt = null) {
  const error = new Error(fields.message);
  error.stack = String(error);
  error.code = fields.code;
  const errno = os.constants.errno[fields.code];
  if (errno !== undefined) error.errno = -errno;
  const call = /^(connect|listen|bind|read|write|getaddrinfo|send) E[A-Z]+:? ?(.*)$/.exec(fields.message);
  if (call !== null) addCall(error, call[1], call[2]);
  if (openedAt !== null) error.stack += `\n    at ${error.syscall || 'connect'} (${openedAt})`;
  if (fields.hint !== undefined) error.hint = fields.hint;
  if (fields.details !== undefined) addDetails(error, fields.details);
  return error;
}

/** Add the further properties of errors of TLS, such as `reason`; `cert` comes in DER. */
function addDetails(error, details) {
  Object.assign(error, details);
  if (details.cert !== undefined) error.cert = legacyObject(Buffer.from(details.cert, 'base64'));
}

function addCall(error, syscall, about) {
  error.syscall = syscall;
  if (syscall === 'getaddrinfo') {
    error.hostname = about;
    return;
  }
  const place = /^\[?(.*?)\]?:(\d+)$/.exec(about);
  if (place === null) return;
  error.address = place[1];
  error.port = Number(place[2]);
}

/** Return an error of the class `Base` with a code, whose stack shows the code as Node's does. */
function coded(Base, code, message) {
  return withCode(new Base(message), code);
}

/** Give an error a code, and show it in the stack as Node does. */
function withCode(error, code) {
  error.code = code;
  error.stack = error.stack.replace(/^(\w+)/, `$1 [${code}]`);
  return error;
}

module.exports = { coded, errorOf, withCode };
