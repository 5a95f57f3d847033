// The few things Swift has no word for: CRC32C by hardware, prefetch, and unaligned 8-byte loads for scanners.
// Everything is `static inline`; the .c file exists only because SwiftPM wants one per C target.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static inline uint32_t millrace_crc32c_hardware(uint32_t crc, const void *data, size_t count) {
    const uint8_t *p = (const uint8_t *)data;
    uint64_t state = (uint32_t)~crc;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = __builtin_ia32_crc32di(state, word);
        p += 8;
        count -= 8;
    }
    while (count-- > 0) state = __builtin_ia32_crc32qi((uint32_t)state, *p++);
    return ~(uint32_t)state;
}
static inline int millrace_has_crc32c(void) { return __builtin_cpu_supports("sse4.2"); }
#else
static inline uint32_t millrace_crc32c_hardware(uint32_t crc, const void *data, size_t count) {
    (void)data; (void)count; return crc;
}
static inline int millrace_has_crc32c(void) { return 0; }
#endif

static inline void millrace_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

static inline uint64_t millrace_load64(const void *address) {
    uint64_t word;
    memcpy(&word, address, 8);
    return word;
}
