/* A libnvidia-ml.so.1 with GPUs that follow a square wave of Unix time (see waveform.py).
 *
 * Environment: FAKE_EPOCH (Unix seconds at which the counters were 0), FAKE_GPUS (2), FAKE_LOW and
 * FAKE_HIGH (watts), FAKE_STEP (seconds between two steps of the energy counter),
 * FAKE_DENY (functions and "field:N" that say not-supported, separated by commas; "name@1" for
 * one GPU only), FAKE_LOST ("1@2.5": GPU 1 is lost 2.5 s after the epoch).
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15 };

static int gpus[8] = {0, 1, 2, 3, 4, 5, 6, 7};

static double number(const char *name, double otherwise) {
    const char *text = getenv(name);
    return text && *text ? atof(text) : otherwise;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double since_zero(double t) {
    double low = number("FAKE_LOW", 80), high = number("FAKE_HIGH", 300), n = floor(t), in = t - n;
    return n * (low + high) / 2 + fmin(in, 0.5) * high + fmax(0, in - 0.5) * low;
}

static int check(int *gpu, const char *function) {
    char rule[128];
    const char *deny = getenv("FAKE_DENY"), *lost = getenv("FAKE_LOST");
    if (!gpu) return INVALID;
    if (lost && atoi(lost) == *gpu && now() >= number("FAKE_EPOCH", 0) + atof(strchr(lost, '@') + 1))
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
    snprintf(name, length, "Fake GPU %d", *gpu);
    return OK;
}

int nvmlDeviceGetUUID(int *gpu, char *uuid, unsigned length) {
    CHECK(gpu);
    snprintf(uuid, length, "GPU-%d0000000-0000-0000-0000-000000000000", *gpu + 1);
    return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(int *gpu, unsigned long long *millijoules) {
    CHECK(gpu);
    double epoch = number("FAKE_EPOCH", 0), step = number("FAKE_STEP", 0.1);
    double t = epoch + floor((now() - epoch) / step) * step;
    *millijoules = (unsigned long long)((since_zero(t) - since_zero(epoch)) * 1000) + 5000;
    return OK;
}

static unsigned milliwatts(void) {
    double t = now();
    return 1000 * (t - floor(t) < 0.5 ? number("FAKE_HIGH", 300) : number("FAKE_LOW", 80));
}

int nvmlDeviceGetPowerUsage(int *gpu, unsigned *power) {
    CHECK(gpu);
    *power = milliwatts();
    return OK;
}

int nvmlDeviceGetTemperature(int *gpu, int sensor, unsigned *celsius) {
    (void)sensor;
    CHECK(gpu);
    *celsius = 40 + *gpu;
    return OK;
}

typedef struct { unsigned gpu, memory; } rates;

int nvmlDeviceGetUtilizationRates(int *gpu, rates *out) {
    CHECK(gpu);
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
        fields[i].value.u = fields[i].id == 186 ? milliwatts() : 55;
    }
    return OK;
}
