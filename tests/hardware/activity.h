/* What kernels of fake_cuda.c draw, as fake_nvml.c sees it: a file per GPU in the folder
 * FAKE_ACTIVITY, to which each kernel adds one record when it is launched. They take turns: each
 * begins when the one before it has ended, whosever that was. Times are Unix. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

struct kernel { double begins, ends, watts, pid; };

static inline int activity_file(int gpu, int flags) {
    char path[4096];
    const char *folder = getenv("FAKE_ACTIVITY");
    snprintf(path, sizeof path, "%s/gpu-%d", folder ? folder : "", gpu);
    return folder ? open(path, flags | O_CLOEXEC, 0666) : -1;
}

/* The kernels of one GPU in the order of time, and the joules up to the begin of each. */
struct activity {
    int file, count, room;
    struct kernel *kernels;
    double *joules;
};

static inline void activity_read(struct activity *a, int gpu) {
    struct kernel next;
    if (a->file <= 0) a->file = activity_file(gpu, O_RDONLY);
    while (a->file > 0 && read(a->file, &next, sizeof next) == sizeof next) {
        if (a->count == a->room) {
            a->room = a->room ? 2 * a->room : 256;
            a->kernels = realloc(a->kernels, a->room * sizeof *a->kernels);
            a->joules = realloc(a->joules, a->room * sizeof *a->joules);
        }
        const struct kernel *last = a->count ? &a->kernels[a->count - 1] : NULL;
        double before = last ? a->joules[a->count - 1] + last->watts * (last->ends - last->begins) : 0;
        a->kernels[a->count] = next;
        a->joules[a->count++] = before;
    }
}

/* How many kernels had begun by `time`. */
static inline int activity_begun(struct activity *a, int gpu, double time) {
    activity_read(a, gpu);
    int low = 0, high = a->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (a->kernels[middle].begins < time) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Seconds in which a kernel of `pid` ran, from one time to another. */
static inline double activity_busy(struct activity *a, int gpu, double pid, double from, double to) {
    double busy = 0;
    for (int i = activity_begun(a, gpu, to) - 1; i >= 0 && a->kernels[i].ends > from; i--) {
        const struct kernel *k = &a->kernels[i];
        double begins = k->begins > from ? k->begins : from, ends = k->ends < to ? k->ends : to;
        if (k->pid == pid) busy += ends - begins;
    }
    return busy;
}

/* Joules of all kernels up to `time`. */
static inline double activity_joules(struct activity *a, int gpu, double time) {
    int low = activity_begun(a, gpu, time);
    if (!low) return 0;
    const struct kernel *k = &a->kernels[low - 1];
    return a->joules[low - 1] + k->watts * ((time < k->ends ? time : k->ends) - k->begins);
}
