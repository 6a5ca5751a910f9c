// Fetches a page through the proxy and prints it: ESP32, or another board with a WiFiClientSecure.
//
// Put your network, your proxy and your token into secrets.h, beside this file:
//
//     #define WIFI_NAME "..."
//     #define WIFI_PASSWORD "..."
//     #define PROXY_HOST "proxy.example"
//     #define PROXY_PORT 7443
//     #define PROXY_TOKEN "..."
//     #define PROXY_CA "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n"

#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <streamplex.h>

#include "secrets.h"

static const char *HOST = "example.com";
static const char *REQUEST = "GET / HTTP/1.0\r\nHost: example.com\r\nConnection: close\r\n\r\n";
static const uint32_t WINDOW_BYTES = 4096;
static const unsigned long PING_AFTER_MS = 30000;   // of silence
static const unsigned long GIVE_UP_AFTER_MS = 45000;
static const unsigned long REFUSED_MS = 300000;     // a wrong token is not sent again at once
static const unsigned long MAX_REST_MS = 300000;    // of what a proxy asks for: its operator may allow the board earlier

static WiFiClientSecure proxy;
static spx_tunnel tunnel;
static spx_stream streams[8];
static uint8_t output[1024];
static unsigned long heardAt;
static bool pinged;
static unsigned long restMs;  // before the next attempt to connect

// The proxy does TLS with the site; the board does TLS with the proxy alone.
static void ask() {
  int32_t stream = spx_connect(&tunnel, SPX_TLS, HOST, 443);
  int32_t size = strlen(REQUEST);
  // the output buffer is empty, so that both fit; a longer request needs a larger buffer
  if (stream < 0 || spx_send(&tunnel, stream, (const uint8_t *)REQUEST, size) != size)
    Serial.printf("%s: not asked: the output buffer is too small\n", HOST);
}

// Other refusals pass; the time between attempts is random, see loop().
static void refused(const spx_event *event) {
  Serial.printf("the proxy refused the token (reason %d): %s\n", event->reason, event->text);
  if (event->after_ms >= 0)
    restMs = event->after_ms < (int64_t)MAX_REST_MS ? event->after_ms : MAX_REST_MS;
  else if (!event->try_again)
    restMs = REFUSED_MS;
  proxy.stop();
}

static void onEvent(void *, const spx_event *event) {
  switch (event->kind) {
    case SPX_ACCEPTED:
      ask();
      break;
    case SPX_DATA:
      Serial.write(event->data, event->size);
      spx_consumed(&tunnel, event->stream, event->size);
      break;
    case SPX_FAILED:
      Serial.printf("%s: %s\n", HOST, event->text);
      break;
    case SPX_REFUSED:
      refused(event);
      break;
    case SPX_FAULT:
      Serial.printf("the proxy broke the protocol: %s\n", event->text);
      proxy.stop();
      break;
    case SPX_CLOSED:
      Serial.println("\ndone");
      break;
    default:
      break;
  }
}

// Blocks until TLS is established or has failed: a minute or two, if nothing answers.
static void connectTunnel() {
  proxy.setCACert(PROXY_CA);
  if (!proxy.connect(PROXY_HOST, PROXY_PORT)) {
    Serial.println("no connection to the proxy: check its name, its port and PROXY_CA");
    return;
  }
  spx_init(&tunnel, streams, 8, output, sizeof output);
  if (spx_start(&tunnel, PROXY_TOKEN, NULL, SPX_ALL_FEATURES, WINDOW_BYTES)) {
    Serial.println("PROXY_TOKEN is longer than the output buffer");
    restMs = REFUSED_MS;
    proxy.stop();
  }
  heardAt = millis();
  pinged = false;
}

// write() returns 0 if the connection broke, and connected() is false then; or if it cannot write
// now, and then the bytes stay in the output buffer for the next turn of loop().
static void sendWaiting() {
  size_t size;
  const uint8_t *bytes = spx_output(&tunnel, &size);
  if (size)
    spx_sent(&tunnel, proxy.write(bytes, size));
}

static void receive() {
  uint8_t bytes[512];
  int size = proxy.available() ? proxy.read(bytes, sizeof bytes) : 0;
  if (size <= 0)
    return;
  heardAt = millis();
  pinged = false;
  spx_receive_all(&tunnel, bytes, size, onEvent, NULL);
}

// A tunnel whose proxy is gone without a word is found by a ping without an answer.
static void watchSilence() {
  unsigned long silence = millis() - heardAt;
  if (silence > GIVE_UP_AFTER_MS)
    proxy.stop();
  else if (silence > PING_AFTER_MS && !pinged)
    pinged = spx_ping(&tunnel) == 0;
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  while (WiFi.status() != WL_CONNECTED)
    delay(200);
}

void loop() {
  if (!proxy.connected()) {
    delay(restMs + random(5000, 10000));  // not all boards of a site at once
    restMs = 0;
    connectTunnel();
    return;
  }
  receive();
  watchSilence();
  sendWaiting();
}
