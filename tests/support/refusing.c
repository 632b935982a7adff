/* Preloaded, it refuses as many of the next calls of io_uring_enter(2) as `refusals` says, as a
   kernel does that is out of memory. Calls that wait for completions are not the driver's but the
   loop's, which has a ring of its own. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>

#define IO_URING_ENTER 426
#define MIN_COMPLETE 2

int refusals;

long syscall(long number, ...) {
    static long (*real)(long, ...);
    long given[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        given[i] = va_arg(list, long);
    va_end(list);
    if (number == IO_URING_ENTER && (int)given[MIN_COMPLETE] == 0 && refusals > 0) {
        refusals--;
        errno = EAGAIN;
        return -1;
    }
    if (!real)
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
