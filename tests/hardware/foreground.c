/* foreground SECONDS MARKS: sleeps, and leaves the Unix times (ns) of its first and last instants.
 * A third line is by how many ns it woke too late. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    long long start = ns(CLOCK_REALTIME), due = ns(CLOCK_MONOTONIC) + llround(atof(argv[1]) * 1e9);
    struct timespec until = {due / 1000000000LL, due % 1000000000LL};
    FILE *marks = fopen(argv[2], "w");
    if (!marks) return 2;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
    long long late = ns(CLOCK_MONOTONIC) - due;
    fprintf(marks, "%lld\n", start);
    fprintf(marks, "%lld\n%lld\n", ns(CLOCK_REALTIME), late);
    return fclose(marks) != 0;
}
