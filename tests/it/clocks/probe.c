// Prints what the clocks of a process say, in microseconds: three ways to ask for the wall
// clock, and two monotonic ones.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

static long long micros(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

int main(void) {
    struct timeval day;
    gettimeofday(&day, NULL);
    printf("%lld %lld %lld ", micros(CLOCK_REALTIME), day.tv_sec * 1000000LL + day.tv_usec, time(NULL) * 1000000LL);
    printf("%lld %lld\n", micros(CLOCK_MONOTONIC), micros(CLOCK_BOOTTIME));
}
