/* A CUDA driver without a GPU: memory of the "device" is the process's own, and kernels are the C functions that stand in front of
   this text, with a table `kernels` of their names and numbers of arguments.

   What is put into a stream happens when somebody waits for the stream and not before, in order; only arguments of launches
   are taken at once, as the real driver does it. So a transfer from memory that was used again too early gives wrong hits. */
#include <stdio.h>
#include <stdlib.h>

typedef int CUresult;
typedef uint64_t CUdeviceptr;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NOT_FOUND = 500, LAUNCH_FAILED = 719 };
#define EXPORT __attribute__((visibility("default")))
#define MOST_ARGUMENTS 48
#define MEMORY ((size_t)1 << 28)

typedef struct command {
    struct command *next;
    void *to;
    const void *from; /* both NULL for a launch */
    size_t nbytes;
    int kernel;
    lc_i32 items;
    lc_u64 arguments[MOST_ARGUMENTS];
} command;

typedef struct {
    command *first, *last;
} stream;

static size_t used;
static int context_here; /* its address stands for the one context */
static __thread void *current;

#define NEEDS_CONTEXT \
    if (current != &context_here) return INVALID_CONTEXT

static CUresult append(stream *to, command one)
{
    command *kept = malloc(sizeof one);
    *kept = one;
    kept->next = NULL;
    if (to->last)
        to->last->next = kept;
    else
        to->first = kept;
    to->last = kept;
    return SUCCESS;
}

/* All arguments are passed as 64 bits: so they are in registers and on the stack, whatever the function makes of them. */
typedef lc_u64 a;
typedef void (*any)(a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a,
                    a, a, a, a, a, a, a, a, a, a, a);

static void run(const command *one)
{
    const lc_u64 *x = one->arguments;
    any call = (any)kernels[one->kernel].function;
    for (lc_id = 0; lc_id < one->items; lc_id++)
        call(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15], x[16], x[17],
             x[18], x[19], x[20], x[21], x[22], x[23], x[24], x[25], x[26], x[27], x[28], x[29], x[30], x[31], x[32], x[33],
             x[34], x[35], x[36], x[37], x[38], x[39], x[40], x[41], x[42], x[43], x[44], x[45], x[46], x[47]);
}

EXPORT CUresult cuInit(unsigned flags) { return flags ? INVALID_VALUE : SUCCESS; }
EXPORT CUresult cuDriverGetVersion(int *version) { return *version = 13000, SUCCESS; }
/* NVRTC asks for tables that nobody has described, and goes on without. */
EXPORT CUresult cuGetExportTable(const void **table, const void *id) { return (void)id, *table = NULL, NOT_FOUND; }
EXPORT CUresult cuDeviceGetCount(int *count) { return *count = 2, SUCCESS; }
EXPORT CUresult cuDeviceGet(int *device, int number) { return *device = number, number < 2 ? SUCCESS : INVALID_VALUE; }
EXPORT CUresult cuDeviceGetName(char *name, int length, int device)
{
    return snprintf(name, length, "Pretended GPU %c", 'A' + device), SUCCESS;
}
EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)device;
    if (attribute != 75 && attribute != 76) return INVALID_VALUE; /* compute capability 8.6 */
    return *value = attribute == 75 ? 8 : 6, SUCCESS;
}
EXPORT CUresult cuDevicePrimaryCtxRetain(void **context, int device) { return (void)device, *context = &context_here, SUCCESS; }
EXPORT CUresult cuDevicePrimaryCtxRelease(int device) { return (void)device, SUCCESS; }
EXPORT CUresult cuCtxSetCurrent(void *context) { return current = context, SUCCESS; }
EXPORT CUresult cuCtxGetCurrent(void **context) { return *context = current, SUCCESS; }
EXPORT CUresult cuMemGetInfo(size_t *free_, size_t *total)
{
    NEEDS_CONTEXT;
    return *total = MEMORY, *free_ = MEMORY - used, SUCCESS;
}
EXPORT CUresult cuMemAlloc(CUdeviceptr *address, size_t nbytes)
{
    NEEDS_CONTEXT;
    if (!nbytes) return INVALID_VALUE;
    if (nbytes > MEMORY - used) return OUT_OF_MEMORY;
    size_t *block = malloc(nbytes + 16);
    block[0] = nbytes;
    used += nbytes;
    memset(block + 2, 0xA5, nbytes);
    return *address = (CUdeviceptr)(block + 2), SUCCESS;
}
EXPORT CUresult cuMemFree(CUdeviceptr address)
{
    NEEDS_CONTEXT;
    size_t *block = (size_t *)address - 2;
    used -= block[0];
    memset(block + 2, 0x5A, block[0]);
    return free(block), SUCCESS;
}
EXPORT CUresult cuMemHostAlloc(void **address, size_t nbytes, unsigned flags)
{
    NEEDS_CONTEXT;
    return *address = malloc(nbytes), (flags || !nbytes) ? INVALID_VALUE : SUCCESS;
}
EXPORT CUresult cuMemFreeHost(void *address)
{
    NEEDS_CONTEXT;
    return free(address), SUCCESS;
}
EXPORT CUresult cuStreamCreate(stream **made, unsigned flags)
{
    NEEDS_CONTEXT;
    return *made = calloc(1, sizeof(stream)), flags == 1 ? SUCCESS : INVALID_VALUE;
}
EXPORT CUresult cuStreamDestroy(stream *one) { return free(one), SUCCESS; }
EXPORT CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t nbytes, stream *queue)
{
    NEEDS_CONTEXT;
    return append(queue, (command){.to = (void *)to, .from = from, .nbytes = nbytes});
}
EXPORT CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t nbytes, stream *queue)
{
    NEEDS_CONTEXT;
    return append(queue, (command){.to = to, .from = (const void *)from, .nbytes = nbytes});
}
EXPORT CUresult cuStreamSynchronize(stream *queue)
{
    NEEDS_CONTEXT;
    for (command *one = queue->first, *next; one; one = next) {
        next = one->next;
        if (one->to)
            memcpy(one->to, one->from, one->nbytes);
        else
            run(one);
        free(one);
    }
    queue->first = queue->last = NULL;
    /* PRETENDED_CUDA_FAILS: waits that end well before all fail */
    static int waits;
    const char *fails = getenv("PRETENDED_CUDA_FAILS");
    return fails && ++waits > atoi(fails) ? LAUNCH_FAILED : SUCCESS;
}
EXPORT CUresult cuModuleLoadData(void **module, const void *image)
{
    NEEDS_CONTEXT;
    return *module = &used, memcmp(image, "\177ELF", 4) ? INVALID_VALUE : SUCCESS;
}
EXPORT CUresult cuModuleUnload(void *module) { return module == &used ? SUCCESS : INVALID_VALUE; }
EXPORT CUresult cuModuleGetFunction(void **function, void *module, const char *name)
{
    for (lc_u64 i = 0; module && kernels[i].name; i++)
        if (!strcmp(kernels[i].name, name)) return *function = (void *)(i + 1), SUCCESS;
    return NOT_FOUND;
}
EXPORT CUresult cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                               unsigned shared, stream *queue, void **arguments, void **extra)
{
    NEEDS_CONTEXT;
    if (gy != 1 || gz != 1 || by != 1 || bz != 1 || shared || extra || !gx || bx > 1024) return INVALID_VALUE;
    command one = {.kernel = (int)(lc_u64)function - 1, .items = (lc_i32)(gx * bx)};
    for (int i = 0; i < kernels[one.kernel].count; i++) memcpy(&one.arguments[i], arguments[i], 8);
    return append(queue, one);
}
EXPORT CUresult cuGetErrorName(CUresult status, const char **name)
{
    return *name = status == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR", SUCCESS;
}
EXPORT CUresult cuGetErrorString(CUresult status, const char **text)
{
    return *text = status == LAUNCH_FAILED ? "unspecified launch failure" : status == OUT_OF_MEMORY ? "out of memory" : "an error",
           SUCCESS;
}

static const struct {
    const char *name;
    void *function;
} functions[] = {
#define F(name) {#name, name}
    F(cuInit), F(cuDriverGetVersion), F(cuDeviceGetCount), F(cuDeviceGet), F(cuDeviceGetName), F(cuDeviceGetAttribute),
    F(cuDevicePrimaryCtxRetain), F(cuDevicePrimaryCtxRelease), F(cuCtxSetCurrent), F(cuCtxGetCurrent), F(cuMemGetInfo),
    F(cuMemAlloc), F(cuMemFree), F(cuMemHostAlloc), F(cuMemFreeHost), F(cuStreamCreate), F(cuStreamDestroy),
    F(cuMemcpyHtoDAsync), F(cuMemcpyDtoHAsync), F(cuStreamSynchronize), F(cuModuleLoadData), F(cuModuleUnload),
    F(cuModuleGetFunction), F(cuLaunchKernel), F(cuGetErrorName), F(cuGetErrorString),
};

EXPORT CUresult cuGetProcAddress_v2(const char *symbol, void **function, int version, lc_u64 flags, int *status)
{
    (void)version, (void)flags;
    *function = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i].name, symbol)) *function = functions[i].function;
    if (status) *status = *function ? 0 : 1;
    return *function ? SUCCESS : NOT_FOUND;
}
