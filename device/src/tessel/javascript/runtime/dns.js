'use strict';

/** Replaces the look-ups of Node's `dns`: the device's radio answers them. */

const dns = require('dns');
const net = require('net');
const { errorOf } = require('./errors');

function install(channel) {
  class LookUp {
    constructor(name, family, callback) {
      this._callback = callback;
      this._id = channel.add(this);
      channel.hold();
      channel.sendEnvironment();
      channel.call(this._id, { op: 'lookup', name, family });
    }

    onEvent(fields) {
      channel.remove(this._id);
      channel.release();
      if (fields.event === 'failed') this._callback(errorOf(fields.error));
      else this._callback(null, fields.addresses);
    }
  }

  function lookup(name, options, callback) {
    if (typeof options === 'function') [options, callback] = [{}, options];
    const { all, family } = typeof options === 'object' && options !== null
      ? options : { family: options };
    const wanted = { IPv4: 4, IPv6: 6 }[family] || family || 0;
    if (!name || net.isIP(name)) {
      const known = name ? [{ address: name, family: net.isIP(name) }] : [];
      process.nextTick(answer, all, callback, null, known);
      return {};
    }
    void new LookUp(name, wanted, (error, found) => answer(all, callback, error, found));
    return {};
  }

  dns.lookup = lookup;
}

function answer(all, callback, error, found) {
  if (error) callback(error);
  else if (all) callback(null, found);
  else if (found.length === 0) callback(null, null, 4);
  else callback(null, found[0].address, found[0].family);
}

module.exports = { install };
