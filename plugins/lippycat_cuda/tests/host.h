/* The words of the kernels in C, for a driver that is none (pretended_libcuda.c). */
#include <stdint.h>
#include <string.h>
typedef uint8_t lc_u8;
typedef uint32_t lc_u32;
typedef int32_t lc_i32;
typedef int64_t lc_i64;
typedef uint64_t lc_u64;
#define LC_GLOBAL
#define LC_IN(type) const type *restrict
#define LC_OUT(type) type *restrict
#define LC_FROM(type) const type *
#define LC_KERNEL void
#define LC_HELPER static inline
static lc_i32 lc_id;
#define LC_ID lc_id
static lc_u32 lc_add(lc_u32 *place, lc_u32 value)
{
    lc_u32 before = *place;
    *place += value;
    return before;
}
#define LC_ATOMIC_ADD(place, value) lc_add((place), (value))
static lc_u32 lc_le32(const lc_u8 *bytes)
{
    lc_u32 word;
    memcpy(&word, bytes, 4);
    return word;
}
#define LC_LE32(bytes) lc_le32(bytes)
