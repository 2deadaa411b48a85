/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of transfers: rates, bars for windows of any size, lines for logs. */
#include "cli/bars.h"

#include "cli/plain.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND        INT64_C(1000000000)
#define MB            UINT64_C(1000000)
#define DIGEST(digit) "sha256:" digit "123456789abcdef"

/* ---- rate ---- */

/* Feeds so many samples, `step` apart, of bytes a second. Returns the time of the last. */
static int64_t feed(struct rate *rate, int64_t now, int64_t step, int count, uint64_t per_second)
{
	uint64_t bytes = rate->bytes;

	for (int i = 0; i < count; i++) {
		now += step;
		bytes += (uint64_t)((double)per_second * (double)step / (double)SECOND);
		rate_update(rate, bytes, now);
	}
	return now;
}

static void assert_about(double value, double wanted)
{
	if (value < wanted * 0.98 || value > wanted * 1.02)
		fail_msg("%g is not about %g", value, wanted);
}

static void test_rate_of_a_steady_line(void **state)
{
	struct rate rate = {0};
	int64_t now = SECOND;

	rate_update(&rate, 500 * MB, now);
	assert_true(rate_per_second(&rate) == 0);
	/* What was there before does not count, and the first sample is as good as the hundredth. */
	now = feed(&rate, now, SECOND / 10, 1, 10 * MB);
	assert_about(rate_per_second(&rate), 10e6);
	now = feed(&rate, now, SECOND / 10, 100, 10 * MB);
	assert_about(rate_per_second(&rate), 10e6);
	/* How often somebody looks does not matter. */
	feed(&rate, now, SECOND / 100, 1000, 10 * MB);
	assert_about(rate_per_second(&rate), 10e6);
}

static void test_rate_smooths_and_follows(void **state)
{
	struct rate rate = {0};
	int64_t now = SECOND;

	rate_update(&rate, 0, now);
	now = feed(&rate, now, SECOND / 10, 100, 10 * MB);
	now = feed(&rate, now, SECOND / 10, 1, 100 * MB);
	assert_true(rate_per_second(&rate) < 15e6);
	now = feed(&rate, now, SECOND / 10, 300, 100 * MB);
	assert_about(rate_per_second(&rate), 100e6);
	/* A line that stands still comes to nothing. */
	feed(&rate, now, SECOND / 10, 600, 0);
	assert_true(rate_per_second(&rate) < 1e4);
}

static void test_rate_of_a_new_beginning(void **state)
{
	struct rate rate = {0};

	rate_update(&rate, 50 * MB, SECOND);
	rate_update(&rate, 60 * MB, 2 * SECOND);
	rate_update(&rate, 0, 3 * SECOND);
	assert_about(rate_per_second(&rate), 10e6);
	rate_update(&rate, 10 * MB, 4 * SECOND);
	assert_about(rate_per_second(&rate), 10e6);
}

static void test_time_left(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} times[] = {{-1, ""}, {0, "0s"}, {59, "59s"}, {65, "1m05s"}, {3599, "59m59s"}, {7380, "2h03m"}};

	for (size_t i = 0; i < COUNT(times); i++) {
		_text_ char *text = rate_time(times[i].seconds);

		assert_string_equal(text, times[i].text);
	}
	assert_int_equal(rate_seconds_left(10e6, 100 * MB), 10);
	assert_int_equal(rate_seconds_left(0, 1), -1);
	assert_int_equal(rate_seconds_left(1, UINT64_MAX), -1);
}

/* ---- bars ---- */

static const struct cor_transfer five[] = {
	{DIGEST("a"), 0, 1500, COR_TRANSFER_EXISTS},
	{DIGEST("b"), 15 * MB, 30 * MB, COR_TRANSFER_RUNNING},
	{DIGEST("c"), 120 * MB, 120 * MB, COR_TRANSFER_DONE},
	{DIGEST("d"), 0, 700, COR_TRANSFER_WAITING},
	{DIGEST("e"), 9 * MB, 9 * MB, COR_TRANSFER_UNPACKING},
};

static void render(struct words *lines, const struct cor_transfer *transfers, size_t count, unsigned rows,
		   unsigned columns, bool push)
{
	struct rate rates[100] = {0};
	struct bars bars = {transfers, rates, count, push, rows, columns};

	/* The second one goes at 1 MB a second. */
	rates[1] = (struct rate){.sum = 1e6, .weight = 1};
	bars_lines(&bars, lines);
}

static void test_bars_of_a_usual_window(void **state)
{
	static const char *const wanted[] = {
		"a123456789ab  here already",
		"b123456789ab  downloading    [=======>       ]   15 MB/30 MB   1.0 MB/s     15s",
		"c123456789ab  done           [===============]  120 MB/120 MB",
		"d123456789ab  waiting",
		"e123456789ab  unpacking      [===============]  9.0 MB/9.0 MB",
	};
	_words_ struct words lines = {0};

	render(&lines, five, COUNT(five), 24, 80, false);
	assert_int_equal(lines.count, COUNT(wanted));
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_string_equal(lines.items[i], wanted[i]);
}

static void test_words_of_a_push(void **state)
{
	static const struct cor_transfer two[] = {{DIGEST("a"), 0, 5, COR_TRANSFER_MOUNTED},
						  {DIGEST("b"), 1, 5, COR_TRANSFER_RUNNING},
						  {DIGEST("c"), 0, 5, COR_TRANSFER_EXISTS}};
	_words_ struct words lines = {0};

	render(&lines, two, COUNT(two), 24, 80, true);
	assert_string_equal(lines.items[0], "a123456789ab  mounted");
	assert_non_null(strstr(lines.items[1], "  uploading "));
	assert_string_equal(lines.items[2], "c123456789ab  there already");
}

/* Whatever the window, nothing is wider than it, and the cursor has a row. */
static void test_bars_fit_every_window(void **state)
{
	for (unsigned columns = 1; columns < 250; columns++)
		for (unsigned rows = 1; rows < 8; rows++) {
			_words_ struct words lines = {0};

			render(&lines, five, COUNT(five), rows, columns, false);
			assert_true(lines.count > 0);
			assert_true(lines.count <= (rows > 1 ? rows - 1 : 1));
			for (size_t i = 0; i < lines.count && columns > 1; i++)
				assert_true(strlen(lines.items[i]) < columns);
		}
}

static void test_a_narrow_window_loses_the_least_first(void **state)
{
	static const struct {
		unsigned columns;
		const char *there, *gone;
	} windows[] = {{80, "15s", NULL},
		       {70, "1.0 MB/s", "15s"},
		       {60, "=>", "1.0 MB/s"},
		       {45, "15 MB", "["},
		       {38, "downloading", "15 MB"}};

	for (size_t i = 0; i < COUNT(windows); i++) {
		_words_ struct words lines = {0};

		render(&lines, five, COUNT(five), 24, windows[i].columns, false);
		assert_non_null(strstr(lines.items[1], windows[i].there));
		if (windows[i].gone)
			assert_null(strstr(lines.items[1], windows[i].gone));
	}
}

static void test_a_low_window_shows_what_moves_and_a_sum(void **state)
{
	_words_ struct words lines = {0}, lower = {0};

	render(&lines, five, COUNT(five), 5, 80, false);
	assert_int_equal(lines.count, 4);
	assert_int_equal(lines.items[0][0], 'b');
	assert_int_equal(lines.items[1][0], 'd');
	assert_int_equal(lines.items[2][0], 'e');
	/* 144 of 159 MB; what was here already does not count. */
	assert_non_null(strstr(lines.items[3], "2 of 5 done"));
	assert_non_null(strstr(lines.items[3], "144 MB/159 MB  1.0 MB/s     15s"));
	render(&lower, five, COUNT(five), 3, 80, false);
	assert_int_equal(lower.count, 2);
	assert_int_equal(lower.items[0][0], 'b');
	assert_non_null(strstr(lower.items[1], "2 of 5 done"));
}

/* What a registry says may be nonsense. */
static void test_nonsense_is_drawn_harmlessly(void **state)
{
	static const struct cor_transfer odd[] = {{"\033[2Jevil", 7, 3, COR_TRANSFER_RUNNING},
						  {DIGEST("b"), 0, 0, COR_TRANSFER_RUNNING},
						  {DIGEST("c"), UINT64_MAX, UINT64_MAX, COR_TRANSFER_RUNNING},
						  {DIGEST("d"), UINT64_MAX, UINT64_MAX, COR_TRANSFER_DONE}};
	_words_ struct words lines = {0}, sum = {0};

	render(&lines, odd, COUNT(odd), 24, 80, false);
	assert_int_equal(lines.count, COUNT(odd));
	for (size_t i = 0; i < lines.count; i++) {
		assert_null(strchr(lines.items[i], '\033'));
		assert_true(strlen(lines.items[i]) < 80);
	}
	render(&sum, odd, COUNT(odd), 2, 80, false);
	assert_int_equal(sum.count, 1);
}

/* ---- lines ---- */

/* What is said of a transfer in this state at this time; the caller's. */
static char *said(struct plain *plain, enum cor_transfer_state state, uint64_t done, int64_t now)
{
	struct cor_transfer transfer = {DIGEST("a"), done, 30 * MB, state};
	struct rate rate = {.sum = 2e6, .weight = 1};
	struct words lines = {0};
	char *text;

	plain_lines(plain, &transfer, &rate, false, now, &lines);
	assert_true(lines.count <= 1);
	text = text_copy(lines.count ? lines.items[0] : "");
	words_release(&lines);
	return text;
}

static void assert_said(struct plain *plain, enum cor_transfer_state state, uint64_t done, int64_t now,
			const char *wanted)
{
	_text_ char *text = said(plain, state, done, now);

	assert_string_equal(text, wanted);
}

static void test_lines_of_a_usual_transfer(void **state)
{
	struct plain plain = {0};

	assert_said(&plain, COR_TRANSFER_WAITING, 0, SECOND, "");
	assert_said(&plain, COR_TRANSFER_RUNNING, 0, SECOND, "a123456789ab: downloading 30 MB");
	assert_said(&plain, COR_TRANSFER_RUNNING, 10 * MB, 5 * SECOND, "");
	assert_said(&plain, COR_TRANSFER_RUNNING, 10 * MB, 6 * SECOND,
		    "a123456789ab: 10 MB of 30 MB, 2.0 MB/s, 10s left");
	assert_said(&plain, COR_TRANSFER_RUNNING, 11 * MB, 7 * SECOND, "");
	assert_said(&plain, COR_TRANSFER_UNPACKING, 30 * MB, 7 * SECOND, "a123456789ab: unpacking");
	assert_said(&plain, COR_TRANSFER_UNPACKING, 30 * MB, 20 * SECOND, "");
	assert_said(&plain, COR_TRANSFER_DONE, 30 * MB, 20 * SECOND, "a123456789ab: done");
	assert_said(&plain, COR_TRANSFER_DONE, 30 * MB, 40 * SECOND, "");
}

static void test_lines_of_what_goes_on(void **state)
{
	struct plain plain = {0}, here = {0};

	assert_said(&plain, COR_TRANSFER_RUNNING, 10 * MB, SECOND,
		    "a123456789ab: downloading 30 MB, of which 10 MB came before");
	assert_said(&here, COR_TRANSFER_EXISTS, 0, SECOND, "a123456789ab: here already");
	assert_said(&here, COR_TRANSFER_UNPACKING, 0, SECOND, "a123456789ab: unpacking");
	assert_said(&here, COR_TRANSFER_EXISTS, 0, SECOND, "a123456789ab: done");
	assert_said(&here, COR_TRANSFER_EXISTS, 0, SECOND, "");
}

/* A line that breaks all the time does not fill the log, one that stays broken is told. */
static void test_lines_of_a_broken_line(void **state)
{
	struct plain plain = {0};
	int said_of_retries = 0;

	assert_said(&plain, COR_TRANSFER_RUNNING, 0, SECOND, "a123456789ab: downloading 30 MB");
	for (int i = 0; i < 200; i++) {
		bool breaks = i % 2;
		_text_ char *text = said(&plain, breaks ? COR_TRANSFER_RETRYING : COR_TRANSFER_RUNNING, MB,
					 SECOND + (i + 1) * SECOND / 10);

		said_of_retries += *text != '\0';
	}
	assert_in_range(said_of_retries, 3, 4);
	assert_said(&plain, COR_TRANSFER_RUNNING, MB, 60 * SECOND,
		    "a123456789ab: 1.0 MB of 30 MB, 2.0 MB/s, 15s left");
	assert_said(&plain, COR_TRANSFER_RETRYING, MB, 61 * SECOND, "");
	assert_said(&plain, COR_TRANSFER_RETRYING, MB, 66 * SECOND, "a123456789ab: retrying");
	assert_said(&plain, COR_TRANSFER_RETRYING, MB, 90 * SECOND, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_of_a_steady_line),
		cmocka_unit_test(test_rate_smooths_and_follows),
		cmocka_unit_test(test_rate_of_a_new_beginning),
		cmocka_unit_test(test_time_left),
		cmocka_unit_test(test_bars_of_a_usual_window),
		cmocka_unit_test(test_words_of_a_push),
		cmocka_unit_test(test_bars_fit_every_window),
		cmocka_unit_test(test_a_narrow_window_loses_the_least_first),
		cmocka_unit_test(test_a_low_window_shows_what_moves_and_a_sum),
		cmocka_unit_test(test_nonsense_is_drawn_harmlessly),
		cmocka_unit_test(test_lines_of_a_usual_transfer),
		cmocka_unit_test(test_lines_of_what_goes_on),
		cmocka_unit_test(test_lines_of_a_broken_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
