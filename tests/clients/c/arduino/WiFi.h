// Stand-ins for the parts of Arduino's headers that the example uses, so that a C++ compiler can check it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

enum { WL_CONNECTED = 3 };
struct WiFiClass {
  void begin(const char *, const char *);
  int status();
};
extern WiFiClass WiFi;
struct SerialClass {
  void begin(unsigned long);
  size_t write(const uint8_t *, size_t);
  size_t println(const char *);
  size_t printf(const char *, ...) __attribute__((format(printf, 2, 3)));
};
extern SerialClass Serial;
unsigned long millis();
void delay(uint32_t);
long random(long, long);
