/* How the kernels of several clients run on one GPU, and what they draw: see shared_gpu.c. */
#include <math.h>

#include "shared_gpu.h"

struct client {
    int socket, open, works; /* works: it has units left */
    char name[32], role[32];
    double watts, then_watts, busy, host, power_factor, speed_factor; /* busy, host: seconds */
    long after, units, done;
    double busy_left, host_left; /* of its unit */
    double power, speed, share;  /* at the moment; share: of the time in which its kernels run */
    double joules, busy_seconds, context_seconds, window_busy;
};

static struct client clients[SHARED_CLIENTS];
static unsigned client_count;

/* Sums since the start; busy: seconds in which any kernel ran. */
static struct { double seconds, total, idle, context, busy; } sums;

/* Of the clock of kernels, as a share of its highest. */
static double clock_share = 1;

#define EACH(c) (struct client *c = clients; c < clients + client_count; c++)
#define EACH_OPEN(c) EACH(c) if (c->open)

static const char *text(const char *name, const char *otherwise) {
    const char *said = getenv(name);
    return said && *said ? said : otherwise;
}

static double number(const char *name, double otherwise) {
    const char *said = text(name, NULL);
    return said ? atof(said) : otherwise;
}

static int world_is(const char *name) {
    return !strcmp(text("GPU_WORLD", "timeslice"), name);
}

static double draws(const struct client *c) {
    return c->after && c->done >= c->after ? c->then_watts : c->watts;
}

/* The x of a kernel in the world mps. */
static double saturating(const struct client *c) {
    return draws(c) / (number("GPU_SATURATION", 600) - draws(c));
}

static void run_at_once(int running) {
    double together = 0;
    for EACH_OPEN(c) together += c->busy_left > 0 ? saturating(c) : 0;
    for EACH_OPEN(c) {
        if (c->busy_left <= 0) continue;
        c->share = 1;
        c->speed = pow(running, -number("GPU_MPS_EXPONENT", 0.7));
        c->power = number("GPU_SATURATION", 600) / (1 + together) * saturating(c);
    }
}

static void run_in_turn(int running, int with_kernels) {
    int contend = world_is("contend") && with_kernels > 1;
    double power = pow(clock_share, number("GPU_POWER_EXPONENT", 1));
    double speed = pow(clock_share, number("GPU_SPEED_EXPONENT", 0.5));
    for EACH_OPEN(c) {
        if (c->busy_left <= 0) continue;
        c->share = 1.0 / running;
        c->speed = c->share * speed * (contend ? c->speed_factor : 1);
        c->power = c->share * power * draws(c) * (contend ? c->power_factor : 1);
    }
}

/* Power, speed and share of each client up to the next event; how many kernels run. */
static int run_kernels(void) {
    int running = 0, with_kernels = 0;
    for EACH_OPEN(c) {
        running += c->busy_left > 0;
        with_kernels += c->works && c->busy > 0;
        c->power = c->speed = c->share = 0;
    }
    if (world_is("mps")) run_at_once(running);
    else run_in_turn(running, with_kernels);
    return running;
}

/* Seconds until a kernel or a host time ends; `most` at most. */
static double next_end(double most) {
    for EACH_OPEN(c) {
        if (c->busy_left > 0) most = fmin(most, c->busy_left / c->speed);
        else if (c->host_left > 0) most = fmin(most, c->host_left);
    }
    return most;
}

/* So many seconds, in which nothing ends before their end. */
static void pass(double seconds, int running) {
    double kernels = 0;
    int open = 0;
    for EACH_OPEN(c) {
        open = 1;
        kernels += c->power * seconds;
        c->joules += c->power * seconds;
        c->busy_seconds += c->share * seconds;
        c->window_busy += c->share * seconds;
        c->context_seconds += seconds;
        if (c->busy_left > 0) c->busy_left -= c->speed * seconds;
        else c->host_left -= seconds;
    }
    double unused = number("GPU_IDLE", 70) * seconds;
    double held = open * number("GPU_CONTEXT", 40) * seconds;
    sums.idle += unused;
    sums.context += held;
    sums.total += unused + held + kernels;
    sums.busy += running ? seconds : 0;
    sums.seconds += seconds;
}

static void begin_unit(struct client *c) {
    c->works = !c->units || c->done < c->units;
    c->busy_left = c->works ? c->busy : 0;
    c->host_left = c->works ? c->host : 0;
}

static void end_units(void) {
    const double least = 1e-9;
    for EACH_OPEN(c) {
        if (c->busy_left <= least) c->busy_left = 0;
        if (!c->works || c->busy_left > 0 || c->host_left > least) continue;
        c->done++;
        begin_unit(c);
        send(c->socket, &c->done, sizeof c->done, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}
