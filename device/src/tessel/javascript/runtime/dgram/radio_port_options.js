'use strict';

/** The options of a UDP port of the radio: broadcast, multicast, TTL. */

const net = require('net');
const os = require('os');
const util = require('util');

const { errno } = os.constants;
const HIGHEST_TTL = 255;

/**
 * The methods of Node's handle that set options. A fault that only the device can find is reported
 * later, as the event `error` of the socket.
 */
class RadioPortOptions {
  constructor(channel, socket) {
    this._channel = channel;
    this._socket = socket;
    this.id = 0; // 0: no port
    this._bound = null; // the own address, when it is bound
    this._hasOptions = false; // the radio has multicast and a TTL
    this._early = []; // memberships to ask for when the port is bound
  }

  setBroadcast(on) {
    return this._bound === null ? -errno.EBADF : this._option('setBroadcast', { value: on === 1 });
  }

  setTTL(ttl) {
    return this._number('setTTL', ttl, 1);
  }

  setMulticastTTL(ttl) {
    return this._number('setMulticastTTL', ttl, 0);
  }

  _number(name, ttl, lowest) {
    if (this._bound === null) return -errno.EBADF;
    const isFine = Number.isInteger(ttl) && ttl >= lowest && ttl <= HIGHEST_TTL;
    return isFine ? this._radioOption(name, { value: ttl }) : -errno.EINVAL;
  }

  setMulticastLoopback(on) {
    if (this._bound === null) return -errno.EBADF;
    return this._radioOption('setMulticastLoopback', { value: on === 1 });
  }

  setMulticastInterface(address) {
    if (!net.isIPv4(address)) return -errno.EINVAL;
    if (this._bound === null) return -errno.EBADF;
    return this._radioOption('setMulticastInterface', { value: address });
  }

  addMembership(group, address) {
    return this._membership('addMembership', group, address);
  }

  dropMembership(group, address) {
    return this._membership('dropMembership', group, address);
  }

  _membership(name, value, address) {
    if (!isGroup(value) || (address !== undefined && !net.isIPv4(address))) return -errno.EINVAL;
    const fields = { value, interface: address === undefined ? null : address };
    if (this._bound !== null) return this._radioOption(name, fields);
    this._early.push({ name, fields });
    return 0;
  }

  addSourceSpecificMembership() {
    return -errno.ENOTSUP;
  }

  dropSourceSpecificMembership() {
    return -errno.ENOTSUP;
  }

  /** The radio's buffers have a fixed size: let Node throw an error that says so. */
  bufferSize(size, isReceive, context) {
    context.errno = -errno.ENOTSUP;
    context.code = 'ENOTSUP';
    context.message = 'the radio\'s buffers have a fixed size';
    context.syscall = isReceive ? 'uv_recv_buffer_size' : 'uv_send_buffer_size';
    return undefined;
  }

  /** The port is bound: join the groups that the program has asked for before. */
  _joinEarly() {
    const early = this._early;
    this._early = [];
    for (const { name, fields } of early) {
      const status = this._radioOption(name, fields);
      if (status !== 0) this._socket.emit('error', optionError(name, status));
    }
  }

  _radioOption(name, fields) {
    return this._hasOptions ? this._option(name, fields) : -errno.ENOTSUP;
  }

  _option(name, fields) {
    this._channel.call(this.id, { op: 'option', name, ...fields });
    return 0;
  }
}

/** Return the error that Node makes of the number of an error. */
function optionError(name, status) {
  const code = util.getSystemErrorName(status);
  return Object.assign(new Error(`${name} ${code}`), { errno: status, code, syscall: name });
}

function isGroup(address) {
  const first = net.isIPv4(address) ? Number(address.split('.')[0]) : 0;
  return first >= 224 && first <= 239;
}

module.exports = { RadioPortOptions };
