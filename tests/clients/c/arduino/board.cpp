// Runs the sketch on an invented board: a proxy that answers as argv[1] says, or sends nothing, and a
// connection that takes writes if argv[2] is "writes". Prints each attempt, and the time since the last.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "FetchPage.ino"

static const int ATTEMPTS = 3;
static std::string answer, incoming;
static bool writes, connectedNow;
static unsigned long now;
static int attempts;

WiFiClass WiFi;
SerialClass Serial;

void WiFiClass::begin(const char *, const char *) {}
int WiFiClass::status() { return WL_CONNECTED; }
void SerialClass::begin(unsigned long) {}
size_t SerialClass::write(const uint8_t *bytes, size_t size) { return fwrite(bytes, 1, size, stdout); }
size_t SerialClass::println(const char *text) { return printf("%s\n", text); }
size_t SerialClass::printf(const char *form, ...) {
  va_list values;
  va_start(values, form);
  int size = vprintf(form, values);
  va_end(values);
  return size;
}
unsigned long millis() { return now += 50; }
void delay(uint32_t ms) { now += ms; }
long random(long low, long) { return low; }

void WiFiClientSecure::setCACert(const char *) {}
int WiFiClientSecure::connect(const char *, uint16_t) {
  printf("attempt after %lu s\n", now / 1000);
  now = 0;
  if (++attempts == ATTEMPTS)
    exit(0);
  incoming = answer;
  return connectedNow = true;
}
uint8_t WiFiClientSecure::connected() { return connectedNow; }
int WiFiClientSecure::available() { return (int)incoming.size(); }
int WiFiClientSecure::read(uint8_t *bytes, size_t size) {
  size = size < incoming.size() ? size : incoming.size();
  memcpy(bytes, incoming.data(), size);
  incoming.erase(0, size);
  return (int)size;
}
size_t WiFiClientSecure::write(const uint8_t *, size_t size) { return writes ? size : 0; }
void WiFiClientSecure::stop() { connectedNow = false; }

int main(int, char **arguments) {
  std::string object = arguments[1];
  if (!object.empty()) {
    std::string text = "{\"type\":\"message\",\"object\":" + object + "}";
    char header[5] = {0, (char)(text.size() + 3), 0, 0, 1};
    answer = std::string(header, sizeof header) + text;
  }
  writes = std::string(arguments[2]) == "writes";
  for (setup();;)
    loop();
}
