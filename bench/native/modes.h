/* Declarations that the modes share. */

#ifndef MODES_H
#define MODES_H

#include "load.h"

#define WAIT_S 60.0 /* limit for each wait */

extern struct conn *carrier;             /* tunnel for new streams; NULL: a connection for each */
extern unsigned opened, echoes;          /* number of opened streams and of echoed bytes */
extern unsigned wanted;                  /* number that all_opened and all_echoed wait for */

bool all_opened(void);
bool all_echoed(void);
bool never(void);
void wait_for(bool (*done)(void), const char *what);
/* Prints `ready` and waits for a line, so that the caller can measure the server. */
void ready(void);
struct conn *new_carrier(void);
struct stream *open_and_wait(enum role role);
void ask_echo(struct stream *stream);
/* Opens a stream that echoes, and waits for one echo. */
struct stream *echoing(void);
void start_bulk(struct stream *stream, char direction, uint64_t nbytes);
double seconds_since(int64_t start_ns);
void print_latency(int64_t *taken_ns, int count);

#endif
