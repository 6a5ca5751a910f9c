/* usage: load [OPTION VALUE]... MODE ARGUMENTS

       bulk D|U STREAMS BYTES               transfer down or up; BYTES for all streams together
       opens PARALLEL COUNT                  open, echo one byte, close; PARALLEL at a time
       tunnels PARALLEL COUNT                open a tunnel, close it; PARALLEL at a time
       sequence PARALLEL WARM_UP FIRST REST  the same, with stops before FIRST and before REST
       echo COUNT SECONDS [D|U STREAMS]      echo one byte, alone or during a transfer
       idle TUNNELS SUBSTREAMS SAMPLES       hold them, then echo on some; with 0, open one for it
       hold TUNNELS SECONDS                  hold idle tunnels
       stall D|U BYTES OTHERS               one stream stalls, another transfers OTHERS bytes

   It prints `ready` and waits for a line at each point where the caller measures the server. At the
   end it prints a JSON object. */

#include "load.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct settings settings = {.way = DIRECT, .addresses = 1, .token = "", .features = "",
                            .piece = BULK_PIECE};

static enum way way_named(const char *name)
{
    static const char *const names[] = {"direct", "socks", "tls", "tunnel"};
    for (unsigned way = DIRECT; way <= TUNNEL; way++)
        if (!strcmp(name, names[way]))
            return way;
    die("unknown value of --way: %s", name);
    return DIRECT;
}

static void set(const char *option, const char *value)
{
    if (!strcmp(option, "--way"))
        settings.way = way_named(value);
    else if (!strcmp(option, "--port"))
        settings.port = atoi(value);
    else if (!strcmp(option, "--site"))
        settings.site_port = atoi(value);
    else if (!strcmp(option, "--addresses"))
        settings.addresses = atoi(value);
    else if (!strcmp(option, "--token"))
        settings.token = value;
    else if (!strcmp(option, "--features")) {
        settings.features = value;
        settings.credit = strstr(value, "credit/1") != NULL;
    } else if (!strcmp(option, "--piece"))
        settings.piece = atoi(value);
    else
        die("unknown option: %s", option);
}

static void run(int argc, char **argv)
{
    const char *mode = argv[0];
    if (!strcmp(mode, "bulk") && argc == 4)
        mode_bulk(argv[1][0], atoi(argv[2]), strtoull(argv[3], NULL, 10));
    else if (!strcmp(mode, "opens") && argc == 3)
        mode_opens(atoi(argv[1]), atoi(argv[2]));
    else if (!strcmp(mode, "tunnels") && argc == 3)
        mode_tunnels(atoi(argv[1]), atoi(argv[2]));
    else if (!strcmp(mode, "sequence") && argc == 5)
        mode_sequence(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    else if (!strcmp(mode, "echo") && argc == 3)
        mode_echo(atoi(argv[1]), atof(argv[2]), 'D', 0);
    else if (!strcmp(mode, "echo") && argc == 5)
        mode_echo(atoi(argv[1]), atof(argv[2]), argv[3][0], atoi(argv[4]));
    else if (!strcmp(mode, "idle") && argc == 4)
        mode_idle(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]));
    else if (!strcmp(mode, "hold") && argc == 3)
        mode_hold(atoi(argv[1]), atof(argv[2]));
    else if (!strcmp(mode, "trickle") && argc == 3)
        mode_trickle(atoi(argv[1]), atoi(argv[2]));
    else if (!strcmp(mode, "stall") && argc == 4)
        mode_stall(argv[1][0], strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    else
        die("unknown mode or wrong arguments: %s", mode);
}

int main(int argc, char **argv)
{
    int at = 1;
    for (; at + 1 < argc && !strncmp(argv[at], "--", 2); at += 2)
        set(argv[at], argv[at + 1]);
    if (at == argc)
        die("the mode is missing");
    signal(SIGPIPE, SIG_IGN);
    loop_begin();
    run(argc - at, argv + at);
    return 0;
}
