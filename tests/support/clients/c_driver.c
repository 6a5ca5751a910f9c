/* The battery's driver of the C client, over mbedTLS. Commands and answers: tests/interop/clients/README.md.
 *
 * A command runs at once and then until it has its answer, while the tunnel is served. */
#include "streamplex.h"
#include "tls.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUBSTREAMS 16
#define OUTPUT_BYTES 20000
#define READ_BYTES 16384
#define LINE_BYTES 300000
#define STALLED_MS 300
#define PATTERN 251
#define MAX_HELD (1 << 20) /* without credit/1 the tunnel is not read above it */

enum event_name { LOOKUP, CONNECT, SECURE, TIMEOUT, CLOSE, EVENT_NAMES };

static const char *const EVENTS[EVENT_NAMES] = {"lookup", "connect", "secureConnect", "timeout", "close"};

/* A substream that the test knows by name. The entry stays when the number is not valid any more. */
typedef struct connection {
    char name[32];
    uint16_t number;
    int is_tls;
    int events[EVENT_NAMES]; /* that came and were not asked for */
    int established, ended, failed, closed;
    char code[48], text[SPX_TEXT_BYTES];
    uint8_t *held; /* received and not read */
    size_t held_size, held_room;
    size_t patterned; /* bytes of the pattern that were sent */
    struct connection *next;
} connection;

static spx_tunnel tunnel;
static spx_stream table[SUBSTREAMS];
static uint8_t output[OUTPUT_BYTES];
static tls_connection *tls;
static connection *connections;
static spx_event refusal;
static char refusal_text[SPX_TEXT_BYTES];
static int accepted, was_refused, going, pongs;
static char lost_why[200]; /* "": the tunnel is open */
static long long limit_ms = 10000;
static size_t total_held;

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void answer(const char *form, ...)
{
    va_list values;
    va_start(values, form);
    vprintf(form, values);
    va_end(values);
    putchar('\n');
    fflush(stdout);
}

/* --- the tunnel --------------------------------------------------------------------------------- */

static void fail(connection *it, const char *code, const char *text)
{
    if (it->failed)
        return;
    it->failed = 1;
    snprintf(it->code, sizeof it->code, "%s", code);
    snprintf(it->text, sizeof it->text, "%s", text);
}

static void lose(const char *why)
{
    connection *it;
    if (*lost_why)
        return;
    snprintf(lost_why, sizeof lost_why, "%s", why);
    for (it = connections; it; it = it->next)
        if (!it->closed && !it->ended)
            fail(it, "ECONNRESET", "the tunnel was lost");
    tls_close(tls);
    tls = NULL;
}

static connection *by_number(uint16_t number)
{
    connection *it;
    for (it = connections; it; it = it->next)
        if (it->number == number && !it->closed)
            return it;
    return NULL;
}

/* Node's texts have the code word somewhere: the first word of capitals, digits and _ that is long. */
static void failed_as(connection *it, const char *text)
{
    char copy[SPX_TEXT_BYTES], *word;
    snprintf(copy, sizeof copy, "%s", text);
    for (word = strtok(copy, " :"); word; word = strtok(NULL, " :"))
        if (strlen(word) > 4 && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(word))
            break;
    fail(it, word ? word : "ERROR", text);
}

static void hold(connection *it, const spx_event *event)
{
    if (it->held_size + event->size > it->held_room) {
        it->held_room = (it->held_size + event->size) * 2;
        it->held = realloc(it->held, it->held_room);
        if (!it->held)
            abort();
    }
    memcpy(it->held + it->held_size, event->data, event->size);
    it->held_size += event->size;
    total_held += event->size;
}

static void on_substream(connection *it, const spx_event *event)
{
    switch (event->kind) {
    case SPX_DATA: hold(it, event); break;
    case SPX_LOOKED_UP: it->events[LOOKUP]++; break;
    case SPX_CONNECTED:
        it->events[CONNECT]++;
        it->established |= !it->is_tls;
        break;
    case SPX_SECURED:
        it->events[SECURE]++;
        it->established = 1;
        break;
    case SPX_IDLE: it->events[TIMEOUT]++; break;
    case SPX_ENDED: it->ended = 1; break;
    case SPX_FAILED: failed_as(it, event->text); break;
    case SPX_PEER_RESET: fail(it, "EPIPE", "the proxy reads no more"); break;
    case SPX_CLOSED:
        it->events[CLOSE]++;
        it->closed = 1;
        break;
    default: break;
    }
}

static void on_event(void *context, const spx_event *event)
{
    connection *it = event->stream ? by_number(event->stream) : NULL;
    (void)context;
    if (it) {
        on_substream(it, event);
        return;
    }
    switch (event->kind) {
    case SPX_DATA: /* of a connection whose name was forgotten */
        spx_reset(&tunnel, event->stream);
        break;
    case SPX_ACCEPTED: accepted = 1; break;
    case SPX_REFUSED:
        refusal = *event;
        snprintf(refusal_text, sizeof refusal_text, "%s", event->text);
        was_refused = 1;
        break;
    case SPX_GOING_AWAY: going = 1; break;
    case SPX_PONG: pongs++; break;
    case SPX_FAULT: lose(event->text); break;
    default: break;
    }
}

/* Send and receive what is possible now. */
static void serve(void)
{
    static uint8_t bytes[READ_BYTES];
    size_t size;
    const uint8_t *waiting;
    int moved = 1;
    while (tls && moved) {
        moved = 0;
        waiting = spx_output(&tunnel, &size);
        if (size) {
            moved = tls_write(tls, waiting, size);
            if (moved < 0)
                lose("the connection broke");
            else
                spx_sent(&tunnel, (size_t)moved);
        }
        if (tls && total_held < MAX_HELD) {
            int got = tls_read(tls, bytes, sizeof bytes);
            if (got > 0)
                spx_receive_all(&tunnel, bytes, (size_t)got, on_event, NULL);
            else if (got < 0)
                lose("the proxy closed the connection");
            moved |= got > 0;
        }
        if (tls && was_refused)
            lose("refused");
        if (tls && going && !spx_open_count(&tunnel)) {
            spx_output(&tunnel, &size);
            if (!size)
                lose("the proxy is going away");
        }
    }
}

static void wait_for(int for_command, int timeout_ms)
{
    size_t size;
    struct pollfd command = {STDIN_FILENO, POLLIN, 0};
    if (!tls || total_held >= MAX_HELD) {
        poll(&command, for_command ? 1 : 0, timeout_ms);
        return;
    }
    spx_output(&tunnel, &size);
    tls_wait(tls, size > 0, for_command ? STDIN_FILENO : -1, timeout_ms);
}

/* Serve until `true_of(it)` is not 0. Returns 0 if the limit of the command is over before. */
static int until(int (*true_of)(const connection *), const connection *it, long long limit)
{
    long long end = now_ms() + limit;
    for (;;) {
        serve();
        if (true_of(it))
            return 1;
        if (now_ms() >= end)
            return 0;
        wait_for(0, (int)(end - now_ms()));
    }
}

static void timed_out(void)
{
    answer("error ETIMEDOUT the limit of the command is over");
}

static void failure(const connection *it)
{
    answer("error %s %s", it->failed ? it->code : "EPIPE", it->failed ? it->text : "it is closed");
}

/* --- commands ----------------------------------------------------------------------------------- */

static connection *named(const char *name)
{
    connection *it;
    for (it = connections; it; it = it->next)
        if (strcmp(it->name, name) == 0)
            return it;
    fprintf(stderr, "no substream is called %s\n", name);
    exit(3);
}

static void forget(connection *gone)
{
    connection **at = &connections;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    total_held -= gone->held_size;
    free(gone->held);
    free(gone);
}

static void forget_tunnel(void)
{
    while (connections)
        forget(connections);
    tls_close(tls);
    tls = NULL;
    accepted = was_refused = going = pongs = 0;
    *lost_why = 0;
}

static int is_answered(const connection *unused)
{
    (void)unused;
    return accepted || was_refused || *lost_why;
}

static void answer_refusal(void)
{
    static const char *const REASONS[] = {"wrong_token", "revoked", "not_checked", "unconfirmed",
                                          "too_many_tunnels", "too_many_attempts", "ended", "refused"};
    char after_ms[24] = "-";
    if (refusal.after_ms >= 0)
        snprintf(after_ms, sizeof after_ms, "%lld", (long long)refusal.after_ms);
    answer("refused %s %s %s %s", REASONS[refusal.reason], refusal.try_again ? "yes" : "no", after_ms,
           *refusal_text ? refusal_text : "-");
}

static void do_tunnel(char **word)
{
    char why[160];
    unsigned long window = strtoul(word[4], NULL, 10);
    forget_tunnel();
    spx_init(&tunnel, table, SUBSTREAMS, output, sizeof output);
    tls = tls_connect(word[0], word[1], word[3], (int)limit_ms, why, sizeof why);
    if (!tls) {
        snprintf(lost_why, sizeof lost_why, "%s", why);
        answer("error ECONNREFUSED %s", why);
        return;
    }
    spx_start(&tunnel, word[2], NULL, SPX_ALL_FEATURES, window ? (uint32_t)window : 1024);
    if (!until(is_answered, NULL, limit_ms)) {
        lose("no answer to the token");
        timed_out();
    } else if (was_refused) {
        answer_refusal();
    } else if (*lost_why) {
        answer("error ECONNRESET %s", lost_why);
    } else if (tunnel.enabled & SPX_CREDIT) {
        answer("ok %lu", (unsigned long)tunnel.window);
    } else {
        answer("ok -");
    }
}

static connection *open_one(const char *name, const char *kind, const char *host, const char *port)
{
    connection *it = calloc(1, sizeof *it);
    int32_t number;
    if (!it)
        abort();
    snprintf(it->name, sizeof it->name, "%s", name);
    it->is_tls = strcmp(kind, "tls") == 0;
    it->next = connections;
    connections = it;
    if (!tls) {
        fail(it, "ECONNRESET", "no tunnel");
        return it;
    }
    number = spx_connect(&tunnel, it->is_tls ? SPX_TLS : SPX_NET, host, (uint16_t)atoi(port));
    if (number < 0)
        fail(it, number == SPX_E_NUMBERS ? "EMFILE" : "EAGAIN", "the substream could not be opened");
    else
        it->number = (uint16_t)number;
    return it;
}

static int is_settled(const connection *it)
{
    return it->established || it->failed || it->closed;
}

static void do_established(connection *it)
{
    if (!until(is_settled, it, limit_ms))
        timed_out();
    else if (it->established)
        answer("ok");
    else
        failure(it);
}

static int can_send(const connection *it)
{
    return it->failed || it->closed || spx_sendable(&tunnel, it->number) > 0;
}

/* Send `size` bytes; of the pattern if `bytes` is NULL. Returns how many were queued. */
static size_t send_bytes(connection *it, const uint8_t *bytes, size_t size, long long limit)
{
    size_t sent = 0;
    while (sent < size) {
        uint8_t piece[4096];
        size_t count = size - sent < sizeof piece ? size - sent : sizeof piece, i;
        int32_t queued;
        for (i = 0; i < count; i++)
            piece[i] = bytes ? bytes[sent + i] : (uint8_t)((it->patterned + i) % PATTERN);
        if (!until(can_send, it, limit))
            break;
        queued = it->failed || it->closed ? -1 : spx_send(&tunnel, it->number, piece, count);
        if (queued < 0)
            break;
        sent += (size_t)queued;
        it->patterned += bytes ? 0 : (size_t)queued;
    }
    serve();
    return sent;
}

static void do_send(connection *it, const uint8_t *bytes, size_t size)
{
    if (send_bytes(it, bytes, size, limit_ms) == size)
        answer("ok %zu", size);
    else if (it->failed || it->closed)
        failure(it);
    else
        timed_out();
}

static int has_something(const connection *it)
{
    return it->held_size || it->ended || it->failed || it->closed;
}

static void consume(connection *it, size_t size)
{
    it->held_size -= size;
    total_held -= size;
    memmove(it->held, it->held + size, it->held_size);
    if (!it->closed)
        spx_consumed(&tunnel, it->number, size);
}

static void do_recv(connection *it, size_t most)
{
    size_t size, i;
    if (!until(has_something, it, limit_ms)) {
        timed_out();
        return;
    }
    size = it->held_size < most ? it->held_size : most;
    if (!size) {
        if (it->ended && !it->failed)
            answer("end");
        else
            failure(it);
        return;
    }
    printf("data ");
    for (i = 0; i < size; i++)
        printf("%02x", it->held[i]);
    answer("");
    consume(it, size);
    serve();
}

static uint32_t crc32_more(uint32_t crc, const uint8_t *bytes, size_t size)
{
    size_t i;
    int bit;
    crc = ~crc;
    for (i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void do_take(connection *it, size_t count)
{
    size_t left = count;
    uint32_t crc = 0;
    while (left) {
        size_t size;
        if (!until(has_something, it, limit_ms)) {
            timed_out();
            return;
        }
        size = it->held_size < left ? it->held_size : left;
        if (!size)
            break;
        crc = crc32_more(crc, it->held, size);
        consume(it, size);
        left -= size;
    }
    serve();
    if (left && (it->failed || !it->ended))
        failure(it);
    else
        answer("ok %zu %08lx", count - left, (unsigned long)crc);
}

static void do_close(connection *it)
{
    if (it->number && !it->closed && tls) {
        if (it->held_size || !it->established)
            spx_reset(&tunnel, it->number);
        spx_end(&tunnel, it->number);
    }
    forget(it);
    serve();
    answer("ok");
}

static enum event_name awaited;

static int event_came(const connection *it)
{
    return it->events[awaited] > 0 || *lost_why;
}

static void do_event(connection *it, const char *name)
{
    for (awaited = LOOKUP; strcmp(EVENTS[awaited], name); awaited++)
        ;
    if (!until(event_came, it, limit_ms)) {
        timed_out();
    } else if (!it->events[awaited]) {
        failure(it);
    } else {
        it->events[awaited]--;
        answer("ok");
    }
}

static int is_over(const connection *it)
{
    return it->ended || it->failed || it->closed;
}

static void do_cycle(int count, const char *host, const char *port)
{
    int i;
    for (i = 0; i < count; i++) {
        connection *it = open_one("cycle", "net", host, port);
        if (it->failed || !until(is_over, it, limit_ms) || !it->ended) {
            failure(it);
            return;
        }
        if (it->held_size)
            consume(it, it->held_size);
        if (!it->closed)
            spx_end(&tunnel, it->number);
        forget(it);
    }
    answer("ok %d", count);
}

static int pong_came(const connection *unused)
{
    (void)unused;
    return pongs || *lost_why;
}

static int is_lost(const connection *unused)
{
    (void)unused;
    return *lost_why != 0;
}

static void do_lost(void)
{
    if (until(is_lost, NULL, limit_ms))
        answer("ok ECONNRESET %s", lost_why);
    else
        timed_out();
}

static void do_ping(void)
{
    pongs = 0;
    spx_ping(&tunnel);
    if (!until(pong_came, NULL, limit_ms))
        timed_out();
    else
        answer(pongs ? "ok" : "error ECONNRESET");
}

static size_t from_hex(char *text)
{
    size_t i, size = strlen(text) / 2;
    for (i = 0; i < size; i++) {
        unsigned value;
        sscanf(text + 2 * i, "%2x", &value);
        text[i] = (char)value;
    }
    return size;
}

static void on_connection(const char *command, connection *it, char **word)
{
    if (!strcmp(command, "established"))
        do_established(it);
    else if (!strcmp(command, "send"))
        do_send(it, (uint8_t *)word[1], from_hex(word[1]));
    else if (!strcmp(command, "fill"))
        do_send(it, NULL, strtoul(word[1], NULL, 10));
    else if (!strcmp(command, "push"))
        answer("ok %zu", send_bytes(it, NULL, strtoul(word[1], NULL, 10), STALLED_MS));
    else if (!strcmp(command, "recv"))
        do_recv(it, strtoul(word[1], NULL, 10));
    else if (!strcmp(command, "take"))
        do_take(it, strtoul(word[1], NULL, 10));
    else if (!strcmp(command, "end"))
        answer(spx_end(&tunnel, it->number) ? "error EPIPE" : "ok");
    else if (!strcmp(command, "abort"))
        answer(spx_abort(&tunnel, it->number, "the test aborts") ? "error EPIPE" : "ok");
    else if (!strcmp(command, "close"))
        do_close(it);
    else if (!strcmp(command, "idle"))
        answer(spx_idle_timeout(&tunnel, it->number, (uint32_t)atoi(word[1])) ? "error EPIPE" : "ok");
    else if (!strcmp(command, "event"))
        do_event(it, word[1]);
    else if (!strcmp(command, "held"))
        answer("ok %zu", it->held_size);
    else if (!strcmp(command, "number"))
        answer("ok %u", it->number);
    else
        answer("error EINVAL unknown command %s", command);
}

/* Carry out a command. Returns 0 after `quit`. */
static int obey(char *line)
{
    char *word[6] = {0}, *command = strtok(line, " "), *each;
    size_t count = 0;
    while (count < 6 && (each = strtok(NULL, " ")))
        word[count++] = each;
    if (!strcmp(command, "hello")) {
        answer("ok c reuse/1 halfclose/1 retry/1 reason/1 goaway/1 ping/1 credit/1 message/1 early abort "
               "abandons tls idle events held numbers pings");
    } else if (!strcmp(command, "limit")) {
        limit_ms = atoi(word[0]);
        answer("ok");
    } else if (!strcmp(command, "tunnel")) {
        do_tunnel(word);
    } else if (!strcmp(command, "open")) {
        open_one(word[0], word[1], word[2], word[3]);
        serve();
        answer("ok");
    } else if (!strcmp(command, "cycle")) {
        do_cycle(atoi(word[0]), word[1], word[2]);
    } else if (!strcmp(command, "numbers")) {
        tunnel.next_number = (uint32_t)atoi(word[0]);
        answer("ok");
    } else if (!strcmp(command, "ping")) {
        do_ping();
    } else if (!strcmp(command, "state")) {
        serve();
        answer("ok %s%s", *lost_why ? "closed " : going ? "going" : "open", lost_why);
    } else if (!strcmp(command, "lost")) {
        do_lost();
    } else if (!strcmp(command, "quit")) {
        forget_tunnel();
        answer("ok");
        return 0;
    } else {
        on_connection(command, named(word[0]), word);
    }
    serve();
    return 1;
}

/* Read a line, and serve the tunnel meanwhile. Returns 0 at the end of the input. */
static int read_line(char *line)
{
    size_t size = 0;
    for (;;) {
        struct pollfd command = {STDIN_FILENO, POLLIN, 0};
        serve();
        wait_for(1, 1000);
        if (poll(&command, 1, 0) <= 0)
            continue;
        do {
            if (size + 1 >= LINE_BYTES || read(STDIN_FILENO, line + size, 1) <= 0)
                return 0;
        } while (line[size++] != '\n' && poll(&command, 1, 0) > 0);
        if (line[size - 1] == '\n') {
            line[size - 1] = 0;
            return 1;
        }
    }
}

int main(void)
{
    static char line[LINE_BYTES];
    snprintf(lost_why, sizeof lost_why, "no tunnel was made");
    while (read_line(line) && obey(line))
        ;
    forget_tunnel();
    return 0;
}
