/* A training of any kind, as a stand-in: it notes who it is and what it starts, and trains nothing.
 *
 *     training [--kind KIND] [--seconds S] [--sometimes S] [--trees N] [--notes FILE]
 *              [--run NAME] [ANYTHING…]
 *
 * It starts N trees of its KIND, lives for so many seconds (one of three, by their pid, for those
 * of --sometimes where they are not 0) and exits with 0. FILE: else $NOTES. Each
 * process appends a line: "WHAT RUN JOB PID TICKS SECONDS", where TICKS is its start time as
 * /proc/PID/stat tells it, and SECONDS is CLOCK_MONOTONIC at its first instant (WHAT main, child)
 * or its last one (end). Kinds, where a tree is:
 *
 *     plain    a child               ignores  a child; all of it ignores TERM, INT and HUP
 *     setsid   in its own session    daemon   forked twice, in its own session
 *     nohup    through nohup(1)      pool     eight workers and what they wait for
 *     stopped  one stopped child in this session, and one in its own
 *     forks    a child that forks and exits each ten milliseconds, in its own session
 *     empty    a daemon with an empty environment
 *     none     nothing
 *
 * and two that are no trainings: `stranger` notes each signal that it gets ("signal N" as WHAT);
 * `crowd` is N sleeping processes that die with their parent. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *kind = "plain", *notes, *run, *job;
static char self[4096];
static int is_child;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static long long ticks(void) {
    char text[1024];
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (size <= 0) return -1;
    text[size] = 0;
    char *field = strrchr(text, ')');
    for (int i = 2; field && i < 22; i++) field = strchr(field + 1, ' ');
    return field ? atoll(field) : -1;
}

static void note(const char *what, double seconds) {
    char line[512];
    int size = snprintf(line, sizeof line, "%s %s %s %d %lld %.6f\n", what, run, job,
                        (int)getpid(), ticks(), seconds);
    int file = notes ? open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (file < 0) return;
    if (write(file, line, size) != size) abort();
    close(file);
}

static void rest(void) {
    for (;;) pause();
}

static void doze(double seconds) {
    double left, due = now() + seconds;
    while ((left = due - now()) > 0) {
        struct timespec t = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
        nanosleep(&t, NULL);
    }
}

/* 0 in the child, as fork(2); the parent goes on once the child has noted itself. */
static pid_t child(int own_session) {
    int ready[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC)) abort();
    pid_t pid = fork();
    if (pid < 0) abort();
    if (pid == 0) {
        is_child = 1;
        if (own_session) setsid();
        note("child", now());
        close(ready[0]);
    }
    close(ready[1]);
    if (pid && read(ready[0], &byte, 1)) abort();
    if (pid) close(ready[0]);
    return pid;
}

static void again(char *const environment[], char *const before) {
    char *const arguments[] = {before ? before : self, before ? self : "--again", "--kind", "rest",
                               "--notes", (char *)notes, "--run", (char *)run, NULL};
    if (before)
        execvpe(before, arguments, environment);
    else
        execve(self, arguments, environment);
    _exit(127);
}

static void daemonized(int empty) {
    char *const nothing[] = {NULL};
    pid_t middle = fork();
    if (middle < 0) abort();
    if (middle) {
        waitpid(middle, NULL, 0);
        return;
    }
    is_child = 1;
    setsid();
    if (child(0)) _exit(0);
    if (empty) again(nothing, NULL);
    rest();
}

static void chain(void) {
    signal(SIGTERM, SIG_IGN);
    for (;;) {
        doze(0.01);
        pid_t next = fork();
        if (next > 0) _exit(0);
    }
}

static int is(const char *name) {
    return !strcmp(kind, name);
}

static void tree(void) {
    if (is("none")) return;
    if (is("daemon") || is("empty")) {
        daemonized(is("empty"));
    } else if (is("nohup")) {
        if (!child(0)) again(environ, "nohup");
    } else if (is("forks")) {
        if (!child(1)) chain();
    } else if (is("stopped")) {
        for (int own = 0; own < 2; own++)
            if (!child(own)) {
                raise(SIGSTOP);
                rest();
            }
    } else if (is("pool")) {
        if (child(0)) return;
        for (int i = 0; i < 8; i++)
            if (!child(0)) rest();
        for (;;)
            if (wait(NULL) < 0) rest();
    } else if (!child(is("setsid"))) {
        rest();
    }
}

static void told(int number) {
    char what[32];
    snprintf(what, sizeof what, "signal-%d", number);
    note(what, now());
}

int main(int argc, char **argv) {
    double began = now(), seconds = 0.3, sometimes = 0;
    int trees = 1;
    notes = getenv("NOTES");
    run = getenv("ENERGYCTL_RUN");
    job = getenv("ENERGYCTL_JOB");
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 2;
    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], "--kind")) kind = argv[i + 1];
        if (!strcmp(argv[i], "--seconds")) seconds = atof(argv[i + 1]);
        if (!strcmp(argv[i], "--sometimes")) sometimes = atof(argv[i + 1]);
        if (!strcmp(argv[i], "--trees")) trees = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--notes")) notes = argv[i + 1];
        if (!strcmp(argv[i], "--run")) run = argv[i + 1];
    }
    if (sometimes > 0 && getpid() % 3 == 0) seconds = sometimes;
    run = run && *run ? run : "-";
    job = job && *job ? job : "-";
    if (is("rest")) {
        note("child", began);
        rest();
    }
    if (is("stranger")) {
        for (int number = 1; number < SIGSYS; number++)
            if (number != SIGKILL && number != SIGSTOP) signal(number, told);
        note("main", began);
        rest();
    }
    if (is("crowd")) {
        for (int i = 0; i < trees; i++)
            if (!fork()) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() == 1) _exit(1);
                rest();
            }
        note("main", began);
        rest();
    }
    note("main", began);
    if (is("ignores")) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
    }
    for (int i = 0; i < trees; i++) tree();
    doze(seconds - (now() - began));
    note("end", now());
    _exit(0);
}
