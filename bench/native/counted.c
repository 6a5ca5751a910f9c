/* Loaded into the proxy by `LD_PRELOAD` while callgrind runs it (bench/callgrind.py): counts
   instructions between two signals, with a monotonic clock that fits the speed of callgrind.

       SIGRTMIN + 1    count from 0; the clock follows the processor time, SLOWER times slower
       SIGRTMIN + 2    count from 0; the clock runs FASTER times faster, for idle minutes
       SIGRTMIN + 3    write the counts; the clock is slow again

   Callgrind slows the process some fifty times, and other processes slow it further: its timers
   would fire a hundred times as often for the same work. With the slow clock, what is done each
   second has its usual part, however busy the machine is. While the process only waits, its clock
   stands still; a wait that times out advances it.

   The process does nothing inside a signal handler, which callgrind cannot follow: it acts when
   `epoll_wait` returns, and takes signals only there, so that none is late. Then it adds a line to
   the file that the environment variable COUNTED_ANSWERS names, so that the bench need not guess.
   Workers, which the process starts, do the same. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum { SLOWER = 25, FASTER = 10 };
enum order { NONE, BEGIN_SLOW, BEGIN_FAST, END };

static const long long SECOND_NS = 1000000000;

static int (*wait_really)(int, struct epoll_event *, int, int, const sigset_t *);
static int (*time_really)(clockid_t, struct timespec *);
static int (*take_really)(sem_t *, clockid_t, const struct timespec *);
static int (*sleep_really)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static volatile sig_atomic_t order;
static sigset_t while_waiting; /* the signals that are blocked then */
static bool counts;

/* The process sees `shown_ns`, plus `rate` times what `source` has advanced since `source_ns`. */
static clockid_t source = CLOCK_MONOTONIC;
static double rate = 1;
static long long shown_ns, source_ns;

static long long really_ns(clockid_t clock)
{
    struct timespec now;
    time_really(clock, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static long long now_ns(void)
{
    return shown_ns + (long long)((really_ns(source) - source_ns) * rate);
}

static void run_clock(clockid_t new_source, double new_rate)
{
    shown_ns = now_ns();
    source = new_source;
    source_ns = really_ns(source);
    rate = new_rate;
}

static void tell(const char *what)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%d %s\n", (int)getpid(), what);
    int answers = open(getenv("COUNTED_ANSWERS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (answers < 0 || write(answers, line, length) != length)
        _exit(1);
    close(answers);
}

static void obey(void)
{
    enum order what = order;
    order = NONE;
    if (what == BEGIN_FAST)
        run_clock(CLOCK_MONOTONIC, FASTER);
    else
        run_clock(CLOCK_PROCESS_CPUTIME_ID, 1.0 / SLOWER);
    if (what == END) {
        CALLGRIND_DUMP_STATS;
        tell("counted");
        return;
    }
    tell("counting");
    if (!counts) /* once: it drops all compiled code, which takes seconds to compile again */
        CALLGRIND_START_INSTRUMENTATION;
    counts = true;
    CALLGRIND_ZERO_STATS;
}

static void ordered(int number) { order = number - SIGRTMIN; }

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = ordered};
    sigset_t orders;
    wait_really = dlsym(RTLD_NEXT, "epoll_pwait");
    time_really = dlsym(RTLD_NEXT, "clock_gettime");
    take_really = dlsym(RTLD_NEXT, "sem_clockwait");
    sleep_really = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    shown_ns = source_ns = really_ns(source);
    sigemptyset(&orders);
    for (int what = BEGIN_SLOW; what <= END; what++) {
        sigaction(SIGRTMIN + what, &action, NULL);
        sigaddset(&orders, SIGRTMIN + what);
    }
    sigprocmask(SIG_BLOCK, &orders, &while_waiting);
    for (int what = BEGIN_SLOW; what <= END; what++)
        sigdelset(&while_waiting, SIGRTMIN + what); /* a parent may have blocked them */
}

int epoll_wait(int loop, struct epoll_event *events, int most, int timeout_ms)
{
    /* rounded up: a timer that is due a moment later must not keep the process awake */
    int really_ms = timeout_ms <= 0 ? timeout_ms : (int)(timeout_ms / rate) + 1;
    int count = wait_really(loop, events, most, really_ms, &while_waiting);
    int why = errno;
    if (count == 0 && timeout_ms > 0 && source == CLOCK_PROCESS_CPUTIME_ID)
        shown_ns += timeout_ms * (SECOND_NS / 1000);
    if (order)
        obey();
    errno = why;
    return count;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC)
        return time_really(clock, now);
    long long shown = now_ns();
    now->tv_sec = shown / SECOND_NS;
    now->tv_nsec = shown % SECOND_NS;
    return 0;
}

/* Returns the system's time at which the process's clock may show `until`. */
static struct timespec really_at(const struct timespec *until)
{
    long long left = until->tv_sec * SECOND_NS + until->tv_nsec - now_ns();
    long long at = really_ns(CLOCK_MONOTONIC) + (left > 0 ? (long long)(left / rate) : 0);
    return (struct timespec){.tv_sec = at / SECOND_NS, .tv_nsec = at % SECOND_NS};
}

/* Python's threads wait with these two, for times of the monotonic clock. */
int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    struct timespec at = clock == CLOCK_MONOTONIC ? really_at(until) : *until;
    return take_really(semaphore, clock, &at);
}

int pthread_cond_timedwait(pthread_cond_t *changed, pthread_mutex_t *lock,
                           const struct timespec *until)
{
    struct timespec at = really_at(until);
    return sleep_really(changed, lock, &at);
}
