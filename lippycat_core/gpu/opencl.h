/* The words of the kernels in OpenCL C 1.2. */
typedef uchar lc_u8;
typedef uint lc_u32;
typedef int lc_i32;
typedef long lc_i64;
typedef ulong lc_u64;
#define LC_GLOBAL __global
#define LC_IN(type) __global const type *restrict
#define LC_OUT(type) __global type *restrict
#define LC_FROM(type) __global const type *
#define LC_KERNEL __kernel void
#define LC_HELPER static inline
#define LC_ID ((lc_i32)get_global_id(0))
#define LC_ATOMIC_ADD(place, value) atomic_add((place), (value))
/* Four bytes at any place; devices are little-endian. */
typedef struct { lc_u32 value; } __attribute__((packed)) lc_word;
#define LC_LE32(bytes) (((LC_GLOBAL const lc_word *)(bytes))->value)
