// The few things Swift has no word for: CRC32C by hardware, prefetch, unaligned 8-byte loads for scanners, and the larger of two vectors (SIMD's own
// goes number by number).
// Everything is `static inline`; the .c file exists only because SwiftPM wants one per C target.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#endif

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
// Three blocks of `block` bytes (a multiple of 8) side by side, because the instruction takes three cycles but a new one starts
// every cycle. The states are raw (not inverted); the caller joins them (see CRC32C in Platform).
__attribute__((target("sse4.2")))
static inline void millrace_crc32c_three(const void *data, size_t block, uint32_t *a, uint32_t *b, uint32_t *c) {
    const uint8_t *p = (const uint8_t *)data;
    uint64_t s0 = *a, s1 = *b, s2 = *c;
    for (size_t i = 0; i < block; i += 8) {
        uint64_t w0, w1, w2;
        memcpy(&w0, p + i, 8);
        memcpy(&w1, p + block + i, 8);
        memcpy(&w2, p + 2 * block + i, 8);
        s0 = __builtin_ia32_crc32di(s0, w0);
        s1 = __builtin_ia32_crc32di(s1, w1);
        s2 = __builtin_ia32_crc32di(s2, w2);
    }
    *a = (uint32_t)s0; *b = (uint32_t)s1; *c = (uint32_t)s2;
}
static inline int millrace_has_crc32c(void) { return __builtin_cpu_supports("sse4.2"); }
static inline void millrace_pause(void) { __builtin_ia32_pause(); }
#else
static inline void millrace_crc32c_three(const void *data, size_t block, uint32_t *a, uint32_t *b, uint32_t *c) {
    (void)data; (void)block; (void)a; (void)b; (void)c;
}
static inline void millrace_pause(void) {}
static inline uint32_t millrace_crc32c_hardware(uint32_t crc, const void *data, size_t count) {
    (void)data; (void)count; return crc;
}
static inline int millrace_has_crc32c(void) { return 0; }
#endif

// Which of sixteen bytes are `byte`: bit i for the i-th.
static inline uint32_t millrace_equal16(const void *bytes, uint8_t byte) {
#if defined(__x86_64__)
    typedef char Vector __attribute__((vector_size(16)));
    Vector block;
    memcpy(&block, bytes, 16);
    return (uint32_t)__builtin_ia32_pmovmskb128((Vector)(block == (char)byte));
#else
    const uint8_t *p = (const uint8_t *)bytes;
    uint32_t hits = 0;
    for (int i = 0; i < 16; i++) hits |= (uint32_t)(p[i] == byte) << i;
    return hits;
#endif
}

// Batches come and go by the thousand: what is freed is kept for the next one instead of being given back to the system and faulted in again.
static inline void millrace_keep_freed_memory(void) {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 128 << 20);
#endif
}

// How much a block of the allocator really has.
static inline size_t millrace_usable_size(void *block) { return malloc_usable_size(block); }

// Gives a part of a file back to the disk (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE); its length stays.
extern int fallocate(int, int, off_t, off_t);
static inline int millrace_punch_hole(int descriptor, int64_t offset, int64_t count) { return fallocate(descriptor, 0x02 | 0x01, offset, count); }

// Asks for pages of 2 MiB where a block is large: state that is touched all over then costs fewer faults and fewer misses in the TLB.
static inline void millrace_advise_large(void *block, size_t count) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = (uintptr_t)2 << 20;
    uintptr_t start = ((uintptr_t)block + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)block + count) & ~(page - 1);
    if (end > start) madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)block; (void)count;
#endif
}

// Events of sockets. An event carries a number of the caller's, which tells what it belongs to.
#if defined(__linux__)
enum {
    MILLRACE_READABLE = EPOLLIN, MILLRACE_WRITABLE = EPOLLOUT, MILLRACE_FAILED = EPOLLERR, MILLRACE_HUNG_UP = EPOLLHUP
};
static inline int millrace_watch(int poller, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event;
    event.events = events;
    event.data.u64 = token;
    return epoll_ctl(poller, operation, descriptor, &event);
}
// Takes a connection that waits, without letting it block or leak into other programs (SOCK_NONBLOCK | SOCK_CLOEXEC).
extern int millrace_accept4(int, void *, unsigned int *, int) __asm__("accept4");
static inline int millrace_accept(int listener, void *address, unsigned int *count) {
    return millrace_accept4(listener, address, count, 0x800 | 0x80000);
}
#endif

static inline void millrace_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

static inline uint64_t millrace_load64(const void *address) {
    uint64_t word;
    memcpy(&word, address, 8);
    return word;
}

// Boxes of points in single precision, in whole vectors of four (the random cut forest's). Everything is aligned to 16 bytes.

typedef float millrace_float4 __attribute__((vector_size(16), aligned(16), may_alias));
typedef int32_t millrace_int4 __attribute__((vector_size(16), aligned(16), may_alias));
typedef uint32_t millrace_uint4 __attribute__((vector_size(16), aligned(16), may_alias));

// How far outside a box a point lies, above and below, summed over vectors lane by lane.
typedef struct { millrace_float4 above, below; } millrace_beyond;

/// The larger of two by lane; `b` where one is no number.
static inline __attribute__((always_inline)) millrace_float4 millrace_larger(millrace_float4 a, millrace_float4 b) {
#if defined(__x86_64__)
    return __builtin_ia32_maxps(a, b);
#else
    millrace_int4 is_larger = (millrace_int4)(a > b);
    return (millrace_float4)(((millrace_int4)a & is_larger) | ((millrace_int4)b & ~is_larger));
#endif
}

static inline __attribute__((always_inline)) millrace_float4 millrace_positive(millrace_float4 numbers) {
    const millrace_float4 zero = {0, 0, 0, 0};
    return millrace_larger(numbers, zero);
}

static inline __attribute__((always_inline)) millrace_beyond millrace_beyond_box(
    const void *point, const void *low, const void *high, ptrdiff_t vectors) {
    const millrace_float4 *p = (const millrace_float4 *)point, *l = (const millrace_float4 *)low, *h = (const millrace_float4 *)high;
    millrace_beyond sum = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    for (ptrdiff_t i = 0; i < vectors; i++) {
        sum.above += millrace_positive(p[i] - h[i]);
        sum.below += millrace_positive(l[i] - p[i]);
    }
    return sum;
}

static inline __attribute__((always_inline)) float millrace_beyond_sum(millrace_beyond lanes) {
    millrace_float4 sum = lanes.above + lanes.below;
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/// Keeps `rest` of `own` and adds `part` of `lanes`.
static inline __attribute__((always_inline)) millrace_beyond millrace_beyond_mix(millrace_beyond own, float rest, millrace_beyond lanes, float part) {
    millrace_beyond mixed = {own.above * rest + lanes.above * part, own.below * rest + lanes.below * part};
    return mixed;
}

/// The same into memory, where lanes of a point do not fold (`above`, then `below`, each `vectors` long).
static inline __attribute__((always_inline)) void millrace_beyond_mix_each(
    float part, float rest, const void *point, const void *low, const void *high, void *own, ptrdiff_t vectors) {
    const millrace_float4 *p = (const millrace_float4 *)point, *l = (const millrace_float4 *)low, *h = (const millrace_float4 *)high;
    millrace_float4 *above = (millrace_float4 *)own, *below = above + vectors;
    for (ptrdiff_t i = 0; i < vectors; i++) {
        above[i] = above[i] * rest + millrace_positive(p[i] - h[i]) * part;
        below[i] = below[i] * rest + millrace_positive(l[i] - p[i]) * part;
    }
}

/// For masses (bits 12 to 23 of `steps`, from a root down) what taking out each with one point more moves of its sibling, per point: the most so far, 0 for
/// the root. Reads and writes up to three more than `count`, and at least 17.
static inline __attribute__((always_inline)) void millrace_displacements(const void *steps, ptrdiff_t count, float *displacements) {
    const millrace_float4 zero = {0, 0, 0, 0};
    const uint32_t *step = (const uint32_t *)steps;
    millrace_float4 most = zero;
    displacements[0] = 0;
    // So many in any case: how often a short loop runs is hard to foresee for a processor.
    if (count < 17) count = 17;
    for (ptrdiff_t i = 1; i < count; i += 4) {
        millrace_uint4 above, below;
        memcpy(&above, step + i - 1, 16);
        memcpy(&below, step + i, 16);
        millrace_int4 whole = (millrace_int4)(above >> 12 & 0xFFF), part = (millrace_int4)(below >> 12 & 0xFFF);
        millrace_float4 ratio = __builtin_convertvector(whole - part, millrace_float4) / __builtin_convertvector(part + 1, millrace_float4);
        ratio = millrace_larger(ratio, __builtin_shufflevector(ratio, zero, 4, 0, 1, 2));
        ratio = millrace_larger(ratio, __builtin_shufflevector(ratio, zero, 4, 4, 0, 1));
        ratio = millrace_larger(ratio, most);
        memcpy(displacements + i, &ratio, 16);
        most = __builtin_shufflevector(ratio, ratio, 3, 3, 3, 3);
    }
}

/// The box around two, written to `low` and `high`, which may be those of one of them; returns the sum of its sides.
static inline __attribute__((always_inline)) float millrace_unite(
    void *low, void *high, const void *low_a, const void *high_a, const void *low_b, const void *high_b, ptrdiff_t vectors) {
    const millrace_float4 *la = (const millrace_float4 *)low_a, *ha = (const millrace_float4 *)high_a;
    const millrace_float4 *lb = (const millrace_float4 *)low_b, *hb = (const millrace_float4 *)high_b;
    millrace_float4 *l = (millrace_float4 *)low, *h = (millrace_float4 *)high, sum = {0, 0, 0, 0};
    for (ptrdiff_t i = 0; i < vectors; i++) {
        millrace_int4 lower = (millrace_int4)(lb[i] < la[i]), higher = (millrace_int4)(hb[i] > ha[i]);
        millrace_float4 least = (millrace_float4)(((millrace_int4)lb[i] & lower) | ((millrace_int4)la[i] & ~lower));
        millrace_float4 largest = (millrace_float4)(((millrace_int4)hb[i] & higher) | ((millrace_int4)ha[i] & ~higher));
        l[i] = least;
        h[i] = largest;
        sum += largest - least;
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
