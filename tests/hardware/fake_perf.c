/* Preloaded: a PMU that follows known waves, behind the real calls of its users.
 *
 * perf_event_open of the type FAKE_PERF_TYPE is answered here; the event CONFIG on the CPU N follows
 * the wave FAKE_PERF_CONFIG_N from its opening, in units of 2^-32 J, moving each millisecond in
 * steps of 2^-14 J, as RAPL does. Without that wave it is ENOENT. FAKE_PERF_ERRNO: each opening
 * fails with that number. Arguments that the kernel's PMU would refuse are EINVAL, or E2BIG.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wave.h"

#define FILES 4096
#define TICK 0.001
#define UNIT (1.0 / (1 << 14))

static struct { int used; struct wave wave; double since; } events[FILES];

/* The fields of struct perf_event_attr that a counting event has, by their offsets. */
static uint32_t word(const char *attr, int at) { return *(const uint32_t *)(attr + at); }
static uint64_t wide(const char *attr, int at) { return *(const uint64_t *)(attr + at); }

static long fail(int error) { errno = error; return -1; }

static long open_event(const char *attr, long pid, long cpu, long group, long flags) {
    char name[64];
    const char *refuse = getenv("FAKE_PERF_ERRNO"), *spec;
    if (refuse) return fail(atoi(refuse));
    if (word(attr, 4) != 64) return fail(E2BIG);
    if ((int)pid != -1 || (int)cpu < 0 || (int)group != -1 || flags != 8) return fail(EINVAL);
    if (wide(attr, 16) || wide(attr, 24) || wide(attr, 32) || wide(attr, 40)) return fail(EINVAL);
    snprintf(name, sizeof name, "FAKE_PERF_%d_%d", (int)wide(attr, 8), (int)cpu);
    if (!(spec = getenv(name))) return fail(ENOENT);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (file < 0 || file >= FILES) return fail(EMFILE);
    events[file].used = 1;
    events[file].wave = wave_parse(spec);
    events[file].since = floor(unix_now() / TICK) * TICK;
    return file;
}

long syscall(long number, ...) {
    static long (*next)(long, ...);
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (!next) next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *type = getenv("FAKE_PERF_TYPE");
    if (number == SYS_perf_event_open && type && word((const char *)a[0], 0) == (uint32_t)atoi(type))
        return open_event((const char *)a[0], a[1], a[2], a[3], a[4]);
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t read(int file, void *buffer, size_t size) {
    static ssize_t (*next)(int, void *, size_t);
    if (!next) next = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    if (file < 0 || file >= FILES || !events[file].used) return next(file, buffer, size);
    if (size < sizeof(uint64_t)) return fail(ENOSPC);
    double joules = wave_joules(&events[file].wave, events[file].since, floor(unix_now() / TICK) * TICK);
    *(uint64_t *)buffer = (uint64_t)floor(joules / UNIT) << 18;
    return sizeof(uint64_t);
}

int close(int file) {
    static int (*next)(int);
    if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file < FILES) events[file].used = 0;
    return next(file);
}
