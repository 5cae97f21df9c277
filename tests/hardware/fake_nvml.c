/* A libnvidia-ml.so.1 with GPUs that follow a wave of Unix time (see waveform.py).
 *
 * Environment: FAKE_EPOCH (Unix seconds at which the counters were 0), FAKE_GPUS (2), FAKE_WAVE
 * ("square 80 300"), FAKE_STEP and FAKE_STEP_PHASE (seconds between two steps of the energy
 * counter, and of the first one after the epoch: 0.1 and 0), FAKE_AVERAGE (nvmlDeviceGetPowerUsage
 * is the mean over so many seconds: 0), FAKE_STILL (seconds after the epoch from which the energy
 * counter stands still), FAKE_RESET (at which it starts over); each of these also for one GPU, as
 * FAKE_WAVE_1;
 * FAKE_DENY (functions and "field:N" that say not-supported, separated by commas; "name@1" for
 * one GPU only), FAKE_LOST ("1@2.5": GPU 1 is lost 2.5 s after the epoch);
 * FAKE_NAME and FAKE_ARCHITECTURE (NVML_DEVICE_ARCH_…: 7), FAKE_DEVICE (PCI device id: 0x2204), each
 * also for one GPU; FAKE_MIG ("1:2": GPU 1 is split into 2 MIG devices); FAKE_PROCESSES (a file with
 * lines "GPU PID MiB KIND", KIND c(ompute) or g(raphics); MiB -1: not told); FAKE_UTILIZATION (a file
 * with lines "GPU PID PERCENT FROM TO": busy from and to that Unix time, TO 0: for good).
 */
#include <stdint.h>

#include "wave.h"

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };

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
    double epoch, step, step_phase, average, still, reset;
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

static const struct gpu *facts_of(int gpu) {
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
        one->still = number_of(gpu, "FAKE_STILL", INFINITY);
        one->reset = number_of(gpu, "FAKE_RESET", INFINITY);
        one->known = 1;
    }
    return one;
}

static int check(int *gpu, const char *function) {
    char rule[128];
    const char *deny = getenv("FAKE_DENY"), *lost = getenv("FAKE_LOST");
    if (!gpu) return INVALID;
    if (*gpu >= 100 && !strstr(function, "Processes") && !strstr(function, "UUID")) return INVALID;
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

int nvmlInitWithFlags(unsigned flags) { (void)flags; return OK; }
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

static int list_processes(int gpu, char kind, unsigned *count, process_info *out) {
    const char *path = getenv("FAKE_PROCESSES");
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned room = out ? *count : 0, found = 0, on, pid;
    double mib;
    char is;
    while (file && fscanf(file, "%u %u %lf %c", &on, &pid, &mib, &is) == 4) {
        if (on != (unsigned)gpu || is != kind) continue;
        if (found < room)
            out[found] = (process_info){
                pid, mib < 0 ? ~0ull : (unsigned long long)(mib * 1048576), ~0u, ~0u};
        found++;
    }
    if (file) fclose(file);
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(int *gpu, unsigned *count, process_info *out) {
    CHECK(gpu);
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

/* One row for each process that was busy at a sample after `since`: its last one, and its mean. */
int nvmlDeviceGetProcessUtilization(
    int *gpu, utilization_sample *out, unsigned *count, unsigned long long since) {
    CHECK(gpu);
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
        if (found < room)
            out[found] = (utilization_sample){
                pid, (unsigned long long)(last * 1e6), percent * busy / samples, 0, 0, 0};
        found++;
    }
    if (file) fclose(file);
    *count = found;
    return !found ? NOT_FOUND : found > room ? INSUFFICIENT_SIZE : OK;
}

int nvmlDeviceGetTotalEnergyConsumption(int *gpu, unsigned long long *millijoules) {
    CHECK(gpu);
    const struct gpu *f = facts_of(*gpu);
    double since = fmin(unix_now() - f->epoch, f->still), from = since >= f->reset ? f->reset : 0;
    double last = floor((since - f->step_phase) / f->step) * f->step + f->step_phase;
    double joules = wave_joules(&f->wave, f->epoch + from, f->epoch + fmax(from, last));
    *millijoules = (unsigned long long)(joules * 1000) + (from ? 0 : 5000);
    return OK;
}

static unsigned milliwatts(int gpu, double average) {
    const struct wave *wave = &facts_of(gpu)->wave;
    double t = unix_now();
    return 1000 * (average ? wave_joules(wave, t - average, t) / average : wave_watts(wave, t));
}

int nvmlDeviceGetPowerUsage(int *gpu, unsigned *power) {
    CHECK(gpu);
    *power = milliwatts(*gpu, facts_of(*gpu)->average);
    return OK;
}

int nvmlDeviceGetTemperature(int *gpu, int sensor, unsigned *celsius) {
    (void)sensor;
    CHECK(gpu);
    *celsius = 40 + *gpu;
    return OK;
}

/* Three facts that other meters ask for before they meter anything. */
typedef struct { unsigned long long total, free, used; } memory_info;

int nvmlDeviceGetMemoryInfo(int *gpu, memory_info *out) {
    CHECK(gpu);
    *out = (memory_info){80ULL << 30, 80ULL << 30, 0};
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(int *gpu, unsigned *limit) {
    CHECK(gpu);
    *limit = 700000;
    return OK;
}

int nvmlDeviceGetComputeMode(int *gpu, unsigned *mode) {
    CHECK(gpu);
    *mode = 0;
    return OK;
}

typedef struct { unsigned gpu, memory; } rates;

int nvmlDeviceGetUtilizationRates(int *gpu, rates *out) {
    CHECK(gpu);
    if (split_into(*gpu)) return NOT_SUPPORTED;
    out->gpu = 70;
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
    }
    return OK;
}
