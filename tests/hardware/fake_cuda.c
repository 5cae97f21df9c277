/* A libcuda.so.1 whose kernels take the time that their passes take, and draw power (activity.h).
 *
 * Environment: FAKE_ACTIVITY (a folder), FAKE_CUDA_WATTS (of the whole GPU: 300; of the kernel `copy`
 * it is half of that), FAKE_CUDA_RATE (passes a second: 1e6), FAKE_CUDA_FAIL (the function that says
 * out of memory), FAKE_CUDA_BESIDE (the younger of two processes draws so many times as much while
 * both have kernels). The GPU is the one that CUDA_VISIBLE_DEVICES names by the UUID that fake_nvml.c
 * gives it. With FAKE_SHARED (a folder) a context that is retained is one of the GPU of
 * shared_gpu.c, up to the end of the process; with FAKE_SHARED_GPU (an index) on that GPU alone.
 */
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "activity.h"
#include "shared_gpu.h"

enum { PROCESSORS = 100, OUT_OF_MEMORY = 2 };

static struct kernel running;
static char multiply, copy; /* functions */
static int gpu;

static double number(const char *name, double otherwise) {
    const char *text = getenv(name);
    return text && *text ? atof(text) : otherwise;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int result(const char *function) {
    const char *fails = getenv("FAKE_CUDA_FAIL");
    return fails && !strcmp(fails, function) ? OUT_OF_MEMORY : 0;
}

#define ENTER() do { int r = result(__func__); if (r) return r; } while (0)

int cuInit(unsigned flags) {
    (void)flags;
    const char *shown = getenv("CUDA_VISIBLE_DEVICES");
    if (shown && sscanf(shown, "GPU-%1d0000000-", &gpu) == 1) gpu--;
    ENTER();
    return 0;
}

int cuGetErrorName(int error, const char **name) {
    *name = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_UNKNOWN";
    return 0;
}

int cuDeviceGetCount(int *count) {
    ENTER();
    *count = 1;
    for (const char *shown = getenv("CUDA_VISIBLE_DEVICES"); shown && *shown; shown++) *count += *shown == ',';
    return 0;
}
int cuDeviceGet(int *device, int index) { ENTER(); *device = index; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    ENTER();
    snprintf(name, length, "Fake GPU %d", gpu);
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)attribute, (void)device;
    ENTER();
    *value = PROCESSORS;
    return 0;
}
int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) { (void)device, (void)flags; ENTER(); return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) {
    const char *only = getenv("FAKE_SHARED_GPU");
    ENTER();
    *context = &running;
    if (only && atoi(only) != gpu + device) return 0;
    return getenv("FAKE_SHARED") && shared_open("held 0 0 0 0 1000 0") < 0;
}
int cuCtxSetCurrent(void *context) { ENTER(); return context != &running; }
int cuModuleLoadData(void **module, const char *text) {
    ENTER();
    *module = &running;
    return strncmp(text, ".version", 8) != 0;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
    ENTER();
    *function = strcmp(name, "copy") ? &multiply : &copy;
    return module != &running || (strcmp(name, "multiply") && strcmp(name, "copy"));
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) { ENTER(); *address = 4096; return !bytes; }

int cuLaunchKernel(void *function, unsigned blocks, unsigned y, unsigned z, unsigned threads, unsigned ty,
                   unsigned tz, unsigned shared, void *stream, void **parameters, void **extra) {
    (void)y, (void)z, (void)threads, (void)ty, (void)tz, (void)shared, (void)extra;
    ENTER();
    uint32_t passes = *(uint32_t *)parameters[1];
    if ((function != &multiply && function != &copy) || stream || *(uint64_t *)parameters[0] != 4096) return 1;
    double share = (double)blocks / PROCESSORS;
    int file = activity_file(gpu, O_RDWR | O_APPEND | O_CREAT);
    if (file < 0 || flock(file, LOCK_EX)) return 1;
    struct kernel before = {0};
    if (lseek(file, -(off_t)sizeof before, SEEK_END) >= 0 && read(file, &before, sizeof before) < 0) return 1;
    int waits = before.ends > now();
    running.begins = waits ? before.ends : now();
    running.ends = running.begins + passes / number("FAKE_CUDA_RATE", 1e6);
    running.watts = number("FAKE_CUDA_WATTS", 300) * (function == &copy ? share / 4 : share);
    running.pid = getpid();
    if (waits && running.pid > before.pid) running.watts *= number("FAKE_CUDA_BESIDE", 1);
    int written = write(file, &running, sizeof running) == sizeof running;
    close(file);
    return !written;
}

int cuCtxSynchronize(void) {
    ENTER();
    struct timespec until = {(time_t)running.ends, (long)((running.ends - (time_t)running.ends) * 1e9)};
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL)) {}
    return 0;
}
