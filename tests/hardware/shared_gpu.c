/* A GPU whose power follows what trainings do on it, with the joules of each known.
 *
 *     shared_gpu TRUTH      < a pipe, with which it ends      > "ready" once it is there
 *
 * It runs the kernels of its clients (sharing_training.c, contexts of fake_cuda.c) event by event,
 * so that neither energy nor progress depends on how busy the machine is; the processes only come,
 * hear how far they are, and go. Its power is
 *
 *     idle + context, once while any context is open + kernels
 *
 * Environment: FAKE_SHARED (a folder, see shared_gpu.h), GPU_IDLE (watts: 70), GPU_CONTEXT (40),
 * and GPU_WORLD, which says how kernels of several clients run at the same time:
 *
 *     timeslice  in turn, each for the same share of the time, in slices without a length
 *     cap        the same; the power limit GPU_LIMIT (watts: 250) holds the clock down, to s of
 *                the highest: power of kernels is as s^GPU_POWER_EXPONENT (1), speed as
 *                s^GPU_SPEED_EXPONENT (0.5)
 *     contend    as timeslice, but GPU_FACTORS ("NAME POWER SPEED NAME POWER SPEED") are factors
 *                of those names while another client with kernels is there
 *     mps        all at once, each of n at the speed n^-GPU_MPS_EXPONENT (0.7). Alone a kernel
 *                draws w = P x/(1 + x), with P = GPU_SATURATION (600 W); together P X/(1 + X),
 *                with X the sum of their x, and of that each has x/X: the Aumann-Shapley value
 *
 * GPU_LOSS (0): the share of the samples of the utilization that is lost; GPU_ACCOUNTING (1).
 *
 * TRUTH gets lines "TIME NAME PID ROLE JOULES BUSY_SECONDS CONTEXT_SECONDS", sums up to that time:
 * of "-total", "-idle" and "-context" and of each client, every 20 ms and when one comes or goes.
 * JOULES of a client are those of its kernels. ROLE is the end of its ENERGYCTL_RUN, else "-". */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "shared_model.h"

#define TICK 0.01
/* In ticks; a step of the counter and a window of utilization do not end together. */
enum { ROW = 2, STEP = 10, WINDOW = 20, WINDOW_PHASE = 7, STEPS_OF_AVERAGE = 10 };
/* The controller of the power limit: the mean that it looks at, and how it acts on each tick. */
#define CONTROL_SECONDS 0.2
#define CONTROL_GAIN 0.02

static struct shared_gpu *shown;
static FILE *truth;
static double began; /* Unix time */
static long ticks;
static double counter_steps[STEPS_OF_AVERAGE + 1]; /* joules at the last ones */

static double unix_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static struct shared_account *account_of(const struct client *c) {
    return &shown->accounts[c - clients];
}

static void row(const char *name, unsigned pid, const char *role, double joules, double busy,
                double held) {
    double time = began + sums.seconds;
    fprintf(truth, "%.6f %s %u %s %.6f %.6f %.6f\n", time, name, pid, role, joules, busy, held);
}

static void rows(void) {
    row("-total", 0, "-", sums.total, sums.busy, 0);
    row("-idle", 0, "-", sums.idle, 0, 0);
    row("-context", 0, "-", sums.context, 0, 0);
    for EACH_OPEN(c)
        row(c->name, account_of(c)->pid, c->role, c->joules, c->busy_seconds, c->context_seconds);
    fflush(truth);
}

/* -- clients ------------------------------------------------------------------------------- */

static void find_role(char *role, size_t length, unsigned pid) {
    char path[64], *variable = NULL, *end;
    size_t room = 0;
    snprintf(role, length, "-");
    snprintf(path, sizeof path, "/proc/%u/environ", pid);
    FILE *file = fopen(path, "r");
    while (file && getdelim(&variable, &room, 0, file) > 0)
        if (!strncmp(variable, "ENERGYCTL_RUN=", 14) && (end = strrchr(variable, '/')))
            snprintf(role, length, "%s", end + 1);
    free(variable);
    if (file) fclose(file);
}

static void find_factors(struct client *c) {
    char name[32];
    double power, speed;
    int length;
    c->power_factor = c->speed_factor = 1;
    for (const char *at = text("GPU_FACTORS", "");
         sscanf(at, "%31s %lf %lf%n", name, &power, &speed, &length) == 3; at += length)
        if (!strcmp(name, c->name)) c->power_factor = power, c->speed_factor = speed;
}

static int read_training(struct client *c, int opened) {
    char said[512] = "";
    *c = (struct client){.socket = opened, .open = 1};
    if (recv(opened, said, sizeof said - 1, 0) <= 0) return 0;
    int read = sscanf(said, "%31s %lf %lf %ld %lf %lf %ld", c->name, &c->watts, &c->then_watts,
                      &c->after, &c->busy, &c->host, &c->units);
    c->busy /= 1000;
    c->host /= 1000;
    return read == 7 && c->busy + c->host > 0;
}

static void come(int listener) {
    struct ucred who;
    struct client fresh;
    socklen_t length = sizeof who;
    int opened = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (opened < 0) return;
    if (getsockopt(opened, SOL_SOCKET, SO_PEERCRED, &who, &length) ||
        !read_training(&fresh, opened) || client_count == SHARED_CLIENTS) {
        fprintf(stderr, "shared_gpu: no training, or one too many\n");
        close(opened);
        return;
    }
    find_role(fresh.role, sizeof fresh.role, who.pid);
    find_factors(&fresh);
    begin_unit(&fresh);
    clients[client_count++] = fresh;
    shown->accounts[shown->clients++] = (struct shared_account){
        .pid = who.pid, .running = 1, .start = began + sums.seconds};
    rows();
}

static void go(struct client *c) {
    rows();
    close(c->socket);
    c->open = 0;
    account_of(c)->running = 0;
    account_of(c)->end = began + sums.seconds;
}

/* -- what is shown ------------------------------------------------------------------------- */

static void control_clock(void) {
    static double mean, before;
    mean += ((sums.total - before) / TICK - mean) * TICK / CONTROL_SECONDS;
    before = sums.total;
    if (!world_is("cap")) return;
    clock_share *= pow(shown->limit_watts / fmax(mean, 1), CONTROL_GAIN);
    shown->clock = clock_share = fmin(1, fmax(0.2, clock_share));
    shown->capped = clock_share < 0.999;
}

static void step_counter(void) {
    double *last = &counter_steps[STEPS_OF_AVERAGE], seconds = STEP * TICK;
    memmove(counter_steps, counter_steps + 1, sizeof counter_steps - sizeof *counter_steps);
    *last = shown->joules = sums.total;
    shown->instant_watts = (last[0] - last[-1]) / seconds;
    shown->average_watts = (last[0] - counter_steps[0]) / (seconds * STEPS_OF_AVERAGE);
}

static unsigned percent_of_window(double busy_seconds) {
    return busy_seconds / (WINDOW * TICK) * 100 + 0.5;
}

static void sample_utilization(void) {
    static double busy_before;
    shown->percent = percent_of_window(sums.busy - busy_before);
    busy_before = sums.busy;
    for EACH(c) {
        unsigned percent = percent_of_window(c->window_busy);
        if (!c->open && !percent) continue;
        c->window_busy = 0;
        account_of(c)->samples++;
        account_of(c)->percents += percent;
        if (!percent || drand48() < number("GPU_LOSS", 0)) continue;
        shown->samples[shown->sampled++ % SHARED_SAMPLES] = (struct shared_sample){
            account_of(c)->pid, percent, began + sums.seconds};
    }
}

static void tick(void) {
    ticks++;
    control_clock();
    if (ticks % STEP == 0) step_counter();
    if (ticks % WINDOW == WINDOW_PHASE) sample_utilization();
    if (ticks % ROW == 0) rows();
}

static void simulate(double until) {
    while (sums.seconds < until) {
        double next_tick = (ticks + 1) * TICK, end = fmin(until, next_tick);
        int running = run_kernels();
        double left = end - sums.seconds, seconds = next_end(left);
        pass(seconds, running);
        if (seconds == left) sums.seconds = end;
        end_units();
        if (sums.seconds == next_tick) tick();
    }
}

/* -- the process --------------------------------------------------------------------------- */

static void show(void) {
    char path[4096];
    shared_path(path, sizeof path, "state");
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (ftruncate(file, sizeof *shown)) abort();
    shown = mmap(NULL, sizeof *shown, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shown == MAP_FAILED) abort();
    double idle = number("GPU_IDLE", 70);
    shown->clock = clock_share;
    shown->limit_watts = world_is("cap") ? number("GPU_LIMIT", 250) : 700;
    shown->accounting = number("GPU_ACCOUNTING", 1);
    shown->instant_watts = shown->average_watts = idle;
    for (int i = 0; i <= STEPS_OF_AVERAGE; i++)
        counter_steps[i] = idle * STEP * TICK * (i - STEPS_OF_AVERAGE);
}

static int listening(void) {
    struct sockaddr_un address = shared_address();
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16))
        abort();
    return listener;
}

int main(int count, char **arguments) {
    if (count != 2 || !(truth = fopen(arguments[1], "we"))) return 2;
    setpriority(PRIO_PROCESS, 0, -10); /* where that is permitted: the counter moves in time */
    show();
    int listener = listening();
    began = unix_now();
    puts("ready");
    fflush(stdout);
    for (int ends = 0; !ends;) {
        struct pollfd polled[SHARED_CLIENTS + 2] = {{0, POLLIN, 0}, {listener, POLLIN, 0}};
        struct client *of[SHARED_CLIENTS + 2];
        int n = 2;
        for EACH_OPEN(c) of[n] = c, polled[n++] = (struct pollfd){c->socket, POLLIN, 0};
        poll(polled, n, 5);
        __atomic_add_fetch(&shown->sequence, 1, __ATOMIC_ACQ_REL);
        simulate(unix_now() - began);
        for (int i = 2; i < n; i++)
            if (polled[i].revents) go(of[i]);
        if (polled[1].revents) come(listener);
        __atomic_add_fetch(&shown->sequence, 1, __ATOMIC_ACQ_REL);
        ends = polled[0].revents;
    }
    rows();
    return fclose(truth) != 0;
}
