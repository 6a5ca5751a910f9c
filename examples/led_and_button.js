// An LED and the button of the board: each press of the button switches the green LED.
//
//     tessel run --board-input examples/led_and_button.board examples/led_and_button.js
//
// The file presses the button of the simulated board three times. --board-log FILE writes what the
// program does to the LED. It is written as for a board, and runs there as well.

var tessel = require('tessel');

var PRESSES = 3;
var green = tessel.led[0];
var pressed = 0;

green.low();
tessel.button.on('press', function () {
  green.toggle();
  pressed += 1;
  console.log('press ' + pressed + ': the LED is ' + (pressed % 2 ? 'on' : 'off'));
  // The listener keeps the program running.
  if (pressed === PRESSES) tessel.button.removeAllListeners('press');
});
