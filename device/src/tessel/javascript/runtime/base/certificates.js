'use strict';

/** Certificates that the device has sent in DER, as Node shows them to programs. */

const { X509Certificate } = require('crypto');

/** Return a certificate as `tls.checkServerIdentity` and `getPeerCertificate` have it. */
function legacyObject(der) {
  return new X509Certificate(der).toLegacyObject();
}

/** Return the first certificate of a chain, whose `issuerCertificate` leads to its issuers. */
function legacyChain(chain) {
  const found = issuersInOrder(chain);
  const shown = found.map((each) => each.toLegacyObject());
  shown.forEach((each, index) => {
    if (index + 1 < shown.length) each.issuerCertificate = shown[index + 1];
    else if (isSelfIssued(found[index])) each.issuerCertificate = each;
  });
  return shown[0];
}

/** Return the first certificate of a chain, with the property `issuerCertificate`. */
function x509Chain(chain) {
  const found = issuersInOrder(chain);
  found.forEach((each, index) => {
    Object.defineProperty(each, 'issuerCertificate', { configurable: true, value: found[index + 1] });
  });
  return found[0];
}

/** Return the first certificate, its issuer, that one's issuer and so on, as far as the chain has them. */
function issuersInOrder(chain) {
  const others = chain.map((der) => new X509Certificate(der));
  const found = [others.shift()];
  for (;;) {
    const last = found[found.length - 1];
    if (isSelfIssued(last)) return found;
    const index = others.findIndex((each) => last.checkIssued(each));
    if (index < 0) return found;
    found.push(...others.splice(index, 1)); // removed, so that a ring of issuers ends
  }
}

function isSelfIssued(certificate) {
  return certificate.checkIssued(certificate);
}

module.exports = { legacyChain, legacyObject, x509Chain };
