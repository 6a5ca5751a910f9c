'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const tty = require('tty');
const { add, define } = require('./define');

/** The board's values. It has 32 MiB of memory. */
const BOARD = {
  arch: 'armv7-m',
  hostname: 'tessel.local',
  platform: 'tessel',
  release: '0.0.1',
  totalmem: 32 * 1024 * 1024,
  type: 'Tessel',
};

/** Adds members of os, path and tty, and with `platform` the board's values in place of the machine's. */
function installHost({ platform }) {
  add(os, 'tmpDir', os.tmpdir);
  add(os, 'getNetworkInterfaces', os.networkInterfaces);
  add(path, 'exists', fs.exists);
  add(path, 'existsSync', fs.existsSync);
  add(tty, 'setRawMode', (isRaw) => process.stdin.setRawMode?.(isRaw));
  if (!platform) return;
  define(process, 'platform', BOARD.platform);
  define(process, 'arch', BOARD.arch);
  for (const [name, value] of Object.entries(BOARD)) define(os, name, () => value);
}

module.exports = { installHost };
