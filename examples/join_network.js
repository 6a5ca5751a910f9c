// The board's Wi-Fi: join a network, print the address, and leave it.
//
//     tessel run examples/join_network.js SSID
//
// The simulated chip finds one network: tesselnet, without a password, or that of WIFI_SSID and
// WIFI_PASSWORD. This program takes the password from WIFI_PASSWORD, too. It is written as for a board.

var wifi = require('wifi-cc3000');

if (process.argv.length !== 3) {
  console.error('usage: tessel run examples/join_network.js SSID');
  process.exit(2);
}
var password = process.env.WIFI_PASSWORD;
var network = { ssid: process.argv[2], password: password, security: password ? 'wpa2' : 'unsecured' };

wifi.connect(network, function (error, connection) {
  if (error) {
    console.error(network.ssid + ' was not joined: ' + error.message);
    process.exit(1);
  }
  console.log('joined ' + connection.ssid + ' as ' + wifi.macAddress().toString('hex').match(/../g).join(':'));
  console.log('address ' + connection.ip + ', gateway ' + connection.gateway);
  // Add the listener only now: joining may leave another network first.
  wifi.on('disconnect', function () { console.log('left; connected: ' + wifi.isConnected()); });
  wifi.disconnect(); // then nothing is open, and the program ends
});
