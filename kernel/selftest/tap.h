/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test is a function in a process of its own, with a deadline. TAP goes to standard output.
 *
 *	TEST(name) { CHECK(1 + 1 == 2); }
 *
 * Device access is in device.h, what runs the tests in main.c.
 */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_PASSED = 0, TEST_FAILED = 1, TEST_SKIPPED = 4 };

struct test {
	const char *name;
	void (*run)(void);
	int needs_root;
	struct test *next;
};

void test_add(struct test *test);
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * How often a loop goes round: @quick times, and with UPU_SOAK=SHARE that share of @full (make soak).
 * pick() draws below @below; a test that draws says its seed, and UPU_SEED=SEED draws the same again.
 */
int loops(int quick, int full);
void seed(void);
unsigned int pick(unsigned int below);

#define TEST_(name_, root_)							\
	static void test_##name_(void);						\
	static struct test test_entry_##name_ = { #name_, test_##name_, root_, NULL };	\
	__attribute__((constructor)) static void test_add_##name_(void)		\
	{									\
		test_add(&test_entry_##name_);					\
	}									\
	static void test_##name_(void)

#define TEST(name)	TEST_(name, 0)
#define ROOT_TEST(name)	TEST_(name, 1)

#define FAIL(...)	test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...)	test_skip(__VA_ARGS__)
#define CHECK(x)	do { if (!(x)) FAIL("%s (errno %d)", #x, errno); } while (0)

#define EQUAL(got, want) do {							\
	long long got_ = (long long)(got), want_ = (long long)(want);		\
	if (got_ != want_)							\
		FAIL("%s is %lld (%#llx), not %lld (%#llx); errno %d", #got, got_, got_,	\
		     want_, want_, errno);					\
} while (0)

/* The call fails, with this errno. */
#define ERRNO(call, want) do {							\
	long long ret_;								\
	errno = 0;								\
	ret_ = (long long)(call);						\
	if (ret_ != -1 || errno != (want))					\
		FAIL("%s: returned %lld with errno %d (%s), not %s", #call, ret_, errno,	\
		     strerror(errno), #want);					\
} while (0)

#define OK(call) do {								\
	long long ret_ = (long long)(call);					\
	if (ret_ == -1)								\
		FAIL("%s: errno %d (%s)", #call, errno, strerror(errno));	\
} while (0)

#endif
