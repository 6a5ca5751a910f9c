'use strict';
/**
 * Addresses of the servers, for the programs in this folder: at('http', '/page') is a URL.
 *
 * The first argument of each program is the host's name, the second one JSON with the ports.
 */

const [host, ports] = [process.argv[2], JSON.parse(process.argv[3])];

/** Returns the URL of a service; `path` begins with a slash. */
function at(service, path = '/') {
  return `${service}://${host}:${ports[service]}${path}`;
}

at.host = host;
at.ports = ports;

module.exports = at;
