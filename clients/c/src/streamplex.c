/* The device's end of a tunnel: see streamplex.h for its use and docs/wire.md for the protocol.
 *
 *     bytes -> frames -> JSON text -> known keys -> their meaning -> states -> event
 *
 * A JSON text is read byte by byte and never kept, so the size of the proxy's messages does not
 * matter. It is checked as strictly as by the Python library, with one exception: a number that is
 * too large for a double is accepted where its value does not matter.
 */
#include "streamplex.h"

#include <string.h>

#if SPX_TEXT_BYTES < 2 || SPX_TEXT_BYTES > 65535
#error "SPX_TEXT_BYTES: expected 2 to 65535"
#endif

#define MAX_CHANNEL 65535u
#define MAX_BODY_BYTES 65535u      /* of a frame: its length has 16 bits */
#define MAX_PAYLOAD_BYTES (MAX_BODY_BYTES - 3)
#define MAX_CREDIT 2147483647L
#define DEFAULT_WINDOW 65536u      /* if the proxy names none */
#define MAX_PING_NUMBER 9007199254740991LL /* 2^53 - 1: every JSON parser keeps it exact */
#define MAX_ID_CHARACTERS 64
#define MAX_HOST_BYTES 256
#define MAX_DIGITS 308             /* of an integer: what a double can hold */
#define MAX_DEPTH 64
#define NOT_A_NUMBER INT64_MIN     /* in a field: no integer, or one beyond 2^62 */

enum { TYPE_DATA = 0, TYPE_JSON = 1 };

/* --- words of the protocol ---------------------------------------------------------------------
 * One table for keys and values: its index is the word's code. Code 0 is every other word. */

enum word {
    W_NONE,
    /* keys */
    W_TYPE, W_OBJECT, W_SOCK, W_AFTER_MS, W_ID, W_EVENT, W_EMIT_ARGS, W_BYTES, W_AUTHED, W_FEATURES,
    W_WINDOW, W_RETRY_KEY, W_REASON_KEY, W_RETRY_AFTER_MS,
    W_MESSAGE, /* a key and a type */
    /* values of "type" */
    W_STREAM, W_GOAWAY, W_PING, W_PONG,
    /* values of "event" */
    W_END, W_ERROR, W_CUSTOM, W_CREDIT, W_RESET,
    /* first of "emitArgs" */
    W_LOOKUP, W_CONNECT, W_SECURE_CONNECT, W_TIMEOUT, W_CLOSE,
    /* features, in the order of enum spx_feature */
    W_FIRST_FEATURE,
    W_FIRST_REASON = W_FIRST_FEATURE + 9,
    W_COUNT = W_FIRST_REASON + 8
};

static const char *const WORDS[W_COUNT] = {
    "", "type", "object", "sock", "after_ms", "id", "event", "emitArgs", "bytes", "authed", "features",
    "window", "retry", "reason", "retry_after_ms", "message", "stream", "goaway", "ping", "pong",
    "end", "error", "custom", "credit", "reset", "lookup", "connect", "secureConnect", "timeout",
    "close", "reuse/1", "halfclose/1", "retry/1", "reason/1", "device/1", "goaway/1", "ping/1",
    "credit/1", "message/1", "wrong_token", "revoked", "not_checked", "unconfirmed",
    "too_many_tunnels", "too_many_attempts", "ended", "refused",
};

/* The features in the order in which they are sent, as places in enum spx_feature. */
static const uint8_t SENT_ORDER[] = {7, 4, 5, 1, 8, 6, 3, 2, 0};

static uint8_t word_code(const char *bytes, size_t size)
{
    uint8_t code;
    for (code = 1; code < W_COUNT; code++)
        if (strlen(WORDS[code]) == size && memcmp(WORDS[code], bytes, size) == 0)
            return code;
    return W_NONE;
}

/* --- states ------------------------------------------------------------------------------------ */

enum phase {
    NOT_STARTED,
    ANSWER_DUE,       /* the token was sent, with features: nothing may be opened yet */
    ANSWER_DUE_PLAIN, /* the token was sent without features: substreams may be opened */
    ACCEPTED,
    REFUSED,
    BROKEN            /* the proxy broke the protocol */
};

enum half_close { FREE, OPEN, LOCAL_ENDED, REMOTE_ENDED, ENDED };

enum half_close_input { DO_SEND, DO_END, PEER_SENDS, PEER_ENDS };

/* FREE: the input is not allowed. */
static const uint8_t NEXT_STATE[][4] = {
    /*                 DO_SEND       DO_END       PEER_SENDS    PEER_ENDS */
    [FREE]         = {FREE,         FREE,        FREE,         FREE},
    [OPEN]         = {OPEN,         LOCAL_ENDED, OPEN,         REMOTE_ENDED},
    [LOCAL_ENDED]  = {FREE,         FREE,        LOCAL_ENDED,  ENDED},
    [REMOTE_ENDED] = {REMOTE_ENDED, ENDED,       FREE,         FREE},
    [ENDED]        = {FREE,         FREE,        FREE,         FREE},
};

enum mark {
    HAS_CREDIT = 1,    /* credit/1 was on when it was opened */
    READS_NO_MORE = 2, /* this side sent reset: what still comes is dropped */
    PEER_RESET = 4,    /* the proxy sent reset: what is sent would be dropped */
    CLOSE_CAME = 8     /* the proxy is done; this side's end is due */
};

static spx_stream *find(const spx_tunnel *t, uint16_t number)
{
    size_t i;
    for (i = 0; i < t->stream_count; i++)
        if (t->streams[i].number == number && t->streams[i].state != FREE)
            return &t->streams[i];
    return NULL;
}

static int advance(spx_stream *stream, enum half_close_input input)
{
    uint8_t next = NEXT_STATE[stream->state][input];
    if (next == FREE)
        return 0;
    stream->state = next;
    return 1;
}

/* --- writing: whole frames or nothing ---------------------------------------------------------- */

typedef struct writer {
    spx_tunnel *tunnel;
    size_t used; /* of the output buffer */
    size_t frame_at;
    int failed; /* SPX_E_ROOM: the frames do not fit; SPX_E_ARGUMENT: no buffer helps */
} writer;

static void put(writer *w, const char *bytes, size_t size)
{
    if (w->failed)
        return;
    if (size > w->tunnel->output_size - w->used) {
        /* with an empty buffer it is of no use to send first and try again */
        w->failed = w->tunnel->output_used ? SPX_E_ROOM : SPX_E_ARGUMENT;
        return;
    }
    memcpy(w->tunnel->output + w->used, bytes, size);
    w->used += size;
}

static void put_text(writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_integer(writer *w, int64_t number)
{
    char digits[21];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        digits[--at] = '-';
    put(w, digits + at, sizeof digits - at);
}

static void put_string(writer *w, const char *bytes, size_t size)
{
    static const char HEX[] = "0123456789abcdef";
    static const char SHORT[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the character and its escape */
    size_t i, j;
    put(w, "\"", 1);
    for (i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)bytes[i];
        char escape[6] = {'\\', 'u', '0', '0', 0, 0};
        for (j = 0; SHORT[j] && (uint8_t)SHORT[j] != byte; j += 2)
            ;
        if (SHORT[j]) {
            escape[1] = SHORT[j + 1];
            put(w, escape, 2);
        } else if (byte < 0x20) {
            escape[4] = HEX[byte >> 4];
            escape[5] = HEX[byte & 15];
            put(w, escape, 6);
        } else {
            put(w, bytes + i, 1);
        }
    }
    put(w, "\"", 1);
}

static writer begin(spx_tunnel *t)
{
    writer w = {t, t->output_used, 0, 0};
    return w;
}

static void begin_frame(writer *w, uint16_t channel, uint8_t type)
{
    char header[SPX_HEADER_BYTES] = {0, 0, (char)(channel >> 8), (char)channel, (char)type};
    w->frame_at = w->used;
    put(w, header, sizeof header);
}

static void end_frame(writer *w)
{
    size_t body = w->used - w->frame_at - 2;
    if (w->failed)
        return;
    if (body > MAX_BODY_BYTES) {
        w->failed = SPX_E_ARGUMENT;
        return;
    }
    w->tunnel->output[w->frame_at] = (uint8_t)(body >> 8);
    w->tunnel->output[w->frame_at + 1] = (uint8_t)body;
}

static int commit(writer *w)
{
    if (!w->failed)
        w->tunnel->output_used = w->used;
    return w->failed;
}

/* A frame whose JSON is one of ours: `before`, then a number, then `after`. */
static int send_numbered(spx_tunnel *t, uint16_t channel, const char *before, int64_t number,
                         const char *after)
{
    writer w = begin(t);
    begin_frame(&w, channel, TYPE_JSON);
    put_text(&w, before);
    put_integer(&w, number);
    put_text(&w, after);
    end_frame(&w);
    return commit(&w);
}

static int send_text(spx_tunnel *t, uint16_t channel, const char *json)
{
    writer w = begin(t);
    begin_frame(&w, channel, TYPE_JSON);
    put_text(&w, json);
    end_frame(&w);
    return commit(&w);
}

static int send_failure(spx_tunnel *t, uint16_t channel, const char *text)
{
    writer w = begin(t);
    begin_frame(&w, channel, TYPE_JSON);
    put_text(&w, "{\"event\":\"error\",\"message\":");
    put_string(&w, text, strlen(text));
    put_text(&w, "}");
    end_frame(&w);
    return commit(&w);
}

static int send_end(spx_tunnel *t, spx_stream *stream)
{
    int failed = send_text(t, stream->number, "{\"event\":\"end\"}");
    if (!failed)
        advance(stream, DO_END);
    return failed;
}

/* --- answers that are due -----------------------------------------------------------------------
 * They need no memory of their own while the output buffer is full: each is a state of the tunnel or
 * of a substream. */

static void send_pong(spx_tunnel *t)
{
    writer w = begin(t);
    begin_frame(&w, 0, TYPE_JSON);
    put_text(&w, "{\"type\":\"pong\",\"id\":");
    if (t->pong_kind == 2)
        put_string(&w, t->pong_text, t->pong_bytes);
    else
        put_integer(&w, t->pong_number);
    put_text(&w, "}");
    end_frame(&w);
    if (!commit(&w))
        t->pong_kind = 0;
}

static void grant(spx_tunnel *t, spx_stream *stream)
{
    if (!(stream->marks & HAS_CREDIT) || stream->marks & (READS_NO_MORE | CLOSE_CAME))
        return;
    if (stream->state == REMOTE_ENDED || stream->state == ENDED)
        return;
    /* half of the window in one grant: few messages, and the proxy never has to wait for long */
    if (stream->taken == 0 || stream->taken < t->window / 2)
        return;
    if (!send_numbered(t, stream->number, "{\"event\":\"credit\",\"bytes\":", stream->taken, "}")) {
        stream->left += stream->taken;
        stream->taken = 0;
    }
}

static void finish(spx_tunnel *t, spx_stream *stream)
{
    if (stream->state == OPEN || stream->state == REMOTE_ENDED)
        if (send_end(t, stream))
            return;
    stream->state = FREE; /* its number stays: it is not used again at once */
}

static void send_due(spx_tunnel *t)
{
    size_t i;
    if (t->pong_kind)
        send_pong(t);
    for (i = 0; i < t->stream_count; i++) {
        spx_stream *stream = &t->streams[i];
        if (stream->state == FREE)
            continue;
        if (stream->marks & CLOSE_CAME)
            finish(t, stream);
        else
            grant(t, stream);
    }
}

/* --- JSON: a text in, known keys out ------------------------------------------------------------ */

enum json_state {
    J_OBJECT,       /* the first character: only an object is allowed */
    J_FIRST_KEY,    /* a key or } */
    J_KEY,
    J_COLON,
    J_FIRST_VALUE,  /* a value or ] */
    J_VALUE,
    J_AFTER_VALUE,  /* , or the end of the container */
    J_STRING,
    J_ESCAPE,
    J_HEX,
    J_SECOND_ESCAPE, /* the \ of the second half of a pair */
    J_SECOND_U,
    J_LITERAL,
    J_MINUS,
    J_ZERO,
    J_INTEGER,
    J_POINT,
    J_FRACTION,
    J_EXPONENT,
    J_EXPONENT_SIGN,
    J_EXPONENT_DIGITS,
    J_END           /* only spaces may follow */
};

/* What the container at depth 1, 2 or 3 is. */
enum place { P_UNKNOWN, P_CONTROL, P_SUBSTREAM, P_APPLICATION, P_ARGS, P_ARGS_REST, P_FEATURES };

enum sink { TO_NOWHERE, TO_WORD, TO_TEXT, TO_ID };

enum kind { K_NONE, K_INTEGER, K_STRING, K_REAL, K_TRUE, K_FALSE, K_NULL, K_OBJECT, K_ARRAY };

static void forget_application(spx_fields *fields)
{
    fields->features = 0;
    fields->authed = fields->retry = K_NONE;
    fields->reason = W_NONE;
    fields->window = fields->retry_after_ms = NOT_A_NUMBER;
}

static void begin_json(spx_tunnel *t)
{
    memset(&t->json, 0, sizeof t->json);
    memset(&t->fields, 0, sizeof t->fields);
    t->fields.sock = t->fields.number = t->fields.id = NOT_A_NUMBER;
    forget_application(&t->fields);
    t->text_bytes = t->id_bytes = 0;
}

static uint8_t place_of(const spx_json *json)
{
    return json->depth < sizeof json->places ? json->places[json->depth] : (uint8_t)P_UNKNOWN;
}

static uint8_t key_of(const spx_json *json)
{
    return json->depth < sizeof json->keys ? json->keys[json->depth] : (uint8_t)W_NONE;
}

/* A value begins or, if it is a string or number, is complete: store what the protocol needs. */
static void store(spx_tunnel *t, enum kind kind)
{
    spx_json *json = &t->json;
    spx_fields *f = &t->fields;
    int64_t integer = kind == K_INTEGER ? json->integer : NOT_A_NUMBER;
    uint8_t word = kind == K_STRING ? word_code(json->word, json->word_bytes) : (uint8_t)W_NONE;

    switch (place_of(json)) {
    case P_CONTROL:
        switch (key_of(json)) {
        case W_TYPE: f->type = word; break;
        case W_SOCK: f->sock = integer; break;
        case W_AFTER_MS: f->number = integer; break;
        case W_ID: f->id = integer; f->id_kind = (uint8_t)kind; break;
        case W_OBJECT: forget_application(f); t->text_bytes = 0; break;
        default: break;
        }
        break;
    case P_SUBSTREAM:
        switch (key_of(json)) {
        case W_EVENT: f->type = word; break;
        case W_MESSAGE: f->message = (uint8_t)kind; break;
        case W_BYTES: f->number = integer; break;
        case W_EMIT_ARGS: f->args = K_NONE; break;
        default: break;
        }
        break;
    case P_APPLICATION:
        switch (key_of(json)) {
        case W_AUTHED: f->authed = (uint8_t)kind; break;
        case W_RETRY_KEY: f->retry = (uint8_t)kind; break;
        case W_REASON_KEY: f->reason = word; break;
        case W_FEATURES: f->features = 0; break;
        case W_WINDOW: f->window = integer; break;
        case W_RETRY_AFTER_MS: f->retry_after_ms = integer; break;
        case W_MESSAGE:
            if (kind != K_STRING)
                t->text_bytes = 0;
            break;
        default: break;
        }
        break;
    case P_ARGS: /* the first of emitArgs */
        f->args = (uint8_t)kind;
        f->event_name = word;
        json->places[json->depth] = P_ARGS_REST;
        break;
    case P_FEATURES:
        if (word >= W_FIRST_FEATURE && word < W_FIRST_REASON)
            f->features |= (uint16_t)(1u << (word - W_FIRST_FEATURE));
        break;
    default:
        break;
    }
}

static uint8_t place_inside(const spx_tunnel *t, enum kind kind)
{
    const spx_json *json = &t->json;
    uint8_t outer = place_of(json), key = key_of(json);
    if (json->depth == 0)
        return t->channel == 0 ? P_CONTROL : P_SUBSTREAM;
    if (outer == P_CONTROL && key == W_OBJECT && kind == K_OBJECT)
        return P_APPLICATION;
    if (outer == P_SUBSTREAM && key == W_EMIT_ARGS && kind == K_ARRAY)
        return P_ARGS;
    if (outer == P_APPLICATION && key == W_FEATURES && kind == K_ARRAY)
        return P_FEATURES;
    return P_UNKNOWN;
}

static const char *enter(spx_tunnel *t, enum kind kind)
{
    spx_json *json = &t->json;
    uint8_t place = place_inside(t, kind);
    if (json->depth == MAX_DEPTH)
        return "JSON nested deeper than 64 levels";
    store(t, kind);
    json->arrays = json->arrays << 1 | (kind == K_ARRAY);
    json->depth++;
    if (json->depth < sizeof json->places) {
        json->places[json->depth] = place;
        json->keys[json->depth] = W_NONE;
    }
    json->state = kind == K_ARRAY ? J_FIRST_VALUE : J_FIRST_KEY;
    return NULL;
}

static void leave(spx_json *json)
{
    json->arrays >>= 1;
    json->depth--;
    json->state = json->depth ? J_AFTER_VALUE : J_END;
}

static void begin_string(spx_tunnel *t, int is_key)
{
    spx_json *json = &t->json;
    uint8_t place = place_of(json), key = key_of(json);
    json->state = J_STRING;
    json->is_key = (uint8_t)is_key;
    json->word_bytes = 0;
    json->sink = TO_WORD;
    if (is_key)
        return;
    if (key == W_MESSAGE && (place == P_SUBSTREAM || place == P_APPLICATION)) {
        json->sink = TO_TEXT;
        t->text_bytes = 0;
    } else if (key == W_ID && place == P_CONTROL) {
        json->sink = TO_ID;
        t->id_bytes = t->id_characters = 0;
    }
}

static void end_string(spx_tunnel *t)
{
    spx_json *json = &t->json;
    if (json->is_key) {
        if (json->depth < sizeof json->keys)
            json->keys[json->depth] = word_code(json->word, json->word_bytes);
        json->state = J_COLON;
        return;
    }
    store(t, K_STRING);
    json->state = J_AFTER_VALUE;
}

/* Add a character, or a byte of one, to where the string goes. */
static void add_byte(spx_tunnel *t, uint8_t byte)
{
    spx_json *json = &t->json;
    int begins_character = (byte & 0xc0) != 0x80;
    switch (json->sink) {
    case TO_WORD:
        if (json->word_bytes < sizeof json->word)
            json->word[json->word_bytes++] = (char)byte;
        else
            json->sink = TO_NOWHERE, json->word_bytes = 0; /* longer than every known word */
        break;
    case TO_TEXT: /* shown to people: control characters would disturb a terminal */
        if (byte == '\n' || byte == '\r' || byte == '\t')
            byte = ' ';
        if (byte >= 0x20 && byte != 0x7f && t->text_bytes < SPX_TEXT_BYTES)
            t->text[t->text_bytes++] = (char)byte;
        break;
    case TO_ID:
        if (begins_character && t->id_characters <= MAX_ID_CHARACTERS)
            t->id_characters++;
        if (t->id_bytes < SPX_ID_BYTES)
            t->id_text[t->id_bytes++] = (char)byte;
        break;
    default:
        break;
    }
}

static void add_code_point(spx_tunnel *t, uint32_t code)
{
    if (code < 0x80) {
        add_byte(t, (uint8_t)code);
        return;
    }
    if (code < 0x800) {
        add_byte(t, (uint8_t)(0xc0 | code >> 6));
    } else {
        if (code < 0x10000) {
            add_byte(t, (uint8_t)(0xe0 | code >> 12));
        } else {
            add_byte(t, (uint8_t)(0xf0 | code >> 18));
            add_byte(t, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
        }
        add_byte(t, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
    }
    add_byte(t, (uint8_t)(0x80 | (code & 0x3f)));
}

static const char INVALID_UTF8[] = "JSON that is not valid UTF-8";
static const char INVALID_JSON[] = "invalid JSON";
static const char LONE_SURROGATE[] = "lone surrogate in JSON";

/* The first byte of a character that takes several; RFC 3629, section 4. */
static const char *begin_utf8(spx_json *json, uint8_t byte)
{
    if (byte < 0xc2 || byte > 0xf4)
        return INVALID_UTF8;
    json->utf8_left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    json->utf8_low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    json->utf8_high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return NULL;
}

static const char *in_string(spx_tunnel *t, uint8_t byte)
{
    spx_json *json = &t->json;
    if (json->utf8_left) {
        if (byte < json->utf8_low || byte > json->utf8_high)
            return INVALID_UTF8;
        json->utf8_left--;
        json->utf8_low = 0x80;
        json->utf8_high = 0xbf;
    } else if (byte == '"') {
        end_string(t);
        return NULL;
    } else if (byte == '\\') {
        json->state = J_ESCAPE;
        return NULL;
    } else if (byte < 0x20) {
        return INVALID_JSON;
    } else if (byte >= 0x80) {
        const char *fault = begin_utf8(json, byte);
        if (fault)
            return fault;
    }
    add_byte(t, byte);
    return NULL;
}

static const char *in_escape(spx_tunnel *t, uint8_t byte)
{
    static const char ESCAPES[] = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* pairs: the letter and what it means */
    spx_json *json = &t->json;
    size_t i;
    if (byte == 'u') {
        json->hex_left = 4;
        json->code_point = 0;
        json->state = J_HEX;
        return NULL;
    }
    for (i = 0; ESCAPES[i]; i += 2)
        if ((uint8_t)ESCAPES[i] == byte) {
            add_byte(t, (uint8_t)ESCAPES[i + 1]);
            json->state = J_STRING;
            return NULL;
        }
    return INVALID_JSON;
}

static const char *in_hex(spx_tunnel *t, uint8_t byte)
{
    spx_json *json = &t->json;
    uint8_t lower = byte | 0x20;
    uint32_t digit, half;
    if (byte >= '0' && byte <= '9')
        digit = byte - (uint32_t)'0';
    else if (lower >= 'a' && lower <= 'f')
        digit = lower - (uint32_t)'a' + 10;
    else
        return INVALID_JSON;
    json->code_point = json->code_point << 4 | digit;
    if (--json->hex_left)
        return NULL;
    half = json->code_point & 0xffff;
    json->state = J_STRING;
    if (json->surrogate) {
        if (half < 0xdc00 || half > 0xdfff)
            return LONE_SURROGATE;
        json->surrogate = 0;
        add_code_point(t, 0x10000 + ((json->code_point >> 16 & 0x3ff) << 10) + (half & 0x3ff));
    } else if (half >= 0xd800 && half <= 0xdbff) {
        json->surrogate = 1;
        json->state = J_SECOND_ESCAPE;
    } else if (half >= 0xdc00 && half <= 0xdfff) {
        return LONE_SURROGATE;
    } else {
        add_code_point(t, half);
    }
    return NULL;
}

static void add_digit(spx_json *json, uint8_t byte)
{
    if (json->digits <= MAX_DIGITS)
        json->digits++;
    if (json->integer == NOT_A_NUMBER || json->integer > (INT64_MAX >> 1) / 10 - 1)
        json->integer = NOT_A_NUMBER; /* larger than every number of the protocol */
    else
        json->integer = json->integer * 10 + (byte - '0');
}

static const char *begin_value(spx_tunnel *t, uint8_t byte)
{
    spx_json *json = &t->json;
    json->integer = 0;
    json->digits = 0;
    json->negative = byte == '-';
    switch (byte) {
    case '"': begin_string(t, 0); return NULL;
    case '{': return enter(t, K_OBJECT);
    case '[': return enter(t, K_ARRAY);
    case 't': json->literal = "rue"; break;
    case 'f': json->literal = "alse"; break;
    case 'n': json->literal = "ull"; break;
    case '-': json->state = J_MINUS; return NULL;
    case '0': json->state = J_ZERO; return NULL;
    default:
        if (byte < '1' || byte > '9')
            return INVALID_JSON;
        add_digit(json, byte);
        json->state = J_INTEGER;
        return NULL;
    }
    json->state = J_LITERAL;
    store(t, byte == 't' ? K_TRUE : byte == 'f' ? K_FALSE : K_NULL);
    return NULL;
}

static const char *after_value(spx_json *json, uint8_t byte)
{
    int in_array = (int)(json->arrays & 1);
    if (byte == ',')
        json->state = in_array ? J_VALUE : J_KEY;
    else if (byte == (in_array ? ']' : '}'))
        leave(json);
    else
        return INVALID_JSON;
    return NULL;
}

static const char *end_number(spx_tunnel *t, enum kind kind, uint8_t byte)
{
    spx_json *json = &t->json;
    if (kind == K_INTEGER && json->digits > MAX_DIGITS)
        return "JSON with an integer of more than 308 digits";
    if (json->negative && json->integer != NOT_A_NUMBER)
        json->integer = -json->integer;
    store(t, kind);
    json->state = J_AFTER_VALUE;
    if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r')
        return NULL;
    return after_value(json, byte);
}

static const char *in_number(spx_tunnel *t, uint8_t byte)
{
    spx_json *json = &t->json;
    int is_digit = byte >= '0' && byte <= '9';
    int is_exponent = (byte | 0x20) == 'e';
    switch (json->state) {
    case J_MINUS:
        if (!is_digit)
            return INVALID_JSON;
        add_digit(json, byte);
        json->state = byte == '0' ? J_ZERO : J_INTEGER;
        return NULL;
    case J_ZERO:
    case J_INTEGER:
        if (is_digit && json->state == J_INTEGER) {
            add_digit(json, byte);
            return NULL;
        }
        if (byte != '.' && !is_exponent)
            return end_number(t, K_INTEGER, byte);
        json->state = byte == '.' ? J_POINT : J_EXPONENT;
        return NULL;
    case J_FRACTION:
        if (is_digit)
            return NULL;
        if (!is_exponent)
            return end_number(t, K_REAL, byte);
        json->state = J_EXPONENT;
        return NULL;
    case J_EXPONENT_DIGITS:
        return is_digit ? NULL : end_number(t, K_REAL, byte);
    case J_EXPONENT:
        if (byte == '+' || byte == '-') {
            json->state = J_EXPONENT_SIGN;
            return NULL;
        }
        break;
    default:
        break;
    }
    if (!is_digit)
        return INVALID_JSON;
    json->state = json->state == J_POINT ? J_FRACTION : J_EXPONENT_DIGITS;
    return NULL;
}

static const char *between_tokens(spx_tunnel *t, uint8_t byte)
{
    spx_json *json = &t->json;
    if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r')
        return NULL;
    switch (json->state) {
    case J_OBJECT:
        return byte == '{' ? enter(t, K_OBJECT) : "JSON that is not an object";
    case J_FIRST_KEY:
    case J_KEY:
        if (byte == '"')
            begin_string(t, 1);
        else if (byte == '}' && json->state == J_FIRST_KEY)
            leave(json);
        else
            return INVALID_JSON;
        return NULL;
    case J_COLON:
        json->state = J_VALUE;
        return byte == ':' ? NULL : INVALID_JSON;
    case J_FIRST_VALUE:
        if (byte == ']') {
            leave(json);
            return NULL;
        }
        return begin_value(t, byte);
    case J_VALUE:
        return begin_value(t, byte);
    case J_AFTER_VALUE:
        return after_value(json, byte);
    default: /* J_END */
        return INVALID_JSON;
    }
}

/* Read one byte of the text. Returns NULL, or what is wrong. */
static const char *read_json(spx_tunnel *t, uint8_t byte)
{
    spx_json *json = &t->json;
    switch (json->state) {
    case J_STRING: return in_string(t, byte);
    case J_ESCAPE: return in_escape(t, byte);
    case J_HEX: return in_hex(t, byte);
    case J_SECOND_ESCAPE:
        json->state = J_SECOND_U;
        return byte == '\\' ? NULL : LONE_SURROGATE;
    case J_SECOND_U:
        json->hex_left = 4;
        json->state = J_HEX;
        return byte == 'u' ? NULL : LONE_SURROGATE;
    case J_LITERAL:
        if (byte != (uint8_t)*json->literal)
            return INVALID_JSON;
        if (!*++json->literal)
            json->state = J_AFTER_VALUE;
        return NULL;
    case J_MINUS:
    case J_ZERO:
    case J_INTEGER:
    case J_POINT:
    case J_FRACTION:
    case J_EXPONENT:
    case J_EXPONENT_SIGN:
    case J_EXPONENT_DIGITS:
        return in_number(t, byte);
    default:
        return between_tokens(t, byte);
    }
}

/* --- the meaning of a message ------------------------------------------------------------------- */

static void report_fault(spx_tunnel *t, spx_event *event, const char *text)
{
    t->phase = BROKEN;
    t->fault = text;
    event->kind = SPX_FAULT;
    event->stream = 0; /* whatever was set before: the tunnel is over */
    event->text = text;
}

/* Make of the collected bytes a C string that ends with a whole character, and without the control
 * characters U+0080 to U+009F (c2 80 to c2 9f): the others were not collected. */
static void close_text(spx_tunnel *t)
{
    size_t end = t->text_bytes, at, kept = 0;
    if (end == SPX_TEXT_BYTES) {
        end--;
        while (end && ((uint8_t)t->text[end] & 0xc0) == 0x80)
            end--;
    }
    for (at = 0; at < end; at++) {
        if ((uint8_t)t->text[at] == 0xc2 && (uint8_t)t->text[at + 1] < 0xa0)
            at++;
        else
            t->text[kept++] = t->text[at];
    }
    t->text[kept] = 0;
}

static uint8_t reason_of(const spx_fields *f, int accepted_before)
{
    if (f->reason >= W_FIRST_REASON && f->reason < W_COUNT)
        return (uint8_t)(f->reason - W_FIRST_REASON);
    if (f->retry == K_TRUE)
        return accepted_before ? SPX_UNCONFIRMED : SPX_NOT_CHECKED;
    return accepted_before ? SPX_REVOKED : SPX_WRONG_TOKEN;
}

static void refused(spx_tunnel *t, spx_event *event)
{
    const spx_fields *f = &t->fields;
    event->kind = SPX_REFUSED;
    event->reason = (enum spx_reason)reason_of(f, t->phase == ACCEPTED);
    event->try_again = f->retry == K_TRUE;
    if (f->retry_after_ms >= 0 && f->retry_after_ms <= MAX_PING_NUMBER)
        event->after_ms = f->retry_after_ms;
    close_text(t);
    event->text = t->text;
    t->phase = REFUSED;
}

static void application_message(spx_tunnel *t, spx_event *event)
{
    const spx_fields *f = &t->fields;
    if (t->phase == ANSWER_DUE || t->phase == ANSWER_DUE_PLAIN) {
        if (f->authed != K_TRUE) {
            refused(t, event);
            return;
        }
        t->enabled = t->offered & f->features;
        if (f->window >= 0 && f->window <= MAX_CREDIT)
            t->peer_window = (uint32_t)f->window;
        t->phase = ACCEPTED;
        event->kind = SPX_ACCEPTED;
        event->features = t->enabled;
    } else if (t->phase == ACCEPTED && f->authed == K_FALSE) {
        refused(t, event);
    }
}

/* The proxy never opens substreams. What it sends on one all the same is dropped. */
static const char *peer_opened(spx_tunnel *t)
{
    int64_t number = t->fields.sock;
    if (number < 1 || number > (int64_t)MAX_CHANNEL || number % 2 == 0)
        return "a substream with a number that the proxy may not open";
    if (number > t->peers_highest)
        t->peers_highest = (uint16_t)number;
    return NULL;
}

static const char *ping_came(spx_tunnel *t)
{
    const spx_fields *f = &t->fields;
    if (f->id_kind == K_STRING && t->id_characters <= MAX_ID_CHARACTERS) {
        memcpy(t->pong_text, t->id_text, t->id_bytes);
        t->pong_bytes = t->id_bytes;
    } else if (f->id_kind != K_INTEGER || f->id < -MAX_PING_NUMBER || f->id > MAX_PING_NUMBER) {
        return "a ping whose id is neither an integer below 2^53 nor text of 64 characters";
    }
    t->pong_number = f->id;
    t->pong_kind = f->id_kind;
    send_pong(t);
    return NULL;
}

static const char *control_message(spx_tunnel *t, spx_event *event)
{
    /* before the answer, the features that were offered count: it may come in the same bytes */
    unsigned known = t->phase == ACCEPTED || t->phase == REFUSED ? t->enabled : t->offered;
    switch (t->fields.type) {
    case W_STREAM:
        return peer_opened(t);
    case W_MESSAGE:
        application_message(t, event);
        return NULL;
    case W_GOAWAY:
        if (!(known & SPX_GOAWAY))
            return NULL;
        if (t->fields.number < 0 || t->fields.number > MAX_CREDIT)
            return "goaway whose after_ms is no integer from 0 to 2147483647";
        t->going_away = 1;
        event->kind = SPX_GOING_AWAY;
        event->after_ms = t->fields.number;
        return NULL;
    case W_PING:
        return known & SPX_PING ? ping_came(t) : NULL;
    case W_PONG:
        if (known & SPX_PING)
            event->kind = SPX_PONG;
        return NULL;
    default:
        return NULL;
    }
}

/* Whether the proxy may still send on a number without an open substream: it was under way. */
static int was_opened(const spx_tunnel *t, uint16_t channel)
{
    if (channel % 2)
        return channel <= t->peers_highest;
    return t->numbers_wrapped || channel < t->next_number;
}

static const char *credit_came(spx_stream *stream, int64_t bytes)
{
    if (!stream || !(stream->marks & HAS_CREDIT))
        return NULL;
    if ((int64_t)stream->credit + bytes > MAX_CREDIT)
        return "credit of more than 2147483647 bytes in all";
    stream->credit += (uint32_t)bytes;
    return NULL;
}

static void custom_event(spx_tunnel *t, spx_stream *stream, spx_event *event)
{
    switch (t->fields.event_name) {
    case W_LOOKUP: event->kind = SPX_LOOKED_UP; break;
    case W_CONNECT: event->kind = SPX_CONNECTED; break;
    case W_SECURE_CONNECT: event->kind = SPX_SECURED; break;
    case W_TIMEOUT: event->kind = SPX_IDLE; break;
    case W_CLOSE:
        if (stream->marks & CLOSE_CAME)
            break;
        event->kind = SPX_CLOSED;
        stream->marks |= CLOSE_CAME;
        finish(t, stream);
        break;
    default: break;
    }
}

static const char *substream_message(spx_tunnel *t, spx_event *event)
{
    const spx_fields *f = &t->fields;
    spx_stream *stream = find(t, t->channel);
    unsigned known = t->phase == ACCEPTED || t->phase == REFUSED ? t->enabled : t->offered;
    int has_credit = (known & SPX_CREDIT) != 0;

    if (f->type == W_CUSTOM && f->args != K_STRING)
        return "emitArgs that is no list which begins with a name";
    if (f->type == W_ERROR && f->message != K_NONE && f->message != K_STRING)
        return "an error whose message is no text";
    if (f->type == W_CREDIT && has_credit && (f->number < 1 || f->number > MAX_CREDIT))
        return "credit that is no integer from 1 to 2147483647";
    if (!stream && !was_opened(t, t->channel))
        return "a message for a substream that was never opened";
    if (f->type == W_CREDIT && has_credit)
        return credit_came(stream, f->number);
    if (!stream)
        return NULL;
    event->stream = t->channel;
    switch (f->type) {
    case W_END:
        if (!advance(stream, PEER_ENDS))
            return "a second end of a substream";
        event->kind = SPX_ENDED;
        return NULL;
    case W_ERROR:
        close_text(t);
        event->kind = SPX_FAILED;
        event->text = f->message == K_STRING ? t->text : "";
        return NULL;
    case W_CUSTOM:
        custom_event(t, stream, event);
        return NULL;
    case W_RESET:
        if (has_credit && !(stream->marks & PEER_RESET)) {
            stream->marks |= PEER_RESET;
            event->kind = SPX_PEER_RESET;
        }
        return NULL;
    default:
        return NULL;
    }
}

static const char *message(spx_tunnel *t, spx_event *event)
{
    if (t->json.state != J_END)
        return INVALID_JSON;
    return t->channel ? substream_message(t, event) : control_message(t, event);
}

/* The header of a data message is complete: check all of it before a part is delivered. */
static const char *data_begins(spx_tunnel *t)
{
    spx_stream *stream = find(t, t->channel);
    if (t->channel == 0)
        return "data on the control channel";
    if (!stream)
        return was_opened(t, t->channel) ? NULL : "data for a substream that was never opened";
    if (!advance(stream, PEER_SENDS))
        return "data after the end of a substream";
    if (!(stream->marks & HAS_CREDIT))
        return NULL;
    if (t->body_left == 0)
        return "an empty data message";
    if (t->body_left > stream->left)
        return "more data than was granted";
    stream->left -= t->body_left;
    return NULL;
}

/* Shifted as unsigned: a byte times 256 overflows an int of 16 bits. */
static uint16_t two_bytes(const uint8_t *at)
{
    return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static const char *header_complete(spx_tunnel *t)
{
    uint8_t type = t->header[4];
    t->channel = two_bytes(t->header + 2);
    t->body_left = (uint16_t)(t->body_left - 3);
    if (type == TYPE_DATA)
        return data_begins(t);
    if (type != TYPE_JSON)
        return "a message of an unknown type";
    begin_json(t);
    return t->body_left ? NULL : INVALID_JSON;
}

static const char *read_header(spx_tunnel *t, uint8_t byte)
{
    t->header[t->header_bytes++] = byte;
    if (t->header_bytes == 2) {
        t->body_left = two_bytes(t->header);
        if (t->body_left < 3)
            return "a frame with a body of fewer than 3 bytes";
    }
    return t->header_bytes == SPX_HEADER_BYTES ? header_complete(t) : NULL;
}

static size_t read_data(spx_tunnel *t, const uint8_t *bytes, size_t size, spx_event *event)
{
    spx_stream *stream = find(t, t->channel);
    size_t piece = size < t->body_left ? size : t->body_left;
    t->body_left = (uint16_t)(t->body_left - piece);
    if (stream && !(stream->marks & (READS_NO_MORE | CLOSE_CAME))) {
        event->kind = SPX_DATA;
        event->stream = t->channel;
        event->data = bytes;
        event->size = piece;
    }
    return piece;
}

/* --- the public functions ------------------------------------------------------------------------ */

int spx_init(spx_tunnel *t, spx_stream *streams, size_t stream_count, uint8_t *output,
             size_t output_size)
{
    if (!stream_count || stream_count > SPX_MAX_STREAMS || output_size < SPX_MIN_OUTPUT_BYTES)
        return SPX_E_ARGUMENT;
    memset(t, 0, sizeof *t);
    memset(streams, 0, stream_count * sizeof *streams);
    t->streams = streams;
    t->stream_count = stream_count;
    t->output = output;
    t->output_size = output_size;
    t->next_number = 2;
    t->peer_window = DEFAULT_WINDOW;
    return 0;
}

static void put_features(writer *w, unsigned features)
{
    size_t i;
    const char *separator = "";
    put_text(w, ",\"features\":[");
    for (i = 0; i < sizeof SENT_ORDER; i++) {
        if (!(features & 1u << SENT_ORDER[i]))
            continue;
        put_text(w, separator);
        put_string(w, WORDS[W_FIRST_FEATURE + SENT_ORDER[i]],
                   strlen(WORDS[W_FIRST_FEATURE + SENT_ORDER[i]]));
        separator = ",";
    }
    put_text(w, "]");
}

int spx_start(spx_tunnel *t, const char *token, const char *device, unsigned features,
              uint32_t window)
{
    writer w = begin(t);
    int failed;
    if (t->phase != NOT_STARTED)
        return SPX_E_STATE;
    if (window < 1 || window > MAX_CREDIT || features & ~(unsigned)SPX_ALL_FEATURES)
        return SPX_E_ARGUMENT;
    if (device && (!*device || strlen(device) > SPX_MAX_DEVICE_BYTES))
        return SPX_E_ARGUMENT;
    features = device && features ? features | SPX_DEVICE : features & ~(unsigned)SPX_DEVICE;
    begin_frame(&w, 0, TYPE_JSON);
    put_text(&w, "{\"type\":\"message\",\"object\":{\"token\":");
    put_string(&w, token, strlen(token));
    if (features) {
        put_features(&w, features);
        put_text(&w, ",\"window\":");
        put_integer(&w, window);
    }
    if (features & SPX_DEVICE) {
        put_text(&w, ",\"device\":");
        put_string(&w, device, strlen(device));
    }
    put_text(&w, "}}");
    end_frame(&w);
    failed = commit(&w);
    if (failed)
        return failed;
    t->offered = (uint16_t)features;
    t->window = window;
    t->phase = features ? ANSWER_DUE : ANSWER_DUE_PLAIN;
    return 0;
}

size_t spx_receive(spx_tunnel *t, const uint8_t *bytes, size_t size, spx_event *event)
{
    size_t at = 0;
    memset(event, 0, sizeof *event);
    event->after_ms = -1;
    event->text = "";
    if (t->phase == BROKEN) {
        report_fault(t, event, t->fault);
        return size;
    }
    while (at < size && event->kind == SPX_NOTHING) {
        const char *wrong = NULL;
        if (t->header_bytes < SPX_HEADER_BYTES) {
            wrong = read_header(t, bytes[at++]);
        } else if (t->header[4] == TYPE_JSON) {
            t->body_left--;
            wrong = read_json(t, bytes[at++]);
            if (!wrong && !t->body_left)
                wrong = message(t, event);
        } else {
            at += read_data(t, bytes + at, size - at, event);
        }
        if (wrong) {
            report_fault(t, event, wrong);
            return size;
        }
        if (t->header_bytes == SPX_HEADER_BYTES && !t->body_left)
            t->header_bytes = 0;
    }
    return at;
}

void spx_receive_all(spx_tunnel *t, const uint8_t *bytes, size_t size,
                     void (*on_event)(void *context, const spx_event *event), void *context)
{
    size_t at = 0;
    spx_event event;
    while (at < size) {
        at += spx_receive(t, bytes + at, size - at, &event);
        if (event.kind != SPX_NOTHING)
            on_event(context, &event);
    }
}

int spx_between_frames(const spx_tunnel *t)
{
    return t->header_bytes == 0;
}

const uint8_t *spx_output(spx_tunnel *t, size_t *size)
{
    send_due(t);
    *size = t->output_used;
    return t->output;
}

void spx_sent(spx_tunnel *t, size_t size)
{
    if (size > t->output_used)
        size = t->output_used;
    t->output_used -= size;
    memmove(t->output, t->output + size, t->output_used);
}

static int may_open(const spx_tunnel *t)
{
    return (t->phase == ACCEPTED || t->phase == ANSWER_DUE_PLAIN) && !t->going_away;
}

/* The entry that has been free for longest, so that its number stays known for longest. */
static spx_stream *free_entry(const spx_tunnel *t)
{
    spx_stream *best = NULL;
    size_t i;
    for (i = 0; i < t->stream_count; i++) {
        spx_stream *entry = &t->streams[i];
        if (entry->state != FREE)
            continue;
        /* numbers are used in a circle: how far behind the next one is this one? */
        if (!best || (uint16_t)(t->next_number - entry->number) >
                         (uint16_t)(t->next_number - best->number))
            best = entry;
    }
    return best;
}

static int is_known_number(const spx_tunnel *t, uint32_t number)
{
    size_t i;
    for (i = 0; i < t->stream_count; i++)
        if (t->streams[i].number == number)
            return 1;
    return 0;
}

/* The next number in the circle that no entry has, neither in use nor just released. */
static uint32_t next_number(const spx_tunnel *t, int *wraps)
{
    uint32_t number = t->next_number;
    *wraps = t->numbers_wrapped;
    for (;;) {
        if (number > MAX_CHANNEL) {
            number = 2;
            *wraps = 1;
        }
        if (!is_known_number(t, number))
            return number;
        number += 2;
    }
}

int32_t spx_connect(spx_tunnel *t, enum spx_kind kind, const char *host, uint16_t port)
{
    size_t host_bytes = strlen(host);
    spx_stream *entry = free_entry(t);
    int wraps, failed;
    uint32_t number;
    writer w;
    if (!host_bytes || host_bytes > MAX_HOST_BYTES || !port)
        return SPX_E_ARGUMENT;
    if (!may_open(t))
        return SPX_E_STATE;
    if (!entry)
        return SPX_E_STREAMS;
    number = next_number(t, &wraps);
    if (wraps && !(t->enabled & SPX_REUSE))
        return SPX_E_NUMBERS;
    w = begin(t);
    begin_frame(&w, 0, TYPE_JSON);
    put_text(&w, "{\"type\":\"stream\",\"sock\":");
    put_integer(&w, number);
    put_text(&w, kind == SPX_TLS ? ",\"name\":\"tls\"}" : ",\"name\":\"net\"}");
    end_frame(&w);
    begin_frame(&w, (uint16_t)number, TYPE_JSON);
    put_text(&w, "{\"event\":\"custom\",\"emitArgs\":[\"_pls_connect\",");
    put_integer(&w, port);
    put_text(&w, ",");
    put_string(&w, host, host_bytes);
    put_text(&w, "]}");
    end_frame(&w);
    failed = commit(&w);
    if (failed)
        return failed;
    memset(entry, 0, sizeof *entry);
    entry->number = (uint16_t)number;
    entry->state = OPEN;
    if (t->enabled & SPX_CREDIT) {
        entry->marks = HAS_CREDIT;
        entry->credit = t->peer_window;
        entry->left = t->window;
    }
    t->next_number = number + 2;
    t->numbers_wrapped = (uint8_t)wraps;
    return (int32_t)number;
}

size_t spx_sendable(const spx_tunnel *t, uint16_t number)
{
    const spx_stream *stream = find(t, number);
    size_t room = t->output_size - t->output_used;
    if (!stream || NEXT_STATE[stream->state][DO_SEND] == FREE || room <= SPX_HEADER_BYTES ||
        stream->marks & (PEER_RESET | CLOSE_CAME))
        return 0;
    room -= SPX_HEADER_BYTES;
    if (room > MAX_PAYLOAD_BYTES)
        room = MAX_PAYLOAD_BYTES;
    if (stream->marks & HAS_CREDIT && room > stream->credit)
        room = (size_t)stream->credit;
    return room;
}

int32_t spx_send(spx_tunnel *t, uint16_t number, const uint8_t *bytes, size_t size)
{
    spx_stream *stream = find(t, number);
    size_t room = spx_sendable(t, number);
    writer w;
    if (!stream || NEXT_STATE[stream->state][DO_SEND] == FREE || stream->marks & CLOSE_CAME)
        return SPX_E_STATE;
    if (stream->marks & PEER_RESET)
        return SPX_E_PEER_RESET;
    if (size > room)
        size = room;
    if (!size)
        return 0;
    w = begin(t);
    begin_frame(&w, number, TYPE_DATA);
    put(&w, (const char *)bytes, size);
    end_frame(&w);
    commit(&w);
    if (stream->marks & HAS_CREDIT)
        stream->credit -= (uint32_t)size;
    return (int32_t)size;
}

int spx_end(spx_tunnel *t, uint16_t number)
{
    spx_stream *stream = find(t, number);
    if (!stream || NEXT_STATE[stream->state][DO_END] == FREE || stream->marks & CLOSE_CAME)
        return SPX_E_STATE;
    return send_end(t, stream);
}

int spx_reset(spx_tunnel *t, uint16_t number)
{
    spx_stream *stream = find(t, number);
    int failed;
    if (!stream || stream->marks & (READS_NO_MORE | CLOSE_CAME))
        return SPX_E_STATE;
    failed = stream->marks & HAS_CREDIT
                 ? send_text(t, number, "{\"event\":\"reset\"}")
                 : send_failure(t, number, "ECONNRESET: the device reads no more");
    if (!failed)
        stream->marks |= READS_NO_MORE;
    return failed;
}

int spx_abort(spx_tunnel *t, uint16_t number, const char *text)
{
    spx_stream *stream = find(t, number);
    if (!stream || stream->marks & CLOSE_CAME)
        return SPX_E_STATE;
    return send_failure(t, number, text);
}

int spx_consumed(spx_tunnel *t, uint16_t number, size_t size)
{
    spx_stream *stream = find(t, number);
    if (!stream || !(stream->marks & HAS_CREDIT))
        return 0; /* over meanwhile, or nothing to count */
    if (size > t->window - stream->left - stream->taken)
        return SPX_E_ARGUMENT;
    stream->taken += (uint32_t)size;
    grant(t, stream);
    return 0;
}

int spx_idle_timeout(spx_tunnel *t, uint16_t number, uint32_t timeout_ms)
{
    const spx_stream *stream = find(t, number);
    if (!stream || stream->marks & CLOSE_CAME)
        return SPX_E_STATE;
    return send_numbered(t, number, "{\"event\":\"custom\",\"emitArgs\":[\"_pls_timeout\",", timeout_ms,
                         "]}");
}

int spx_ping(spx_tunnel *t)
{
    int failed;
    if (t->phase != ACCEPTED || !(t->enabled & SPX_PING))
        return SPX_E_STATE;
    failed = send_numbered(t, 0, "{\"type\":\"ping\",\"id\":", (int64_t)t->pings + 1, "}");
    if (!failed)
        t->pings++;
    return failed;
}

int spx_is_open(const spx_tunnel *t, uint16_t number)
{
    const spx_stream *stream = find(t, number);
    return stream && !(stream->marks & CLOSE_CAME);
}

size_t spx_open_count(const spx_tunnel *t)
{
    size_t i, count = 0;
    for (i = 0; i < t->stream_count; i++)
        count += t->streams[i].state != FREE && !(t->streams[i].marks & CLOSE_CAME);
    return count;
}
