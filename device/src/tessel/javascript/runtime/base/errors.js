'use strict';

/**
 * Errors: those of the device with Node's members, and those that Node's own code would throw.
 */

const util = require('util');
const { legacyObject } = require('./certificates');

const SYSTEM = util.getSystemErrorMap(); // errno -> [code, text]
const NUMBERS = new Map([...SYSTEM].map(([errno, [code]]) => [code, errno]));
NUMBERS.set('ENOTFOUND', NUMBERS.get('EAI_NONAME')); // Node's name for it

const CALL = /^(connect|listen|bind|read|write|getaddrinfo|send) E[A-Z_]+:? ?(.*)$/;
const PLACE = /^\[?(.*?)\]?:(\d+)$/;

/**
 * Return the Error for the fields that the device has sent, with Node's members.
 *
 * Its stack is the program's line that opened the socket or server, `file:line`, if it is known: the
 * present stack shows only how the event arrived.
 */
function errorOf(fields, openedAt = null) {
  const { code, hint, details } = fields;
  const about = aboutCall(fields);
  const error = new Error(about.message || fields.message);
  error.stack = String(error);
  if (NUMBERS.has(code)) error.errno = NUMBERS.get(code);
  error.code = code;
  Object.assign(error, about.members);
  if (openedAt !== null) error.stack += `\n    at ${error.syscall || 'connect'} (${openedAt})`;
  if (hint !== undefined) error.hint = hint;
  if (details !== undefined) addDetails(error, details);
  return error;
}

/** Add the further properties of errors of TLS, such as `reason`; `cert` comes in DER. */
function addDetails(error, details) {
  Object.assign(error, details);
  if (details.cert !== undefined) error.cert = legacyObject(Buffer.from(details.cert, 'base64'));
}

/** Return the members of an error of a system call, and Node's message if it differs. */
function aboutCall({ code, message }) {
  const [, syscall, about] = CALL.exec(message) || [];
  if (syscall === undefined) return {};
  if (syscall === 'getaddrinfo') return { members: { syscall, hostname: about } };
  const [, address, number] = PLACE.exec(about) || [];
  if (address === undefined) return { members: { syscall } };
  const port = syscall === 'listen' && number === '0' ? undefined : Number(number);
  const [, text] = SYSTEM.get(NUMBERS.get(code)) || [];
  const why = syscall === 'listen' && text !== undefined ? `: ${text}` : '';
  return {
    message: `${syscall} ${code}${why} ${address}${port === undefined ? '' : `:${port}`}`,
    members: { syscall, address, ...(port === undefined ? {} : { port }) },
  };
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

module.exports = { NUMBERS, coded, errorOf, withCode };
