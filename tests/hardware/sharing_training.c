/* A training on the GPU of shared_gpu.c, as a stand-in. It needs next to no CPU.
 *
 *     sharing_training --name NAME --watts W --busy MS --host MS (--units N | --forever 1)
 *                      [--print-every N] [--then-watts W --after N] [ANYTHING…]
 *
 * A unit of its work is a kernel that takes so many milliseconds on a GPU of its own at the highest
 * clock, and draws W watts more than an open context; then so many milliseconds without a kernel.
 * After so many units (--after) the kernels draw --then-watts. With --busy 0 it holds a context and
 * runs nothing. It prints "epoch K/N" each --print-every units (20), at its end "Accuracy: 91.5".
 * Exit code 3: there is no such GPU, or it is gone. */
#include "shared_gpu.h"

static const char *option(int count, char **arguments, const char *name, const char *otherwise) {
    for (int i = 1; i + 1 < count; i++)
        if (!strcmp(arguments[i], name)) return arguments[i + 1];
    return otherwise;
}

int main(int count, char **arguments) {
#define OPTION(name, otherwise) option(count, arguments, name, otherwise)
    char training[512];
    const char *watts = OPTION("--watts", "200");
    long units = OPTION("--forever", NULL) ? 0 : atol(OPTION("--units", "400"));
    long every = atol(OPTION("--print-every", "20")), done = 0, printed = 0;
    snprintf(training, sizeof training, "%s %s %s %s %s %s %ld", OPTION("--name", "training"),
             watts, OPTION("--then-watts", watts), OPTION("--after", "0"), OPTION("--busy", "20"),
             OPTION("--host", "5"), units);
    int gpu = shared_open(training);
    while (gpu >= 0 && recv(gpu, &done, sizeof done, 0) == sizeof done) {
        for (; printed < done / every; fflush(stdout))
            printf("epoch %ld/%ld\n", ++printed, units / every);
        if (units && done >= units) {
            printf("Accuracy: 91.5\n");
            return 0;
        }
    }
    fprintf(stderr, "sharing_training: there is no GPU to share, or it is gone\n");
    return 3;
}
