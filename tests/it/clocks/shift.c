// Shows a process another wall clock, for tests of clocks that are wrong.
//
//   cc -shared -fPIC -O2 -o shift.so shift.c -ldl
//   LD_PRELOAD=shift.so STILLFRAME_CLOCK_SHIFT=file program
//
// The file holds how far the clock is ahead: 8 bytes, microseconds, signed. The test turns
// it while the process runs. The monotonic clocks and the times of files stay what they
// are, as they do when somebody sets a clock.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t *shift;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("STILLFRAME_CLOCK_SHIFT");
    if (!path) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
        dprintf(2, "shift: STILLFRAME_CLOCK_SHIFT cannot be mapped\n");
        abort();
    }
    close(fd);
    __atomic_store_n(&shift, mapped, __ATOMIC_RELEASE);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    // Another library may ask before we have begun.
    if (!real_clock_gettime)
        real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, now);
    const int64_t *by = __atomic_load_n(&shift, __ATOMIC_ACQUIRE);
    int wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
    if (result || !wall || !by) return result;
    int64_t micros = __atomic_load_n(by, __ATOMIC_RELAXED);
    int64_t nanos = now->tv_nsec + micros % 1000000 * 1000;
    now->tv_sec += micros / 1000000;
    // C cuts towards 0.
    if (nanos < 0) {
        nanos += 1000000000;
        now->tv_sec--;
    } else if (nanos >= 1000000000) {
        nanos -= 1000000000;
        now->tv_sec++;
    }
    now->tv_nsec = nanos;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    if (into) *into = precise.tv_sec;
    return precise.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0;
}
