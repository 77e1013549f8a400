// The function of the C library that a shim stands before.
#pragma once
#include <dlfcn.h>

#define REAL(name)                                                                                 \
    ({                                                                                             \
        static void *found;                                                                        \
        void *it = __atomic_load_n(&found, __ATOMIC_ACQUIRE);                                      \
        if (!it) {                                                                                 \
            it = dlsym(RTLD_NEXT, #name);                                                          \
            __atomic_store_n(&found, it, __ATOMIC_RELEASE);                                        \
        }                                                                                          \
        (__typeof__(&name))it;                                                                     \
    })
