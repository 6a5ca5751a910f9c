/* streamplex: the device's end of a tunnel, in C99.
 *
 * A tunnel carries all TCP and TLS connections of a device through one TLS connection to a proxy.
 * This library is the protocol alone (docs/wire.md). It does no I/O, allocates no memory and reads
 * no clock: the program moves the bytes, hands in the memory, and measures time.
 *
 *     spx_connect, spx_send, spx_end ... -> [ output buffer ] -> spx_output -> your TLS connection
 *     your TLS connection -> spx_receive -> events: data, end, close ...
 *
 * Nothing in here blocks. A function that finds no room in the output buffer returns SPX_E_ROOM and
 * has changed nothing: send the waiting bytes, then call it again.
 *
 * All texts are UTF-8 and end with 0. The library does not check those of the program, and the proxy
 * closes the tunnel after one that is not UTF-8. Pointers are not NULL unless a comment allows it.
 * One tunnel is used by one thread at a time, and not by an interrupt.
 */
#ifndef STREAMPLEX_H
#define STREAMPLEX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPX_VERSION "0.1.0"

/* Bytes of the longest text that an event carries (an error, or the operator's message), with its
 * final 0: 2 to 65535. Longer texts are cut. Change it for the whole program, by a compiler option:
 * it is part of the size of spx_tunnel. */
#ifndef SPX_TEXT_BYTES
#define SPX_TEXT_BYTES 256
#endif

/* Bytes of a ping's id that is text: 64 characters of at most 4 bytes. The answer repeats the id. */
#define SPX_ID_BYTES 256

/* Smallest output buffer: the longest answer that the library itself has to give fits into it. The
 * token and the longest host name need room as well, or SPX_E_ARGUMENT is returned; 1,024 bytes are
 * a good size. */
#define SPX_MIN_OUTPUT_BYTES 512

/* Longest table of substreams: it is searched from its start for each message. */
#define SPX_MAX_STREAMS 1024

/* Bytes in front of the payload of each data message. */
#define SPX_HEADER_BYTES 5

/* Bytes of the longest device name. */
#define SPX_MAX_DEVICE_BYTES 64

/* The extensions of the protocol ("Extensions" in docs/wire.md). */
enum spx_feature {
    SPX_REUSE = 1 << 0,     /* the numbers of substreams may be used again */
    SPX_HALFCLOSE = 1 << 1, /* a target's end leaves the other direction open */
    SPX_RETRY = 1 << 2,     /* a refusal says whether to try again */
    SPX_REASON = 1 << 3,    /* a refusal says why */
    SPX_DEVICE = 1 << 4,    /* this device has a name; set by spx_start if a name is passed */
    SPX_GOAWAY = 1 << 5,    /* the proxy announces that it stops */
    SPX_PING = 1 << 6,      /* each end can ask whether the other is alive */
    SPX_CREDIT = 1 << 7,    /* flow control for each substream */
    SPX_MESSAGE = 1 << 8,   /* a refusal carries the operator's message */
    SPX_ALL_FEATURES = 0x1ff
};

/* What a function returns if it fails. All are negative. */
enum spx_error {
    SPX_E_ROOM = -1,      /* the output buffer is full: send what waits, then call again */
    SPX_E_STREAMS = -2,   /* all entries of the table of substreams are in use */
    SPX_E_NUMBERS = -3,   /* this tunnel has no number left for a substream: open another tunnel */
    SPX_E_STATE = -4,     /* not allowed now: not accepted yet, refused, going away, not open, ended */
    SPX_E_ARGUMENT = -5,  /* an argument is out of range, or a text too long for a frame or for the buffer */
    SPX_E_PEER_RESET = -6 /* the proxy reads no more data of this substream */
};

/* Who makes the connection to the target. */
enum spx_kind {
    SPX_NET, /* TCP */
    SPX_TLS  /* the proxy does TLS with the target and verifies its certificate */
};

enum spx_event_kind {
    SPX_NOTHING,        /* all bytes were consumed */
    SPX_ACCEPTED,       /* the proxy accepted the token; `features` are on */
    SPX_REFUSED,        /* ... or did not, now or later: close the tunnel. See `reason`, `try_again` */
    SPX_LOOKED_UP,      /* the proxy looked up the target's name, with or without success */
    SPX_CONNECTED,      /* the proxy is connected to the target */
    SPX_SECURED,        /* the proxy's TLS with the target is complete (SPX_TLS only) */
    SPX_DATA,           /* `data`, `size`: bytes of the target. Call spx_consumed when done with them */
    SPX_IDLE,           /* no data was transferred for the time that spx_idle_timeout set */
    SPX_ENDED,          /* the target sends no more data */
    SPX_FAILED,         /* the connection failed: `text` begins with a code word or contains one */
    SPX_PEER_RESET,     /* the proxy reads no more data of this substream */
    SPX_CLOSED,         /* the substream is over, and its number is not valid any more */
    SPX_GOING_AWAY,     /* open no more substreams here; connect again after `after_ms` */
    SPX_PONG,           /* the proxy answered spx_ping */
    SPX_FAULT           /* the proxy broke the protocol as `text` says: close the tunnel */
};

/* Why a token is refused. */
enum spx_reason {
    SPX_WRONG_TOKEN,
    SPX_REVOKED,
    SPX_NOT_CHECKED,
    SPX_UNCONFIRMED,
    SPX_TOO_MANY_TUNNELS,
    SPX_TOO_MANY_ATTEMPTS,
    SPX_ENDED_BY_OPERATOR,
    SPX_REFUSED_BY_OPERATOR
};

/* What the proxy sent. Only the fields that the kind's comment names have a meaning. */
typedef struct spx_event {
    enum spx_event_kind kind;
    uint16_t stream;        /* the number that spx_connect returned; 0 if it concerns the tunnel */
    const uint8_t *data;    /* SPX_DATA: points into the bytes passed to spx_receive */
    size_t size;            /* SPX_DATA: number of bytes, at least 1 */
    const char *text;       /* SPX_FAILED, SPX_REFUSED, SPX_FAULT: UTF-8, ends with 0, perhaps empty;
                               valid until the next call of spx_receive */
    unsigned features;      /* SPX_ACCEPTED: sum of enum spx_feature */
    enum spx_reason reason; /* SPX_REFUSED */
    int try_again;          /* SPX_REFUSED: 1 if the same token may be accepted later */
    int64_t after_ms;       /* SPX_REFUSED, SPX_GOING_AWAY: when to come back; -1: not known */
} spx_event;

/* One entry of the table of substreams. Its fields are the library's. */
typedef struct spx_stream {
    uint32_t credit; /* bytes that this side may send */
    uint32_t left;   /* bytes that the proxy may still send */
    uint32_t taken;  /* bytes that the program consumed and that were not granted again */
    uint16_t number; /* of the substream, or of the last one that used this entry */
    uint8_t state;   /* enum half_close in streamplex.c */
    uint8_t marks;   /* enum mark in streamplex.c */
} spx_stream;

/* The JSON text being read: one byte at a time, nothing but the values of known keys is kept. */
typedef struct spx_json {
    uint64_t arrays;     /* a bit for each level of nesting: 1 is an array, 0 an object */
    int64_t integer;     /* the number being read */
    const char *literal; /* the rest of true, false or null */
    uint32_t code_point; /* of an escape */
    uint16_t digits;
    uint8_t state;       /* enum json_state in streamplex.c */
    uint8_t depth;
    uint8_t is_key;      /* the string being read is a key */
    uint8_t negative;
    uint8_t hex_left;    /* hexadecimal digits of an escape that are still missing */
    uint8_t surrogate;   /* the first half of a pair of escapes was read */
    uint8_t utf8_left;   /* bytes of a character that are still missing */
    uint8_t utf8_low, utf8_high; /* allowed range of the next one */
    uint8_t sink;        /* where the characters of the string go */
    uint8_t places[4];   /* meaning of the container at depth 1, 2 and 3 */
    uint8_t keys[4];     /* the current key at these depths */
    uint8_t word_bytes;
    char word[20];       /* a short string: a key, or a word of the protocol */
} spx_json;

/* The known keys of the message being read. */
typedef struct spx_fields {
    int64_t sock, number, id; /* `number`: after_ms, or bytes */
    int64_t window, retry_after_ms;
    uint16_t features;
    uint8_t type;             /* a word's code; 0: another or none */
    uint8_t message;          /* kind of the value of "message" */
    uint8_t id_kind;
    uint8_t event_name;       /* code of the first of emitArgs */
    uint8_t args;             /* kind of emitArgs */
    uint8_t authed, retry, reason;
} spx_fields;

/* One tunnel. Its fields are the library's. */
typedef struct spx_tunnel {
    spx_stream *streams;
    size_t stream_count;
    uint8_t *output;
    size_t output_size, output_used;
    uint32_t window;          /* first window of each substream, granted to the proxy */
    uint32_t peer_window;     /* ... and granted by the proxy */
    uint32_t next_number;     /* of the next substream */
    uint32_t pings;
    uint16_t offered, enabled;
    uint16_t peers_highest;   /* highest number that the proxy opened */
    uint16_t channel;         /* of the frame being read */
    uint16_t body_left;       /* bytes of it that are still missing */
    uint8_t phase;            /* enum phase in streamplex.c */
    uint8_t header_bytes;     /* bytes of the header that were read */
    uint8_t header[SPX_HEADER_BYTES];
    uint8_t numbers_wrapped;  /* every number was used once */
    uint8_t going_away;
    uint8_t pong_kind;        /* kind of the id of the answer that is due; 0: none */
    uint16_t pong_bytes, id_bytes, text_bytes;
    uint8_t id_characters;
    int64_t pong_number;
    spx_json json;
    spx_fields fields;
    const char *fault;
    char pong_text[SPX_ID_BYTES], id_text[SPX_ID_BYTES];
    char text[SPX_TEXT_BYTES];
} spx_tunnel;

/* Prepare a tunnel. `streams` is a table for as many substreams as may be open at once; `output` is
 * the buffer for bytes that wait to be sent. Both belong to the tunnel until it is not used any
 * more. Returns 0, or SPX_E_ARGUMENT if the table has not 1 to SPX_MAX_STREAMS entries or the buffer is
 * too small. */
int spx_init(spx_tunnel *tunnel, spx_stream *streams, size_t stream_count,
             uint8_t *output, size_t output_size);

/* Queue the first message: the token. `device` is the name of this one device, or NULL. `features`
 * are those to offer, SPX_ALL_FEATURES normally; 0 for the original protocol. `window` is the number
 * of bytes that the proxy may send on a substream before the program consumes any (1 to 2^31-1).
 * Returns 0, SPX_E_ROOM, SPX_E_STATE or SPX_E_ARGUMENT. */
int spx_start(spx_tunnel *tunnel, const char *token, const char *device, unsigned features,
              uint32_t window);

/* Read bytes of the proxy up to the next event, which is written to `event`. Returns how many bytes
 * were consumed; call it again with the rest until there is none. After SPX_FAULT it consumes all
 * bytes and returns the same event. */
size_t spx_receive(spx_tunnel *tunnel, const uint8_t *bytes, size_t size, spx_event *event);

/* Read all of the bytes and call `on_event` for each event. `on_event` may call every function except
 * spx_init, spx_receive and spx_receive_all of the same tunnel: the rest of the bytes would be read
 * in a wrong place. So it only notes that a tunnel is over; connect again after this function. */
void spx_receive_all(spx_tunnel *tunnel, const uint8_t *bytes, size_t size,
                     void (*on_event)(void *context, const spx_event *event), void *context);

/* Return 1 if the bytes read so far end with a whole frame. If the connection ends and this is 0,
 * the proxy's last message was cut. */
int spx_between_frames(const spx_tunnel *tunnel);

/* Return the bytes that wait to be sent, and their number. Send as many as possible at once: each
 * write is a TLS record and perhaps a packet. */
const uint8_t *spx_output(spx_tunnel *tunnel, size_t *size);

/* Remove the first `size` of the bytes that spx_output returned, because they were sent. Check first
 * that your write did not fail: -1 as a `size` would remove all of them. */
void spx_sent(spx_tunnel *tunnel, size_t size);

/* Open a substream and connect it to a target. Data may follow at once. Returns its number (2 to
 * 65534), SPX_E_ROOM, SPX_E_STREAMS, SPX_E_NUMBERS, SPX_E_STATE, or SPX_E_ARGUMENT if the host is
 * empty or longer than 256 bytes, or the port is 0. */
int32_t spx_connect(spx_tunnel *tunnel, enum spx_kind kind, const char *host, uint16_t port);

/* Queue data. Returns how many bytes were queued: fewer than `size`, perhaps 0, if credit or room in
 * the output buffer is missing; SPX_E_STATE after spx_end, and SPX_E_PEER_RESET. */
int32_t spx_send(spx_tunnel *tunnel, uint16_t stream, const uint8_t *bytes, size_t size);

/* Return how many bytes spx_send would queue now. */
size_t spx_sendable(const spx_tunnel *tunnel, uint16_t stream);

/* Queue the end of this side's data. The target's answer still comes. */
int spx_end(spx_tunnel *tunnel, uint16_t stream);

/* Stop reading: data that still comes is dropped, the proxy resets the target and SPX_CLOSED
 * follows. Without SPX_CREDIT the proxy is sent an error in its place. */
int spx_reset(spx_tunnel *tunnel, uint16_t stream);

/* Report that the program failed: the proxy resets the target and SPX_CLOSED follows. Returns 0,
 * SPX_E_ROOM, SPX_E_STATE, or SPX_E_ARGUMENT if the text is too long. */
int spx_abort(spx_tunnel *tunnel, uint16_t stream, const char *text);

/* Grant the proxy as many bytes as the program has consumed. Call it once for each SPX_DATA event,
 * or for parts of it, when the program does not need the bytes any more. */
int spx_consumed(spx_tunnel *tunnel, uint16_t stream, size_t size);

/* Ask for SPX_IDLE when no data was transferred for `timeout_ms` milliseconds. 0: no more. */
int spx_idle_timeout(spx_tunnel *tunnel, uint16_t stream, uint32_t timeout_ms);

/* Ask the proxy for a sign of life, after a time of silence. Any byte from it is an answer. Returns
 * 0, SPX_E_ROOM, or SPX_E_STATE without SPX_PING. */
int spx_ping(spx_tunnel *tunnel);

/* Return 1 if the number belongs to an open substream. */
int spx_is_open(const spx_tunnel *tunnel, uint16_t stream);

/* Return the number of open substreams. */
size_t spx_open_count(const spx_tunnel *tunnel);

#ifdef __cplusplus
}
#endif

#endif
