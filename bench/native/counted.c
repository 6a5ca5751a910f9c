/* Loaded into the proxy by `LD_PRELOAD` while callgrind runs it (bench/callgrind.py): counts
   instructions between two signals, with a clock that fits the speed of callgrind.

       SIGRTMIN + 1    count from 0; the monotonic clock runs SLOWER times slower
       SIGRTMIN + 2    count from 0; the clock runs FASTER times faster, for idle minutes
       SIGRTMIN + 3    write the counts, and go on

   Callgrind slows the process some fifty times, and its timers would fire fifty times as often for
   the same work. With the slow clock, what is done each second has its usual part. The process does
   nothing inside a signal handler, which callgrind cannot follow: it acts when `epoll_wait` returns,
   as it does after a signal. Then it says so on standard error, so that the bench need not guess. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum { SLOWER = 25, FASTER = 20 };
enum order { NONE, BEGIN_SLOW, BEGIN_FAST, END };

static volatile sig_atomic_t order;
static int (*wait_really)(int, struct epoll_event *, int, int);
static int (*time_really)(clockid_t, struct timespec *);

/* The process sees `shown_ns`, plus what has passed since `really_ns` times `rate`. */
static long long shown_ns, really_ns;
static double rate = 1;
static bool counts;

static long long now_really_ns(void)
{
    struct timespec now;
    time_really(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long now_shown_ns(void)
{
    return shown_ns + (long long)((now_really_ns() - really_ns) * rate);
}

static void run_clock(double new_rate)
{
    shown_ns = now_shown_ns();
    really_ns = now_really_ns();
    rate = new_rate;
}

static void tell(const char *what)
{
    if (write(STDERR_FILENO, what, strlen(what)) < 0)
        _exit(1);
}

static void ordered(int number) { order = number - SIGRTMIN; }

static void obey(void)
{
    enum order what = order;
    order = NONE;
    if (what == END) {
        CALLGRIND_DUMP_STATS;
        tell("counted\n");
        return;
    }
    run_clock(what == BEGIN_SLOW ? 1.0 / SLOWER : FASTER);
    tell("counting\n");
    if (!counts) /* it drops all compiled code: seconds */
        CALLGRIND_START_INSTRUMENTATION;
    counts = true;
    CALLGRIND_ZERO_STATS;
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = ordered};
    wait_really = dlsym(RTLD_NEXT, "epoll_wait");
    time_really = dlsym(RTLD_NEXT, "clock_gettime");
    shown_ns = really_ns = now_really_ns();
    for (int what = BEGIN_SLOW; what <= END; what++)
        sigaction(SIGRTMIN + what, &action, NULL);
}

int epoll_wait(int loop, struct epoll_event *events, int most, int timeout_ms)
{
    /* rounded up: a timer that is due a moment later must not keep the process awake */
    int really_ms = timeout_ms <= 0 ? timeout_ms : (int)(timeout_ms / rate) + 1;
    int count = wait_really(loop, events, most, really_ms);
    int why = errno;
    if (order)
        obey();
    errno = why;
    return count;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC)
        return time_really(clock, now);
    long long shown = now_shown_ns();
    now->tv_sec = shown / 1000000000;
    now->tv_nsec = shown % 1000000000;
    return 0;
}
