/* The waves of waveform.py: watts and exact joules as functions of Unix time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wave {
    char shape; /* c(onstant), s(quare), r(amp) */
    double low, high, period, duty, phase;
};

static inline struct wave wave_parse(const char *spec) {
    char shape[16] = "";
    double n[5] = {0, 0, 0, 0, 0};
    int read = sscanf(spec, "%15s %lf %lf %lf %lf %lf", shape, n, n + 1, n + 2, n + 3, n + 4) - 1;
    struct wave w = {shape[0], n[0], n[1], 1, 0.5, 0};
    if (w.shape == 'c' && read >= 1) {
        w.high = w.low;
    } else if (w.shape == 's' && read >= 2) {
        if (read > 2) w.period = n[2];
        if (read > 3) w.duty = n[3];
        w.phase = n[4];
    } else if (w.shape == 'r' && read >= 2) {
        w.period = read > 2 ? n[2] : 60;
        w.phase = n[3];
    } else {
        fprintf(stderr, "no such wave: %s\n", spec);
        exit(2);
    }
    return w;
}

static inline double wave_split(const struct wave *w, double t, double *inside) {
    double shifted = t - w->phase * w->period, periods = floor(shifted / w->period);
    *inside = shifted - periods * w->period;
    return periods;
}

static inline double wave_watts_inside(const struct wave *w, double inside) {
    double share = 2 * inside / w->period;
    switch (w->shape) {
    case 's': return inside < w->duty * w->period ? w->high : w->low;
    case 'r': return w->low + (w->high - w->low) * fmin(share, 2 - share);
    default: return w->low;
    }
}

static inline double wave_joules_inside(const struct wave *w, double inside) {
    double half = w->period / 2, busy = fmin(inside, w->duty * w->period);
    switch (w->shape) {
    case 's': return busy * w->high + (inside - busy) * w->low;
    case 'r':
        if (inside <= half) return inside * (w->low + wave_watts_inside(w, inside)) / 2;
        return half * (w->low + w->high) / 2
            + (inside - half) * (w->high + wave_watts_inside(w, inside)) / 2;
    default: return inside * w->low;
    }
}

static inline double wave_watts(const struct wave *w, double t) {
    double inside;
    wave_split(w, t, &inside);
    return wave_watts_inside(w, inside);
}

static inline double wave_joules(const struct wave *w, double start, double end) {
    double inside, until;
    double first = wave_split(w, start, &inside), last = wave_split(w, end, &until);
    return (last - first) * wave_joules_inside(w, w->period)
        + wave_joules_inside(w, until) - wave_joules_inside(w, inside);
}

static inline double unix_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
