/* What a GPU that trainings share shows: kept by shared_gpu.c, read by fake_nvml.c. Everybody finds
 * it in the folder FAKE_SHARED: the file `state`, and the socket `trainings` of those that open a
 * context, which lasts as long as their end of it. Times are Unix. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SHARED_CLIENTS = 256, SHARED_SAMPLES = 1024 };

/* Of a process, since it opened its context: as accounting tells it. */
struct shared_account { unsigned pid, running, samples, percents; double start, end; };
struct shared_sample { unsigned pid, percent; double time; };

struct shared_gpu {
    unsigned sequence; /* odd: it is being written */
    double joules, average_watts, instant_watts, limit_watts, clock; /* clock: 1 at its highest */
    unsigned percent, capped, accounting, clients, sampled; /* sampled: how many so far */
    struct shared_account accounts[SHARED_CLIENTS];
    struct shared_sample samples[SHARED_SAMPLES]; /* a ring */
};

static inline void shared_path(char *path, size_t length, const char *name) {
    snprintf(path, length, "%s/%s", getenv("FAKE_SHARED"), name);
}

/* A copy of one moment; NULL where no GPU is shared. */
static inline const struct shared_gpu *shared_gpu(void) {
    static __thread struct shared_gpu copy;
    static const struct shared_gpu *state;
    if (!getenv("FAKE_SHARED")) return NULL;
    if (!state) {
        char path[4096];
        shared_path(path, sizeof path, "state");
        int file = open(path, O_RDONLY | O_CLOEXEC);
        void *mapped = mmap(NULL, sizeof *state, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (mapped == MAP_FAILED) return NULL;
        state = mapped;
    }
    unsigned before;
    do {
        while ((before = __atomic_load_n(&state->sequence, __ATOMIC_ACQUIRE)) & 1) usleep(50);
        memcpy(&copy, state, sizeof copy);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (before != __atomic_load_n(&state->sequence, __ATOMIC_RELAXED));
    return &copy;
}

static inline struct sockaddr_un shared_address(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    shared_path(address.sun_path, sizeof address.sun_path, "trainings");
    return address;
}

/* Opens a context for a training "NAME WATTS SECOND_WATTS AFTER BUSY_MS HOST_MS UNITS", see
 * sharing_training.c; its socket, from which comes the number of units done, or -1. */
static inline int shared_open(const char *training) {
    struct sockaddr_un address = shared_address();
    int opened = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connect(opened, (struct sockaddr *)&address, sizeof address) ||
        send(opened, training, strlen(training) + 1, MSG_NOSIGNAL) < 0) {
        close(opened);
        return -1;
    }
    return opened;
}
