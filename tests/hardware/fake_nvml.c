/* A libnvidia-ml.so.1 with GPUs that follow a wave of Unix time (see waveform.py).
 *
 * Environment: FAKE_EPOCH (Unix seconds at which the counters were 0), FAKE_GPUS (2), FAKE_WAVE
 * ("square 80 300"), FAKE_STEP and FAKE_STEP_PHASE (seconds between two steps of the energy
 * counter, and of the first one after the epoch: 0.1 and 0), FAKE_AVERAGE (nvmlDeviceGetPowerUsage
 * is the mean over so many seconds: 0), FAKE_STILL (seconds after the epoch from which the energy
 * counter stands still), FAKE_RESET (at which it starts over), FAKE_DELAY (the counter shows the
 * energy of so many seconds before), FAKE_PART (it sees the last so many seconds of each of its
 * steps, and takes them for the whole), FAKE_SCALE (its joules are so many times too many),
 * FAKE_BROKEN (how it is wrong otherwise: see `broken`), FAKE_POWER (watts that all power readings
 * tell instead); each of these also for one GPU, as FAKE_WAVE_1; FAKE_ACTIVITY (a folder: kernels of
 * fake_cuda.c draw power, too, and where FAKE_UTILIZATION is not named, the utilization of processes is
 * theirs, a row for each sample), FAKE_DRIVER, FAKE_VBIOS (versions);
 * FAKE_DENY (functions and "field:N" that say not-supported, separated by commas; "name@1" for
 * one GPU only), FAKE_LOST ("1@2.5": GPU 1 is lost 2.5 s after the epoch);
 * FAKE_CELSIUS (a file that holds the temperature: 40, of GPU 1 41);
 * FAKE_NAME and FAKE_ARCHITECTURE (NVML_DEVICE_ARCH_…: 7), FAKE_DEVICE (PCI device id: 0x2204), each
 * also for one GPU; FAKE_MIG ("1:2": GPU 1 is split into 2 MIG devices); FAKE_PROCESSES (a file with
 * lines "GPU PID MiB KIND", KIND c(ompute) or g(raphics); MiB -1: not told); FAKE_UTILIZATION (a file
 * with lines "GPU PID PERCENT FROM TO": busy from and to that Unix time, TO 0: for good).
 * FAKE_LIVING (1: of FAKE_PROCESSES, only those that run now, as a driver does it);
 * FAKE_SAMPLES (1: each sample of the utilization is a row of its own); FAKE_LOSS (3: each third
 * sample is not told); FAKE_ACCOUNTING (1: accounting mode is on, and sums of all samples are told); FAKE_MODULE ("1": the scope "module" of the instant power is told, twice the GPU's; "all": any
 * scope is, as by a driver that does not look at it); FAKE_INIT (the code with which the library's start fails), FAKE_FIRST_FAIL (so many calls at first
 * say unknown error); FAKE_REASONS (bits of the clocks' event reasons: 0) and FAKE_CAP (watts from
 * which on the power limit is one of them: never), each also for one GPU: any slows its SM clock;
 * FAKE_CONTROLS (a folder for the power limits and locked clocks that are set: that of the library), FAKE_ENFORCED (watts
 * above which no limit acts).
 *
 * With FAKE_SHARED (a folder, see shared_gpu.h) energy, power, processes, their utilization and
 * accounts, clocks and power limit of all GPUs are those of the one that shared_gpu.c simulates; with
 * FAKE_SHARED_GPU (an index) that one alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>

#include "activity.h"
#include "shared_gpu.h"
#include "wave.h"

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15, UNKNOWN = 999 };

#define SAMPLE_SECONDS 0.2 /* of the utilization of processes */

static int gpus[8] = {0, 1, 2, 3, 4, 5, 6, 7};
/* Handles of MIG devices: 100 + 10 x GPU + place. They know little. */
static int mig_devices[8][4];

static double number(const char *name, double otherwise) {
    const char *text = getenv(name);
    return text && *text ? atof(text) : otherwise;
}

/* What the environment says about one GPU, asked once. */
static struct gpu {
    int known;
    struct wave wave;
    double epoch, step, step_phase, average, delay, part, scale;
    struct activity activity;
    double seen_until, seen; /* of a counter that sees a part: its last step, and joules so far */
} facts[8];

static const char *text_of(int gpu, const char *name) {
    char own[64];
    snprintf(own, sizeof own, "%s_%d", name, gpu);
    const char *said = getenv(own);
    return said ? said : getenv(name);
}

static double number_of(int gpu, const char *name, double otherwise) {
    char own[64];
    snprintf(own, sizeof own, "%s_%d", name, gpu);
    return number(own, number(name, otherwise));
}

static struct gpu *facts_of(int gpu) {
    struct gpu *one = &facts[gpu];
    if (!one->known) {
        char own[64];
        snprintf(own, sizeof own, "FAKE_WAVE_%d", gpu);
        const char *wave = getenv(own) ? getenv(own) : getenv("FAKE_WAVE");
        one->wave = wave_parse(wave ? wave : "square 80 300");
        one->epoch = number("FAKE_EPOCH", 0);
        one->step = number_of(gpu, "FAKE_STEP", 0.1);
        one->step_phase = number_of(gpu, "FAKE_STEP_PHASE", 0);
        one->average = number_of(gpu, "FAKE_AVERAGE", 0);
        one->delay = number_of(gpu, "FAKE_DELAY", 0);
        one->part = number_of(gpu, "FAKE_PART", 0);
        one->scale = number_of(gpu, "FAKE_SCALE", 1);
        one->known = 1;
    }
    return one;
}

static const struct shared_gpu *shared(int gpu) {
    const char *only = getenv("FAKE_SHARED_GPU");
    return only && atoi(only) != gpu ? NULL : shared_gpu();
}

static int check(int *gpu, const char *function) {
    char rule[128];
    const char *deny = getenv("FAKE_DENY"), *lost = getenv("FAKE_LOST");
    if (!gpu) return INVALID;
    if (*gpu >= 100 && !strstr(function, "Processes") && !strstr(function, "UUID")) return INVALID;
    static int calls;
    if (++calls <= number("FAKE_FIRST_FAIL", 0)) return UNKNOWN;
    if (lost && atoi(lost) == *gpu && unix_now() >= number("FAKE_EPOCH", 0) + atof(strchr(lost, '@') + 1))
        return GPU_IS_LOST;
    if (!deny) return OK;
    char *copy = strdup(deny);
    int denied = 0;
    snprintf(rule, sizeof rule, "%s@%d", function, *gpu);
    for (char *word = strtok(copy, ","); word; word = strtok(NULL, ","))
        denied |= !strcmp(word, function) || !strcmp(word, rule);
    free(copy);
    return denied ? NOT_SUPPORTED : OK;
}

#define CHECK(gpu) do { int r = check(gpu, __func__); if (r) return r; } while (0)

int nvmlInit_v2(void) { return (int)number("FAKE_INIT", OK); }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(int error) {
    switch (error) {
    case NOT_SUPPORTED: return "Not Supported";
    case GPU_IS_LOST: return "GPU is lost";
    case INVALID: return "Invalid Argument";
    case NOT_FOUND: return "Not Found";
    default: return "Unknown Error";
    }
}

int nvmlDeviceGetCount_v2(unsigned *count) { *count = (unsigned)number("FAKE_GPUS", 2); return OK; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, int **gpu) {
    if (index >= number("FAKE_GPUS", 2)) return INVALID;
    *gpu = &gpus[index];
    return OK;
}

int nvmlDeviceGetName(int *gpu, char *name, unsigned length) {
    CHECK(gpu);
    const char *said = text_of(*gpu, "FAKE_NAME");
    if (said) snprintf(name, length, "%s", said);
    else snprintf(name, length, "Fake GPU %d", *gpu);
    return OK;
}

int nvmlDeviceGetUUID(int *gpu, char *uuid, unsigned length) {
    CHECK(gpu);
    if (*gpu >= 100) snprintf(uuid, length, "MIG-%d00000-0000-0000-0000-000000000000", *gpu);
    else snprintf(uuid, length, "GPU-%d0000000-0000-0000-0000-000000000000", *gpu + 1);
    return OK;
}

int nvmlDeviceGetIndex(int *gpu, unsigned *index) {
    CHECK(gpu);
    *index = *gpu;
    return OK;
}

int nvmlDeviceGetArchitecture(int *gpu, unsigned *architecture) {
    CHECK(gpu);
    *architecture = number_of(*gpu, "FAKE_ARCHITECTURE", 7);
    return OK;
}

typedef struct {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char bus_id[32];
} pci_info;

int nvmlDeviceGetPciInfo_v3(int *gpu, pci_info *pci) {
    CHECK(gpu);
    memset(pci, 0, sizeof *pci);
    pci->id = (unsigned)number_of(*gpu, "FAKE_DEVICE", 0x2204) << 16 | 0x10de;
    return OK;
}

static unsigned split_into(int gpu) {
    const char *mig = getenv("FAKE_MIG");
    return mig && atoi(mig) == gpu ? atoi(strchr(mig, ':') + 1) : 0;
}

int nvmlDeviceGetMigMode(int *gpu, unsigned *now, unsigned *pending) {
    CHECK(gpu);
    *now = *pending = split_into(*gpu) > 0;
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(int *gpu, unsigned *count) {
    CHECK(gpu);
    *count = split_into(*gpu) ? 7 : 0;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(int *gpu, unsigned place, int **device) {
    CHECK(gpu);
    if (place >= split_into(*gpu) || place >= 4) return NOT_FOUND;
    *device = &mig_devices[*gpu][place];
    **device = 100 + 10 * *gpu + place;
    return OK;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(int *device, int **gpu) {
    if (*device < 100) return INVALID;
    *gpu = &gpus[(*device - 100) / 10];
    return OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, int **device) {
    int number = 0;
    if (sscanf(uuid, "GPU-%1d0000000-", &number) == 1 && number && number <= number_of(0, "FAKE_GPUS", 2)) {
        *device = &gpus[number - 1];
        return OK;
    }
    if (sscanf(uuid, "MIG-%3d00000-", &number) != 1 || number < 100) return NOT_FOUND;
    *device = &mig_devices[(number - 100) / 10][number % 10];
    **device = number;
    return OK;
}

typedef struct {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
} process_info;

static int runs(unsigned pid) {
    char path[32], target[1];
    snprintf(path, sizeof path, "/proc/%u/exe", pid);
    /* One that has ended, but is not reaped, has none. */
    return readlink(path, target, sizeof target) >= 0 || errno != ENOENT;
}

static int list_processes(int gpu, char kind, unsigned *count, process_info *out) {
    const char *path = getenv("FAKE_PROCESSES");
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned room = out ? *count : 0, found = 0, on, pid;
    int living = number_of(gpu, "FAKE_LIVING", 0);
    double mib;
    char is;
    while (file && fscanf(file, "%u %u %lf %c", &on, &pid, &mib, &is) == 4) {
        if (on != (unsigned)gpu || is != kind || (living && !runs(pid))) continue;
        if (found < room)
            out[found] = (process_info){
                pid, mib < 0 ? ~0ull : (unsigned long long)(mib * 1048576), ~0u, ~0u};
        found++;
    }
    if (file) fclose(file);
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : OK;
}

static int list_clients(const struct shared_gpu *shared, unsigned *count, process_info *out) {
    unsigned room = out ? *count : 0;
    *count = 0;
    for (unsigned i = 0; i < shared->clients; i++) {
        if (!shared->accounts[i].running) continue;
        if (*count < room) out[*count] = (process_info){shared->accounts[i].pid, 500u << 20, ~0u, ~0u};
        ++*count;
    }
    return *count > room ? INSUFFICIENT_SIZE : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(int *gpu, unsigned *count, process_info *out) {
    CHECK(gpu);
    if (shared(*gpu)) return list_clients(shared(*gpu), count, out);
    return list_processes(*gpu, 'c', count, out);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(int *gpu, unsigned *count, process_info *out) {
    CHECK(gpu);
    return list_processes(*gpu, 'g', count, out);
}

typedef struct {
    unsigned pid;
    unsigned long long microseconds;
    unsigned sm, memory, encoder, decoder;
} utilization_sample;

/* Of the kernels of `pid` in the sample that ends at n periods of Unix time. */
static unsigned percent_of(int gpu, double pid, double n) {
    double from = (n - 1) * SAMPLE_SECONDS;
    double busy = activity_busy(&facts_of(gpu)->activity, gpu, pid, from, from + SAMPLE_SECONDS);
    return (unsigned)round(100 * busy / SAMPLE_SECONDS);
}

/* A row for each process and each sample after `since` in which it was busy. */
static unsigned samples_of_kernels(int gpu, utilization_sample *out, unsigned room, double since) {
    struct activity *a = &facts_of(gpu)->activity;
    unsigned found = 0, percent;
    double now = unix_now();
    for (double n = ceil(since / SAMPLE_SECONDS + 1e-3); n * SAMPLE_SECONDS <= now; n++) {
        double seen[16];
        int pids = 0, last = activity_begun(a, gpu, n * SAMPLE_SECONDS);
        for (int i = last - 1; i >= 0 && a->kernels[i].ends > (n - 1) * SAMPLE_SECONDS; i--) {
            int known = 0;
            while (known < pids && seen[known] != a->kernels[i].pid) known++;
            if (known < pids || pids == 16) continue;
            seen[pids++] = a->kernels[i].pid;
            if (!(percent = percent_of(gpu, a->kernels[i].pid, n))) continue;
            if (found < room)
                out[found] = (utilization_sample){
                    (unsigned)a->kernels[i].pid, (unsigned long long)(n * SAMPLE_SECONDS * 1e6), percent, 0, 0, 0};
            found++;
        }
    }
    return found;
}

static int list_samples(
    const struct shared_gpu *shared, utilization_sample *out, unsigned *count, unsigned long long since) {
    unsigned room = out ? *count : 0, all = shared->sampled;
    *count = 0;
    for (unsigned i = all > SHARED_SAMPLES ? all - SHARED_SAMPLES : 0; i < all; i++) {
        const struct shared_sample *one = &shared->samples[i % SHARED_SAMPLES];
        unsigned long long microseconds = one->time * 1e6;
        if (microseconds <= since) continue;
        if (*count < room) out[*count] = (utilization_sample){one->pid, microseconds, one->percent, 0, 0, 0};
        ++*count;
    }
    return !*count ? NOT_FOUND : *count > room ? INSUFFICIENT_SIZE : OK;
}

/* One row for each process that was busy at a sample after `since`: its last one, and its mean. */
int nvmlDeviceGetProcessUtilization(
    int *gpu, utilization_sample *out, unsigned *count, unsigned long long since) {
    CHECK(gpu);
    if (shared(*gpu)) return list_samples(shared(*gpu), out, count, since);
    const char *path = getenv("FAKE_UTILIZATION");
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned room = out ? *count : 0, found = 0, on, pid, percent;
    double from, to, now = unix_now(), first = ceil(since / 1e6 / SAMPLE_SECONDS + 1e-3);
    while (file && fscanf(file, "%u %u %u %lf %lf", &on, &pid, &percent, &from, &to) == 5) {
        double last = -1;
        unsigned samples = 0, busy = 0;
        for (double n = first; n * SAMPLE_SECONDS <= now; n++, samples++)
            if (n * SAMPLE_SECONDS >= from && (!to || n * SAMPLE_SECONDS < to))
                last = n * SAMPLE_SECONDS, busy++;
        if (on != (unsigned)*gpu || !busy) continue;
        if (getenv("FAKE_SAMPLES")) {
            double loss = number("FAKE_LOSS", INFINITY);
            for (double n = first; n * SAMPLE_SECONDS <= now; n++)
                if (n * SAMPLE_SECONDS >= from && (!to || n * SAMPLE_SECONDS < to) &&
                    fmod(n, loss)) {
                    if (found < room)
                        out[found] = (utilization_sample){
                            pid, (unsigned long long)(n * SAMPLE_SECONDS * 1e6), percent, 0, 0, 0};
                    found++;
                }
            continue;
        }
        if (found < room)
            out[found] = (utilization_sample){
                pid, (unsigned long long)(last * 1e6), percent * busy / samples, 0, 0, 0};
        found++;
    }
    if (file) fclose(file);
    if (!path && getenv("FAKE_ACTIVITY")) found = samples_of_kernels(*gpu, out, room, since / 1e6);
    static int grown; /* FAKE_SAMPLE_COMES: so often, between the question of how many and for them */
    if (found && !out && grown++ < number("FAKE_SAMPLE_COMES", 0)) {
        *count = found - 1;
        return INSUFFICIENT_SIZE;
    }
    *count = found;
    return !found ? NOT_FOUND : found > room ? INSUFFICIENT_SIZE : OK;
}

/* Percents of all processes together at the last sample. */
static double utilization_of(int gpu) {
    const char *path = getenv("FAKE_UTILIZATION");
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned on, pid, percent, sum = 0;
    double from, to, last = floor(unix_now() / SAMPLE_SECONDS) * SAMPLE_SECONDS;
    while (file && fscanf(file, "%u %u %u %lf %lf", &on, &pid, &percent, &from, &to) == 5)
        if (on == (unsigned)gpu && last >= from && (!to || last < to)) sum += percent;
    if (file) fclose(file);
    return !path ? 70 : sum < 100 ? sum : 100;
}

/* From one Unix time to another. */
static double drawn(int gpu, double from, double to) {
    struct gpu *f = facts_of(gpu);
    double kernels = activity_joules(&f->activity, gpu, to) - activity_joules(&f->activity, gpu, from);
    return wave_joules(&f->wave, from, to) + kernels;
}

static double seen_in_part(int gpu, double last) {
    struct gpu *f = facts_of(gpu);
    if (!f->seen_until) f->seen_until = last;
    while (f->seen_until < last - f->step / 2) {
        double to = f->seen_until += f->step;
        f->seen += drawn(gpu, to - f->part, to) * f->step / f->part;
    }
    return f->seen;
}

/* What the energy counter tells at its update `last`, both in seconds after the epoch. FAKE_BROKEN:
 * "zero", "backward", "stale S" (it moves each S seconds), "spikes S" (for 10 ms of each S seconds it
 * is at 10^9 J). */
static double broken(int gpu, double joules, double since, double last) {
    double epoch = facts_of(gpu)->epoch, s = 0;
    const char *how = text_of(gpu, "FAKE_BROKEN");
    char kind[16] = "";
    if (!how || sscanf(how, "%15s %lf", kind, &s) < 1) return joules;
    if (!strcmp(kind, "zero")) return 0;
    if (!strcmp(kind, "backward")) return fmax(0, 1e6 - joules);
    if (!strcmp(kind, "stale")) return drawn(gpu, epoch, epoch + floor(last / s) * s);
    if (!strcmp(kind, "spikes")) return fmod(since, s) < 0.01 ? 1e9 : joules;
    return joules;
}

typedef struct {
    unsigned pid, running, percent, memory_percent;
    unsigned long long most_memory;
    unsigned samples;
    unsigned long long percents, memory_percents, milliseconds, start;
} accounting_stats;

int nvmlDeviceGetAccountingMode(int *gpu, unsigned *mode) {
    CHECK(gpu);
    *mode = shared(*gpu) ? shared(*gpu)->accounting : getenv("FAKE_ACCOUNTING") != NULL;
    return OK;
}

int nvmlDeviceGetAccountingBufferSize(int *gpu, unsigned *size) {
    CHECK(gpu);
    *size = shared(*gpu) ? SHARED_CLIENTS : 4000;
    return OK;
}

static int list_accounts(const struct shared_gpu *shared, unsigned *count, unsigned *pids) {
    unsigned room = pids ? *count : 0;
    if (!shared->accounting) return NOT_SUPPORTED;
    *count = shared->clients;
    for (unsigned i = 0; i < *count && i < room; i++) pids[i] = shared->accounts[i].pid;
    return *count > room ? INSUFFICIENT_SIZE : OK;
}

int nvmlDeviceGetAccountingPids(int *gpu, unsigned *count, unsigned *pids) {
    CHECK(gpu);
    if (shared(*gpu)) return list_accounts(shared(*gpu), count, pids);
    const char *path = getenv("FAKE_ACCOUNTING") ? getenv("FAKE_UTILIZATION") : NULL;
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned room = *count, on, pid, percent;
    double from, to;
    *count = 0;
    while (file && fscanf(file, "%u %u %u %lf %lf", &on, &pid, &percent, &from, &to) == 5)
        if (on == (unsigned)*gpu && from <= unix_now() && *count < room) pids[(*count)++] = pid;
    if (file) fclose(file);
    return OK;
}

static int account_of_kernels(int gpu, accounting_stats *out) {
    struct activity *a = &facts_of(gpu)->activity;
    double now = unix_now();
    int first = 0, count = activity_begun(a, gpu, now);
    while (first < count && a->kernels[first].pid != out->pid) first++;
    if (first == count) return NOT_FOUND;
    double begin = a->kernels[first].begins, sample = floor(begin / SAMPLE_SECONDS);
    *out = (accounting_stats){.pid = out->pid, .running = !kill(out->pid, 0), .start = begin * 1e6};
    unsigned sum = 0;
    while (++sample * SAMPLE_SECONDS <= now) {
        out->samples++;
        sum += percent_of(gpu, out->pid, sample);
    }
    out->percents = 100ull * sum; /* "in unit of pct * 100", nvml.h */
    out->percent = out->samples ? sum / out->samples : 0;
    out->milliseconds = out->running ? 0 : 1000 * (now - begin);
    return OK;
}

/* The newest process of that pid; `milliseconds` is 0 while it runs. */
static int tell_account(const struct shared_gpu *shared, accounting_stats *out) {
    if (!shared->accounting) return NOT_SUPPORTED;
    for (unsigned i = shared->clients; i--;) {
        const struct shared_account *one = &shared->accounts[i];
        if (one->pid != out->pid) continue;
        *out = (accounting_stats){.pid = one->pid, .running = one->running, .start = one->start * 1e6};
        out->samples = one->samples;
        out->percents = one->percents;
        out->percent = one->samples ? one->percents / one->samples : 0;
        out->milliseconds = one->running ? 0 : 1000 * (one->end - one->start);
        return OK;
    }
    return NOT_FOUND;
}

int nvmlDeviceGetAccountingStats_v2(int *gpu, accounting_stats *out) {
    CHECK(gpu);
    if (shared(*gpu)) return tell_account(shared(*gpu), out);
    if (getenv("FAKE_ACCOUNTING") && !getenv("FAKE_UTILIZATION") && getenv("FAKE_ACTIVITY"))
        return account_of_kernels(*gpu, out);
    const char *path = getenv("FAKE_ACCOUNTING") ? getenv("FAKE_UTILIZATION") : NULL;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return NOT_SUPPORTED;
    unsigned on, pid, percent;
    double from, to, now = unix_now(), start = INFINITY, end = 0, sum = 0;
    while (fscanf(file, "%u %u %u %lf %lf", &on, &pid, &percent, &from, &to) == 5) {
        if (on != (unsigned)*gpu || pid != out->pid || from > now) continue;
        double until = to ? fmin(to, now) : now;
        start = fmin(start, from);
        end = fmax(end, until);
        sum += percent * (floor(until / SAMPLE_SECONDS) - floor(from / SAMPLE_SECONDS));
    }
    fclose(file);
    if (start > now) return NOT_FOUND;
    *out = (accounting_stats){.pid = out->pid, .running = end == now, .start = start * 1e6};
    out->samples = floor(end / SAMPLE_SECONDS) - floor(start / SAMPLE_SECONDS);
    out->percents = 100 * sum; /* "in unit of pct * 100", nvml.h */
    out->percent = out->samples ? sum / out->samples : 0;
    out->milliseconds = out->running ? 0 : 1000 * (end - start);
    return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(int *gpu, unsigned long long *millijoules) {
    CHECK(gpu);
    if (shared(*gpu)) {
        *millijoules = 1000 * shared(*gpu)->joules;
        return OK;
    }
    const struct gpu *f = facts_of(*gpu);
    double reset = number_of(*gpu, "FAKE_RESET", INFINITY);
    double since = fmin(unix_now() - f->epoch, number_of(*gpu, "FAKE_STILL", INFINITY));
    double from = since >= reset ? reset : 0;
    double last = floor((since - f->step_phase) / f->step) * f->step + f->step_phase;
    double start = f->epoch + from, end = f->epoch + fmax(from, last);
    double joules = f->part ? seen_in_part(*gpu, end) : drawn(*gpu, start, fmax(start, end - f->delay));
    const char *module = getenv("FAKE_MODULE");
    if (module && strcmp(module, "all")) joules *= 2;
    joules = broken(*gpu, f->scale * joules, since, last);
    *millijoules = (unsigned long long)(joules * 1000) + (from ? 0 : 5000);
    return OK;
}

static unsigned milliwatts(int gpu, double average) {
    double t = unix_now(), moment = 1e-3, told = number_of(gpu, "FAKE_POWER", -1);
    if (told >= 0) return 1000 * told;
    if (shared(gpu)) return 1000 * (average ? shared(gpu)->average_watts : shared(gpu)->instant_watts);
    if (average) return 1000 * drawn(gpu, t - average, t) / average;
    struct gpu *f = facts_of(gpu);
    double kernels = activity_joules(&f->activity, gpu, t) - activity_joules(&f->activity, gpu, t - moment);
    return 1000 * (wave_watts(&f->wave, t) + kernels / moment);
}

int nvmlDeviceGetPowerUsage(int *gpu, unsigned *power) {
    CHECK(gpu);
    *power = milliwatts(*gpu, facts_of(*gpu)->average);
    return OK;
}

int nvmlDeviceGetTemperature(int *gpu, int sensor, unsigned *celsius) {
    (void)sensor;
    CHECK(gpu);
    const char *named = getenv("FAKE_CELSIUS");
    FILE *file = named ? fopen(named, "r") : NULL;
    if (!file || fscanf(file, "%u", celsius) != 1) *celsius = 40 + *gpu;
    if (file) fclose(file);
    return OK;
}

/* Three facts that other meters ask for before they meter anything. */
typedef struct { unsigned long long total, free, used; } memory_info;

int nvmlDeviceGetMemoryInfo(int *gpu, memory_info *out) {
    CHECK(gpu);
    *out = (memory_info){80ULL << 30, 80ULL << 30, 0};
    return OK;
}

static FILE *control(const char *name, int gpu, const char *mode) {
    char path[4096];
    Dl_info here; /* by its path alone a process without the rest of the environment finds them */
    const char *folder = getenv("FAKE_CONTROLS");
    if (folder) snprintf(path, sizeof path, "%s/%s_%d", folder, name, gpu);
    else if (!dladdr((void *)control, &here)) return NULL;
    else snprintf(path, sizeof path, "%.*s/%s_%d", (int)(strrchr(here.dli_fname, '/') - here.dli_fname), here.dli_fname, name, gpu);
    return fopen(path, mode);
}

/* Files "refuse_limit_0" and "ignore_limit_0" make the driver refuse, or take it and do nothing. */
static int told_to(const char *how, const char *name, int gpu) {
    char path[64];
    snprintf(path, sizeof path, "%s_%s", how, name);
    FILE *file = control(path, gpu, "r");
    if (file) fclose(file);
    return file != NULL;
}

static int put(const char *name, int gpu, unsigned value) {
    if (told_to("refuse", name, gpu)) return NO_PERMISSION;
    if (told_to("ignore", name, gpu)) return OK;
    FILE *file = control(name, gpu, "w");
    if (!file) return NOT_SUPPORTED;
    fprintf(file, "%u", value);
    fclose(file);
    return OK;
}

static int get(const char *name, int gpu, unsigned *value) {
    FILE *file = control(name, gpu, "r");
    if (!file) return OK;
    int read = fscanf(file, "%u", value);
    fclose(file);
    return read == 1 ? OK : INVALID;
}

int nvmlDeviceGetPowerManagementLimit(int *gpu, unsigned *limit) {
    CHECK(gpu);
    *limit = shared(*gpu) ? 1000 * shared(*gpu)->limit_watts : 350000;
    return shared(*gpu) ? OK : get("limit", *gpu, limit);
}

int nvmlDeviceGetEnforcedPowerLimit(int *gpu, unsigned *limit) {
    CHECK(gpu);
    int code = nvmlDeviceGetPowerManagementLimit(gpu, limit);
    *limit = fmin(*limit, 1000 * number("FAKE_ENFORCED", 1e6));
    return code;
}

int nvmlDeviceGetPowerManagementLimitConstraints(int *gpu, unsigned *low, unsigned *high) {
    CHECK(gpu);
    *low = 100000;
    *high = 400000;
    return OK;
}

int nvmlDeviceSetPowerManagementLimit(int *gpu, unsigned limit) {
    CHECK(gpu);
    return put("limit", *gpu, limit);
}

int nvmlDeviceGetMaxClockInfo(int *gpu, int kind, unsigned *mhz) {
    CHECK(gpu);
    *mhz = kind == 1 ? 1980 : 2619;
    return OK;
}

int nvmlDeviceSetGpuLockedClocks(int *gpu, unsigned low, unsigned high) {
    CHECK(gpu);
    return low == high ? put("clock", *gpu, low) : INVALID;
}

int nvmlDeviceResetGpuLockedClocks(int *gpu) {
    CHECK(gpu);
    return put("clock", *gpu, 0);
}

static int listed(unsigned *count, unsigned *out, unsigned most, unsigned least, unsigned step) {
    unsigned room = *count;
    *count = (most - least) / step + 1;
    if (room < *count) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < *count; i++) out[i] = most - i * step;
    return OK;
}

int nvmlDeviceGetSupportedMemoryClocks(int *gpu, unsigned *count, unsigned *mhz) {
    CHECK(gpu);
    return listed(count, mhz, 2619, 2619, 1);
}

int nvmlDeviceGetSupportedGraphicsClocks(int *gpu, unsigned memory, unsigned *count, unsigned *mhz) {
    CHECK(gpu);
    return memory == 2619 ? listed(count, mhz, 1980, 210, 15) : INVALID;
}

static int version(char *out, unsigned length, const char *name, const char *otherwise) {
    snprintf(out, length, "%s", getenv(name) ? getenv(name) : otherwise);
    return OK;
}

int nvmlSystemGetDriverVersion(char *out, unsigned length) { return version(out, length, "FAKE_DRIVER", "580.1"); }

int nvmlDeviceGetVbiosVersion(int *gpu, char *out, unsigned length) {
    CHECK(gpu);
    return version(out, length, "FAKE_VBIOS", "96.00");
}

int nvmlDeviceGetPersistenceMode(int *gpu, unsigned *on) {
    CHECK(gpu);
    *on = 1;
    return OK;
}

int nvmlDeviceGetComputeMode(int *gpu, unsigned *mode) {
    CHECK(gpu);
    *mode = 0;
    return OK;
}

static unsigned long long reasons_of(int gpu) {
    if (shared(gpu)) return shared(gpu)->capped ? 4 : 0;
    int capped = milliwatts(gpu, 0) >= 1000 * number_of(gpu, "FAKE_CAP", INFINITY);
    return (unsigned long long)number_of(gpu, "FAKE_REASONS", 0) | (capped ? 4 : 0);
}

int nvmlDeviceGetCurrentClocksEventReasons(int *gpu, unsigned long long *reasons) {
    CHECK(gpu);
    *reasons = reasons_of(*gpu);
    return OK;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(int *gpu, unsigned long long *reasons) {
    CHECK(gpu);
    *reasons = reasons_of(*gpu);
    return OK;
}

int nvmlDeviceGetClockInfo(int *gpu, int kind, unsigned *mhz) {
    CHECK(gpu);
    if (kind != 1) *mhz = 2619;
    else if (shared(*gpu)) *mhz = 1980 * shared(*gpu)->clock;
    else {
        unsigned locked = 0;
        get("clock", *gpu, &locked);
        *mhz = locked ? locked : reasons_of(*gpu) ? 1200 : 1980;
    }
    return OK;
}

int nvmlDeviceGetPerformanceState(int *gpu, int *state) {
    CHECK(gpu);
    *state = 2;
    return OK;
}

typedef struct { unsigned gpu, memory; } rates;

int nvmlDeviceGetUtilizationRates(int *gpu, rates *out) {
    CHECK(gpu);
    if (split_into(*gpu)) return NOT_SUPPORTED;
    out->gpu = shared(*gpu) ? shared(*gpu)->percent : utilization_of(*gpu);
    out->memory = 30;
    return OK;
}

typedef union { double d; unsigned u; unsigned long long ull; } value_t;
typedef struct {
    unsigned id, scope;
    long long timestamp, latency;
    unsigned type, result;
    value_t value;
} field_value;

/* 82 is the memory's temperature, 186 the instant power. */
int nvmlDeviceGetFieldValues(int *gpu, int count, field_value *fields) {
    CHECK(gpu);
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "field:%u", fields[i].id);
        int known = fields[i].id == 82 || fields[i].id == 186;
        fields[i].result = known ? check(gpu, name) : NOT_SUPPORTED;
        fields[i].type = 1;
        fields[i].value.u = fields[i].id == 186 ? milliwatts(*gpu, 0) : 55;
        const char *module = getenv("FAKE_MODULE");
        if (!fields[i].scope || (module && !strcmp(module, "all"))) continue;
        if (module && fields[i].scope == 1) fields[i].value.u *= 2;
        else fields[i].result = NOT_SUPPORTED;
    }
    return OK;
}
