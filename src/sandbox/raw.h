/* System calls without libc, for code that shares its address space with the process that cloned it.
 *
 * Between clone(CLONE_VM) and exec a child must not touch errno, locks or thread-local data: they are the
 * parent's. Results are -errno. raw_clone() never returns in the child: it runs `fn` on the given stack, because a
 * child on the parent's stack would overwrite the return address the parent is waiting to use. */
#ifndef SLIPWAY_SANDBOX_RAW_H
#define SLIPWAY_SANDBOX_RAW_H

#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long raw6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long raw_clone(struct clone_args *args, size_t size, int (*fn)(void *), void *arg)
{
	long ret;
	register void *r12 __asm__("r12") = (void *)(uintptr_t)fn;
	register void *r13 __asm__("r13") = arg;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov $60, %%eax\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"((long)SYS_clone3), "D"(args), "S"(size), "r"(r12), "r"(r13)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long raw6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline long raw_clone(struct clone_args *args, size_t size, int (*fn)(void *), void *arg)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = (long)size;
	register void *x19 __asm__("x19") = (void *)(uintptr_t)fn;
	register void *x20 __asm__("x20") = arg;
	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, #0\n\t"
			 "mov x0, x20\n\t"
			 "blr x19\n\t"
			 "mov x8, #93\n\t"
			 "svc #0\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x19), "r"(x20)
			 : "x30", "memory");
	return x0;
}

#else
#error "src/sandbox/raw.h: this architecture is not known; add its system call and clone sequences"
#endif

static inline long raw0(long n)
{
	return raw6(n, 0, 0, 0, 0, 0, 0);
}
static inline long raw1(long n, long a)
{
	return raw6(n, a, 0, 0, 0, 0, 0);
}
static inline long raw2(long n, long a, long b)
{
	return raw6(n, a, b, 0, 0, 0, 0);
}
static inline long raw3(long n, long a, long b, long c)
{
	return raw6(n, a, b, c, 0, 0, 0);
}
static inline long raw5(long n, long a, long b, long c, long d, long e)
{
	return raw6(n, a, b, c, d, e, 0);
}
/* Pointers as arguments. */
#define RAW_P(p) ((long)(uintptr_t)(p))

#endif
