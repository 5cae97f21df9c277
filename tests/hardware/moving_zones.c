/* Moves the energy_uj files of a powercap tree each millisecond.
 *
 * Usage: moving_zones EPOCH REPORT < ZONES, until standard input ends. One zone a line:
 *   PATH WRAPS_AT_UJ BASE_UJ FAULT WAVE…
 * The counter is BASE at the Unix time EPOCH and starts over at WRAPS_AT. FAULT is "none",
 * "still@S" (from S seconds after the epoch on it stands still) or "back@S:UJ" (there it falls by
 * that much). The line "go" ends the list. Values are those of the last whole millisecond, in
 * units of 2^-14 J. After the first one it prints "moving". What came too late is appended to REPORT: Unix time and seconds, a line each.
 *
 * A file is 24 digits, mapped: a carry aside, its 8 last digits change in one store, so that a
 * reader never sees half of a number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "wave.h"

#define TICK 0.001
#define LATE 0.001
#define DIGITS 24

struct zone {
    volatile unsigned long long *text; /* DIGITS bytes */
    double wraps_at, base, still, back, fall;
    struct wave wave;
};

static struct zone zones[64];
static int count;

static void add(char *line) {
    struct zone *z = &zones[count++];
    char path[4096], fault[64];
    int used = 0;
    if (count > 64 || sscanf(line, "%4095s %lf %lf %63s %n", path, &z->wraps_at, &z->base, fault, &used) < 4)
        exit(2);
    z->still = z->back = INFINITY;
    sscanf(fault, "still@%lf", &z->still);
    sscanf(fault, "back@%lf:%lf", &z->back, &z->fall);
    z->wave = wave_parse(line + used);
    int fd = open(path, O_RDWR);
    if (fd < 0 || ftruncate(fd, DIGITS + 1) || pwrite(fd, "\n", 1, DIGITS) != 1) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    void *page = mmap(NULL, DIGITS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) exit(2);
    z->text = page;
    close(fd);
}

static void move(struct zone *z, double epoch, double since) {
    double t = fmin(since, z->still);
    double uj = z->base + wave_joules(&z->wave, epoch, epoch + t) * 1e6 - (since >= z->back ? z->fall : 0);
    uj = fmod(floor(uj * 16384e-6) / 16384e-6, z->wraps_at);
    char digits[DIGITS + 1];
    unsigned long long words[DIGITS / 8];
    snprintf(digits, sizeof digits, "%0*.0f", DIGITS, floor(uj < 0 ? uj + z->wraps_at : uj));
    memcpy(words, digits, DIGITS);
    for (int i = 0; i < DIGITS / 8; i++)
        if (z->text[i] != words[i]) z->text[i] = words[i];
}

int main(int argc, char **argv) {
    char line[8192];
    if (argc != 3) return 2;
    while (fgets(line, sizeof line, stdin) && strcmp(line, "go\n")) add(line);
    double epoch = atof(argv[1]);
    FILE *report = fopen(argv[2], "a");
    int told = 0;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (!report) return 2;
    setvbuf(report, NULL, _IOLBF, 0);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    /* Hardware is never late: where this is allowed, nothing goes before the counters. */
    struct sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &first) && nice(-10) == -1) errno = 0;
    for (double tick = floor((unix_now() - epoch) / TICK);; tick++) {
        double due = epoch + tick * TICK;
        struct timespec at = {(time_t)due, (long)((due - floor(due)) * 1e9)};
        clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
        double late = unix_now() - due;
        tick += floor(late / TICK);
        for (int i = 0; i < count; i++) move(&zones[i], epoch, tick * TICK);
        if (!told && (puts("moving") < 0 || fflush(stdout))) return 2;
        told = 1;
        if (late > LATE) fprintf(report, "%.6f %.6f\n", due, unix_now() - due);
        if (!((long)tick % 50) && poll(&input, 1, 0)) return 0; /* no more is sent: it has ended */
    }
}
