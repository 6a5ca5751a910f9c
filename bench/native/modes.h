/* What the modes share. */

#ifndef MODES_H
#define MODES_H

#include "load.h"

#define WAIT_S 60.0 /* for anything that is to come to its end */

extern struct conn *carrier;             /* the tunnel for new streams; NULL: they go alone */
extern unsigned opened, echoes;          /* streams, bytes that came back */
extern unsigned wanted;                  /* of what is waited for */

bool all_opened(void);
bool all_echoed(void);
bool never(void);
void wait_for(bool (*done)(void), const char *what);
/* Stops until the one who started this has looked at the server. */
void ready(void);
struct conn *new_carrier(void);
struct stream *open_and_wait(enum role role);
void ask_echo(struct stream *stream);
/* An opened stream that echoes, and has done so once. */
struct stream *echoing(void);
void start_bulk(struct stream *stream, char direction, uint64_t bytes);
double seconds_since(int64_t start_ns);
void print_latency(int64_t *taken_ns, int count);

#endif
