/* A libamd_smi.so with GPUs that follow a wave of Unix time (see waveform.py), below the real Python
 * module `amdsmi`: functions of it that are not here say not-supported (fake_amdsmi_rest.h, made from
 * the module by amdsmi.py).
 *
 * Environment: FAKE_EPOCH (Unix seconds at which the counters were 0), FAKE_AMD_GPUS (2); each of
 * these also for one GPU, in the library's order, as FAKE_AMD_WAVE_1: FAKE_AMD_WAVE ("square 80 300"),
 * FAKE_AMD_STEP (seconds between two steps of the energy counter: 0.02), FAKE_AMD_SCALE (its joules
 * are so many times too many), FAKE_AMD_BROKEN ("constant": it stands still; "back": it begins anew
 * each third of a second; "zero": it and all power are 0, as at an MI250's second die),
 * FAKE_AMD_POWER ("current", "average", "both", "none": which power is told, the others are N/A),
 * FAKE_AMD_AVERAGE (the averaged one is the mean over so many seconds: 1), FAKE_AMD_HIP (its number
 * for HIP: as in the library; -1: not told), FAKE_AMD_NODE (of the KFD, likewise), FAKE_AMD_PARTITION (it is
 * that partition of the GPU so many places before it), FAKE_AMD_NAME,
 * FAKE_AMD_DEVICE (PCI device id: 0x74a1), FAKE_AMD_THROTTLE ("0", "1": whether its clocks are held
 * down), FAKE_AMD_RESIDENCY ("ppt", "thermal": that limit's sum grows);
 * FAKE_AMD_DENY (functions that say not-supported, separated by commas; "name@1" for one GPU only),
 * FAKE_AMD_PROCESSES (a file with lines "GPU PID MiB"), FAKE_AMD_INIT (the code with which the start
 * fails), FAKE_AMD_HANG ("name@2.5": that function never returns from 2.5 s after the epoch on);
 * FAKE_AMD_CALLS (a file that is told of calls that overlap, and of the shutdown).
 */
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "wave.h"

enum { OK = 0, INVALID = 1, NOT_SUPPORTED = 2, NOT_FOUND = 31 };

#define NOT_TOLD 0xFFFF
#define RESOLUTION 15.3f /* microjoules */

static int gpus[8] = {0, 1, 2, 3, 4, 5, 6, 7};
static atomic_int inside;

static const char *text_of(int gpu, const char *name, const char *otherwise) {
    char own[64];
    snprintf(own, sizeof own, "FAKE_AMD_%s_%d", name, gpu);
    const char *said = getenv(own);
    if (!said) {
        snprintf(own, sizeof own, "FAKE_AMD_%s", name);
        said = getenv(own);
    }
    return said ? said : otherwise;
}

static double number_of(int gpu, const char *name, double otherwise) {
    const char *text = text_of(gpu, name, NULL);
    return text && *text ? strtod(text, NULL) : otherwise;
}

static double epoch(void) {
    const char *text = getenv("FAKE_EPOCH");
    return text ? atof(text) : 0;
}

static int is(int gpu, const char *name, const char *value) { return !strcmp(text_of(gpu, name, ""), value); }

static void note(const char *what) {
    const char *path = getenv("FAKE_AMD_CALLS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s\n", what);
    fclose(file);
}

static int denied(int gpu, const char *function) {
    char copy[1024], rule[128];
    snprintf(copy, sizeof copy, "%s", text_of(-1, "DENY", ""));
    snprintf(rule, sizeof rule, "%s@%d", function, gpu);
    for (char *word = strtok(copy, ","); word; word = strtok(NULL, ","))
        if (!strcmp(word, function) || !strcmp(word, rule)) return 1;
    return 0;
}

static void hang(const char *function) {
    const char *rule = text_of(-1, "HANG", ""), *at = strchr(rule, '@');
    if (!at || strncmp(rule, function, at - rule) || function[at - rule]) return;
    if (unix_now() >= epoch() + atof(at + 1)) for (;;) pause();
}

static int check(int *gpu, const char *function) {
    if (!gpu) return INVALID;
    if (atomic_fetch_add(&inside, 1)) note("overlap");
    hang(function);
    int no = denied(*gpu, function);
    usleep(50); /* long enough for a second call to be seen */
    atomic_fetch_sub(&inside, 1);
    return no ? NOT_SUPPORTED : OK;
}

#define CHECK(gpu) do { int r = check(gpu, __func__); if (r) return r; } while (0)

int amdsmi_init(uint64_t flags) {
    (void)flags;
    hang(__func__);
    return (int)number_of(-1, "INIT", OK);
}

int amdsmi_shut_down(void) {
    note("shut down");
    return OK;
}

int amdsmi_get_socket_handles(uint32_t *count, void **sockets) {
    uint32_t there = (uint32_t)number_of(-1, "GPUS", 2);
    for (uint32_t i = 0; sockets && i < there && i < *count; i++) sockets[i] = &gpus[i];
    *count = there;
    return OK;
}

int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **handles) {
    if (handles && *count) handles[0] = socket;
    *count = 1;
    return OK;
}

/* Function 3, device 5, bus 8, domain 48 bits. */
int amdsmi_get_gpu_device_bdf(int *gpu, uint64_t *bdf) {
    CHECK(gpu);
    int part = (int)number_of(*gpu, "PARTITION", 0);
    *bdf = (uint64_t)(0x03 + 0x20 * (*gpu - part)) << 8 | part;
    return OK;
}

int amdsmi_get_gpu_device_uuid(int *gpu, uint32_t *length, char *uuid) {
    CHECK(gpu);
    snprintf(uuid, *length, "%dff74a1-0000-1000-8000-00000000000%d", *gpu + 1, *gpu);
    return OK;
}

typedef struct {
    uint32_t render, card, hsa, hip;
    char hip_uuid[256];
} enumeration_info;

int amdsmi_get_gpu_enumeration_info(int *gpu, enumeration_info *info) {
    CHECK(gpu);
    double hip = number_of(*gpu, "HIP", *gpu);
    *info = (enumeration_info){128 + *gpu, *gpu, ~0u, hip < 0 ? ~0u : (uint32_t)hip, ""};
    snprintf(info->hip_uuid, sizeof info->hip_uuid, "GPU-%d00000000000000%d", *gpu + 1, *gpu);
    return OK;
}

typedef struct {
    uint64_t id;
    uint32_t node, partition, reserved[12];
} kfd_info;

int amdsmi_get_gpu_kfd_info(int *gpu, kfd_info *info) {
    CHECK(gpu);
    double node = number_of(*gpu, "NODE", *gpu + 2);
    *info = (kfd_info){1000 + *gpu, node < 0 ? ~0u : (uint32_t)node, 0, {0}};
    info->partition = (uint32_t)number_of(*gpu, "PARTITION", 0);
    return OK;
}

typedef struct __attribute__((packed)) {
    char name[256];
    uint32_t vendor;
    char vendor_name[256];
    uint32_t subvendor;
    uint64_t device;
    uint32_t revision;
    char serial[256];
    uint32_t oam, units;
    char padding[4];
    uint64_t version;
    uint32_t subsystem, reserved[21];
} asic_info;

int amdsmi_get_gpu_asic_info(int *gpu, asic_info *info) {
    CHECK(gpu);
    memset(info, 0, sizeof *info);
    snprintf(info->name, sizeof info->name, "%s", text_of(*gpu, "NAME", "AMD Instinct MI300X"));
    info->vendor = 0x1002;
    info->device = (uint64_t)number_of(*gpu, "DEVICE", 0x74a1);
    snprintf(info->serial, sizeof info->serial, "%X", 0xABC0 + *gpu);
    return OK;
}

typedef struct {
    char version[256], date[256], name[256];
} driver_info;

int amdsmi_get_gpu_driver_info(int *gpu, driver_info *info) {
    CHECK(gpu);
    *info = (driver_info){"6.12.12", "2025/08/01 00:00", "amdgpu"};
    return OK;
}

/* -- energy and power ------------------------------------------------------------------------------ */

static struct wave wave_of(int gpu) { return wave_parse(text_of(gpu, "WAVE", "square 80 300")); }

int amdsmi_get_energy_count(int *gpu, uint64_t *units, float *resolution, uint64_t *nanoseconds) {
    CHECK(gpu);
    struct wave wave = wave_of(*gpu);
    double step = number_of(*gpu, "STEP", 0.02), now = unix_now();
    double until = epoch() + floor((now - epoch()) / step) * step;
    if (is(*gpu, "BROKEN", "constant")) until = epoch() + 1;
    if (is(*gpu, "BROKEN", "back")) until = epoch() + 1 + fmod(until - epoch(), 1.0 / 3);
    double joules = is(*gpu, "BROKEN", "zero") ? 0 : wave_joules(&wave, epoch(), until);
    *units = (uint64_t)(joules * number_of(*gpu, "SCALE", 1) * 1e6 / RESOLUTION);
    *resolution = RESOLUTION;
    *nanoseconds = (uint64_t)(now * 1e9);
    return OK;
}

typedef struct {
    uint64_t socket;
    uint32_t current, average;
    uint64_t gfx_voltage, soc_voltage, mem_voltage;
    uint32_t limit, padding;
    uint64_t reserved[18];
} power_info;

int amdsmi_get_power_info(int *gpu, power_info *info) {
    CHECK(gpu);
    struct wave wave = wave_of(*gpu);
    double now = unix_now(), over = number_of(*gpu, "AVERAGE", 1);
    const char *told = text_of(*gpu, "POWER", "current");
    int both = !strcmp(told, "both"), zero = is(*gpu, "BROKEN", "zero");
    *info = (power_info){.socket = NOT_TOLD, .current = NOT_TOLD, .average = NOT_TOLD, .limit = 750};
    if (both || !strcmp(told, "current")) info->current = (uint32_t)lround(wave_watts(&wave, now));
    if (both || !strcmp(told, "average"))
        info->average = (uint32_t)lround(wave_joules(&wave, now - over, now) / over);
    if (zero) info->current = info->average = 0;
    return OK;
}

typedef struct {
    uint64_t now, usual, dpm, least, most, reserved[3];
} cap_info;

int amdsmi_get_power_cap_info(int *gpu, uint32_t sensor, cap_info *info) {
    CHECK(gpu);
    (void)sensor;
    uint64_t most = is(*gpu, "BROKEN", "zero") ? 0 : 750000000;
    *info = (cap_info){most, most, 0, 0, most, {0}};
    return OK;
}

/* -- state ------------------------------------------------------------------------------------------ */

typedef struct {
    uint32_t gfx, memory, media, reserved[13];
} activity_info;

int amdsmi_get_gpu_activity(int *gpu, activity_info *info) {
    CHECK(gpu);
    *info = (activity_info){70 + *gpu, 30, NOT_TOLD, {0}};
    return OK;
}

int amdsmi_get_temp_metric(int *gpu, int sensor, int metric, int64_t *celsius) {
    CHECK(gpu);
    char rule[64];
    snprintf(rule, sizeof rule, "temperature:%d", sensor);
    if (metric || denied(*gpu, rule)) return NOT_SUPPORTED;
    *celsius = sensor == 0 ? 40 + *gpu : sensor == 1 ? 50 + *gpu : 55;
    return OK;
}

typedef struct {
    uint32_t clock, least, most;
    uint8_t locked, asleep, padding[2];
    uint32_t reserved[4];
} clock_info;

int amdsmi_get_clock_info(int *gpu, int kind, clock_info *info) {
    CHECK(gpu);
    *info = (clock_info){.clock = kind == 0 ? 2100 : 1300, .least = 100, .most = 2100};
    return OK;
}

/* amdsmi_gpu_metrics_t: all ones says N/A. The places are those of the module, as amdsmi.py found. */
int amdsmi_get_gpu_metrics_info(int *gpu, uint8_t *metrics) {
    CHECK(gpu);
    memset(metrics, 0xFF, METRICS_SIZE);
    uint64_t passed = (uint64_t)((unix_now() - epoch()) * 1000);
    const char *throttle = text_of(*gpu, "THROTTLE", NULL), *sums = text_of(*gpu, "RESIDENCY", NULL);
    if (throttle) *(uint64_t *)(metrics + AT_indep_throttle_status) = atoi(throttle);
    if (sums) {
        *(uint64_t *)(metrics + AT_ppt_residency_acc) = strcmp(sums, "ppt") ? 7 : passed;
        *(uint64_t *)(metrics + AT_socket_thm_residency_acc) = strcmp(sums, "thermal") ? 7 : passed;
    }
    return OK;
}

typedef struct {
    char name[256];
    uint32_t pid, padding;
    uint64_t memory, gfx, enc;
    uint32_t reserved[12];
    uint64_t gtt, cpu, vram;
    uint32_t reserved_too[10];
    char container[256];
    uint32_t occupancy, reserved_again[11];
} process_info;

int amdsmi_get_gpu_process_list(int *gpu, uint32_t *count, process_info *out) {
    CHECK(gpu);
    const char *path = getenv("FAKE_AMD_PROCESSES");
    FILE *file = path ? fopen(path, "r") : NULL;
    uint32_t room = *count, found = 0, on, pid;
    double mib;
    while (file && fscanf(file, "%u %u %lf", &on, &pid, &mib) == 3) {
        if (on != (uint32_t)*gpu) continue;
        if (found < room) {
            memset(&out[found], 0, sizeof out[found]);
            out[found].pid = pid;
            out[found].vram = (uint64_t)(mib * 1048576);
            out[found].occupancy = ~0u;
        }
        found++;
    }
    if (file) fclose(file);
    *count = found;
    return OK;
}

#include "fake_amdsmi_rest.h"
