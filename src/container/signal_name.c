/* SPDX-License-Identifier: Apache-2.0 */
/* Signals by name or number, for the guest's kernel: the names are those of Linux, with real-time signals as RTMIN+n and RTMAX-n. */
#include "container/signal_name.h"

#include "base/size.h"
#include "base/str.h"
#include "coracle/container.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>

/* The kernel's own limits; those of the C library leave out the ones that it uses itself. */
#define RT_FIRST 34
#define RT_LAST  64

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"SIGHUP", SIGHUP},       {"SIGINT", SIGINT},     {"SIGQUIT", SIGQUIT},   {"SIGILL", SIGILL},
	{"SIGTRAP", SIGTRAP},     {"SIGABRT", SIGABRT},   {"SIGIOT", SIGABRT},    {"SIGBUS", SIGBUS},
	{"SIGFPE", SIGFPE},       {"SIGKILL", SIGKILL},   {"SIGUSR1", SIGUSR1},   {"SIGSEGV", SIGSEGV},
	{"SIGUSR2", SIGUSR2},     {"SIGPIPE", SIGPIPE},   {"SIGALRM", SIGALRM},   {"SIGTERM", SIGTERM},
	{"SIGSTKFLT", SIGSTKFLT}, {"SIGCHLD", SIGCHLD},   {"SIGCLD", SIGCHLD},    {"SIGCONT", SIGCONT},
	{"SIGSTOP", SIGSTOP},     {"SIGTSTP", SIGTSTP},   {"SIGTTIN", SIGTTIN},   {"SIGTTOU", SIGTTOU},
	{"SIGURG", SIGURG},       {"SIGXCPU", SIGXCPU},   {"SIGXFSZ", SIGXFSZ},   {"SIGVTALRM", SIGVTALRM},
	{"SIGPROF", SIGPROF},     {"SIGWINCH", SIGWINCH}, {"SIGIO", SIGIO},       {"SIGPOLL", SIGIO},
	{"SIGPWR", SIGPWR},       {"SIGSYS", SIGSYS},     {"SIGRTMIN", RT_FIRST}, {"SIGRTMAX", RT_LAST},
};

const char *signal_name(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].number == number)
			return signals[i].name;
	return NULL;
}

/* "RTMIN+3", "RTMAX-2". */
static int parse_real_time(const char *name, int *ret)
{
	bool from_first = strncasecmp(name, "RTMIN+", 6) == 0;
	int64_t distance;

	if (!from_first && strncasecmp(name, "RTMAX-", 6) != 0)
		return -EINVAL;
	if (number_parse(name + 6, 0, RT_LAST - RT_FIRST, &distance) < 0)
		return -EINVAL;
	*ret = from_first ? RT_FIRST + (int)distance : RT_LAST - (int)distance;
	return 0;
}

int cor_signal_parse(const char *text, int *ret_signal)
{
	int64_t number;

	if (str_empty(text))
		return -EINVAL;
	if (number_parse(text, 1, RT_LAST, &number) == 0) {
		*ret_signal = (int)number;
		return 0;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (strcasecmp(text, signals[i].name + 3) != 0)
			continue;
		*ret_signal = signals[i].number;
		return 0;
	}
	return parse_real_time(text, ret_signal);
}
