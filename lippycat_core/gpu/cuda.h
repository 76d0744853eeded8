/* The words of the kernels in CUDA C++. */
typedef unsigned char lc_u8;
typedef unsigned int lc_u32;
typedef int lc_i32;
typedef long long lc_i64;
typedef unsigned long long lc_u64;
#define LC_GLOBAL
#define LC_IN(type) const type *__restrict__
#define LC_OUT(type) type *__restrict__
#define LC_FROM(type) const type *
#define LC_KERNEL extern "C" __global__ void
#define LC_HELPER static __device__ __forceinline__
#define LC_ID ((lc_i32)(blockIdx.x * blockDim.x + threadIdx.x))
#define LC_ATOMIC_ADD(place, value) atomicAdd((place), (value))
#define LC_LE32(bytes) ((bytes)[0] | ((lc_u32)(bytes)[1] << 8) | ((lc_u32)(bytes)[2] << 16) | ((lc_u32)(bytes)[3] << 24))
