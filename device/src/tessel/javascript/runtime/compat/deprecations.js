'use strict';

/**
 * Deprecations that came after the board. Programs for the board have to use these members, so the
 * warnings are not shown. All other warnings are.
 */
const NORMAL_FOR_THE_BOARD = new Set([
  'DEP0005', // Buffer() and new Buffer()
  'DEP0022', // os.tmpDir
  'DEP0025', // the module sys
  'DEP0026', // util.print and its like
  'DEP0027',
  'DEP0028',
  'DEP0029',
  'DEP0030', // SlowBuffer
  'DEP0040', // the module punycode
  'DEP0044', // util.isArray and its like
  'DEP0045',
  'DEP0046',
  'DEP0047',
  'DEP0048',
  'DEP0049',
  'DEP0050',
  'DEP0051',
  'DEP0052',
  'DEP0053',
  'DEP0054',
  'DEP0055',
  'DEP0056',
  'DEP0057',
  'DEP0058',
  'DEP0059', // util.log
  'DEP0060', // util._extend
  'DEP0064', // tls.createSecurePair
  'DEP0066', // message._headers
  'DEP0081', // fs.truncate of a descriptor
  'DEP0095', // timers.enroll and its like
  'DEP0096',
  'DEP0103', // process.binding('util').is...
  'DEP0106', // crypto.createCipher
  'DEP0111', // process.binding
  'DEP0128', // an invalid `main` in package.json
  'DEP0151', // a `main` in package.json without its extension
  'DEP0169', // url.parse
  'DEP0170', // url.parse of an invalid address
]);

function codeOf(type, code) {
  return typeof type === 'object' && type !== null ? type.code : code;
}

function installDeprecations() {
  const { emitWarning } = process;
  process.emitWarning = function (warning, type, code, ...others) {
    if (NORMAL_FOR_THE_BOARD.has(warning?.code ?? codeOf(type, code))) return;
    emitWarning.call(process, warning, type, code, ...others);
  };
}

module.exports = { installDeprecations };
