// SPDX-License-Identifier: GPL-2.0
/* Runs the tests: upu-selftest [--root] [NAME-PART...] [-NAME-PART...]: all, some, not some. */
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define DEADLINE_SECONDS 120	/* UPU_DEADLINE says otherwise: a debug kernel is slow. None with UPU_SOAK */

static struct test *tests, **tail = &tests;

void test_add(struct test *test)
{
	*tail = test;
	tail = &test->next;
}

void test_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# SKIP ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	_exit(TEST_SKIPPED);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# %s:%d: ", file, line);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	_exit(TEST_FAILED);
}

int loops(int quick, int full)
{
	const char *share = getenv("UPU_SOAK");
	int count = quick;

	if (share && *share) {
		count = full * atof(share);
		if (count < quick)
			count = quick;
		printf("# %d rounds\n", count);
		fflush(stdout);
	}
	return count;
}

static uint64_t drawn;

void seed(void)
{
	const char *given = getenv("UPU_SEED");
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	drawn = given && *given ? strtoull(given, NULL, 10) : (uint64_t)time.tv_nsec;
	printf("# UPU_SEED=%llu\n", (unsigned long long)drawn);
	fflush(stdout);
}

/* A linear congruential generator, Knuth's MMIX; its upper half. */
unsigned int pick(unsigned int below)
{
	drawn = drawn * 6364136223846793005ull + 1442695040888963407ull;
	return (drawn >> 33) % below;
}

static int wanted(const struct test *test, char **parts, int root)
{
	int any = 0, named = 0;

	if (test->needs_root != root)
		return 0;
	for (; *parts; parts++) {
		if (**parts == '-') {
			if (strstr(test->name, *parts + 1))
				return 0;
			continue;
		}
		any = 1;
		named |= !!strstr(test->name, *parts);
	}
	return named || !any;
}

int main(int count, char **args)
{
	int number = 0, passed = 0, failed = 0, skipped = 0, root = 0, status;
	struct timespec start, end;
	struct test *test;
	char **parts = args + 1;
	pid_t child;

	(void)count;
	if (*parts && !strcmp(*parts, "--root")) {
		root = 1;
		parts++;
	}
	for (test = tests; test; test = test->next)
		number += wanted(test, parts, root);
	printf("TAP version 13\n1..%d\n", number);
	number = 0;
	for (test = tests; test; test = test->next) {
		if (!wanted(test, parts, root))
			continue;
		fflush(stdout);
		clock_gettime(CLOCK_MONOTONIC, &start);
		child = fork();
		if (!child) {
			setpgid(0, 0);
			if (!getenv("UPU_SOAK"))
				alarm(getenv("UPU_DEADLINE") ? atoi(getenv("UPU_DEADLINE")) :
							       DEADLINE_SECONDS);
			test->run();
			fflush(stdout);
			_exit(TEST_PASSED);
		}
		waitpid(child, &status, 0);
		kill(-child, SIGKILL);		/* its children, if it left any */
		clock_gettime(CLOCK_MONOTONIC, &end);
		number++;
		if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_PASSED) {
			passed++;
			printf("ok %d - %s", number, test->name);
		} else if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED) {
			skipped++;
			printf("ok %d - %s # SKIP", number, test->name);
		} else {
			failed++;
			if (WIFSIGNALED(status))
				printf("# ended by signal %d\n", WTERMSIG(status));
			printf("not ok %d - %s", number, test->name);
		}
		printf(" # %.2f s\n", (end.tv_sec - start.tv_sec) +
		       (end.tv_nsec - start.tv_nsec) / 1e9);
	}
	printf("# %d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed ? 1 : 0;
}
