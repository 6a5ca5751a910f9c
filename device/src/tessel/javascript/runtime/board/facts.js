'use strict';

/**
 * Facts of the Tessel 1 board (hardware version TM-00-04): numbers of its pins, and the constants
 * that `require('tessel')` exports. They were read from its firmware.
 */

/** Version of the simulated board, in `process.versions.tessel_board` and in the device's ID. */
const BOARD_VERSION = 4;

/** ID of a board without a name of its own. */
const DEFAULT_DEVICE_ID = 'TM-00-04-00000000-00000000-00000001';

/** Interrupts of the board. Each watches the edges or the level of one pin. */
const MAX_INTERRUPTS = 7;

/** Counts of the clock that generates PWM signals, in one second. */
const PWM_CLOCK_HZ = 180_000_000;

/** Steps of an analog value: the converter has 10 bits. */
const ANALOG_RESOLUTION = 1023;

const FIRST_LED_PINS = { LED1: 0, LED2: 1, Conn: 8, Error: 9 };
const PORTS = ['A', 'B', 'C', 'D', 'GPIO'];
const FIRST_PIN_OF_PORT = { A: 16, B: 19, C: 22, D: 25 };
const FIRST_ANALOG_PIN = 28;
const FIRST_GPIO_PIN = 34;
const BUTTON_PIN = 40;

/** The LEDs in the order of `tessel.led`. */
const LEDS = ['LED1', 'LED2', 'Error', 'Conn'].map((name) => ({
  name,
  number: FIRST_LED_PINS[name],
}));

/** Ports whose two lower pins can be a UART. */
const UART_PORTS = ['A', 'B', 'D'];

/** The I2C bus of each port: ports that share a bus see the same devices. */
const I2C_BUS_OF_PORT = { A: 1, B: 1, GPIO: 1, C: 0, D: 0 };

/** Number of the pin whose pulses readPulse measures: G3 of the port GPIO. */
const PULSE_PIN = FIRST_GPIO_PIN + 2;

function digitalPinsOf(port) {
  const [first, count] = port === 'GPIO' ? [FIRST_GPIO_PIN, 6] : [FIRST_PIN_OF_PORT[port], 3];
  return Array.from({ length: count }, (_, index) => ({
    label: `G${index + 1}`,
    name: `${port}.G${index + 1}`,
    number: first + index,
    isPWM: port === 'GPIO' && index >= 3,
  }));
}

function analogPinsOf(port) {
  return Array.from({ length: port === 'GPIO' ? 6 : 0 }, (_, index) => ({
    label: `A${index + 1}`,
    name: `${port}.A${index + 1}`,
    number: FIRST_ANALOG_PIN + index,
  }));
}

const ENUMERATIONS = {
  I2CMode: { Master: 0, Slave: 1, General: 2 },
  SPIBitOrder: { msb: 0, lsb: 1 },
  SPIDataMode: { Mode0: 0, Mode1: 1, Mode2: 2, Mode3: 3 },
  SPIMode: { Slave: 1, Master: 0 },
  SPIFrameMode: { Normal: 0, TI: 1, MicroWire: 2 },
  SPIChipSelectMode: { ActiveHigh: 0, ActiveLow: 1 },
  UARTParity: { none: 0, odd: 1, even: 2, onestick: 3, zerostick: 4 },
  UARTDataBits: { 5: 0, 6: 1, 7: 2, 8: 3 },
  UARTStopBits: { 1: 0, 2: 1 },
};

module.exports = {
  ANALOG_RESOLUTION,
  BOARD_VERSION,
  BUTTON_PIN,
  DEFAULT_DEVICE_ID,
  ENUMERATIONS,
  I2C_BUS_OF_PORT,
  LEDS,
  MAX_INTERRUPTS,
  PORTS,
  PULSE_PIN,
  PWM_CLOCK_HZ,
  UART_PORTS,
  analogPinsOf,
  digitalPinsOf,
};
