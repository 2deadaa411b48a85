/* SPDX-License-Identifier: Apache-2.0 */
/* The command's strings, and what is built from them alone: tables and guesses at mistyped words. */
#include "cli/text.h"

#include "cli/nearest.h"
#include "cli/table.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_words_of_a_list(void **state)
{
	const char *list = "  one two ";
	_text_ char *one = text_next_word(&list), *two = text_next_word(&list);

	assert_string_equal(one, "one");
	assert_string_equal(two, "two");
	assert_null(text_next_word(&list));
	assert_true(text_among("one two", "two"));
	assert_false(text_among("one two", "tw"));
	assert_false(text_among("one two", ""));
	assert_false(text_among(NULL, "one"));
	list = NULL;
	assert_null(text_next_word(&list));
}

static void test_printable(void **state)
{
	_text_ char *text = text_printable("a\x1b[2J\xc2\x9b\xc3\xa9\x7f\n\xc2");

	/* The last one is half a character: it is nobody's command. */
	assert_string_equal(text, "a?[2J?\xc3\xa9??\xc2");
}

static void test_word_lists(void **state)
{
	_words_ struct words words = {0};

	assert_null(words_list(&words));
	words_add(&words, "a");
	words_take(&words, text_format("%d", 7));
	assert_int_equal(words.count, 2);
	assert_string_equal(words.items[1], "7");
	assert_null(words.items[2]);
}

static const char *guess(const char *word)
{
	static const char *const known[] = {"run", "rm", "start", "stop", "inspect", "images", "memory"};
	struct nearest nearest = {.word = word};

	for (size_t i = 0; i < COUNT(known); i++)
		nearest_offer(&nearest, known[i]);
	return nearest.best ? nearest.best : "";
}

static void test_guesses(void **state)
{
	char longest[200];

	assert_string_equal(guess("rnu"), "run");
	assert_string_equal(guess("strat"), "start");
	assert_string_equal(guess("memroy"), "memory");
	assert_string_equal(guess("inspetc"), "inspect");
	assert_string_equal(guess("imag"), "images");
	assert_string_equal(guess("sto"), "stop");
	assert_string_equal(guess("frob"), "");
	assert_string_equal(guess("x"), "");
	assert_string_equal(guess(""), "");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(guess(longest), "");
}

static void test_ago(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{0, "just now"},           {1, "1 second ago"},       {119, "119 seconds ago"},
		{120, "2 minutes ago"},    {7199, "119 minutes ago"}, {7200, "2 hours ago"},
		{172800, "2 days ago"},    {1209600, "2 weeks ago"},  {5184000, "2 months ago"},
		{63072000, "2 years ago"}, {-50, "just now"},
	};
	const int64_t now = INT64_C(1700000000), second = INT64_C(1000000000);
	_text_ char *never = table_ago(0, now * second);

	assert_string_equal(never, "never");
	for (size_t i = 0; i < COUNT(cases); i++) {
		_text_ char *text = table_ago((now - cases[i].seconds) * second, now * second);

		assert_string_equal(text, cases[i].text);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},         {999, "999 B"},      {1000, "1.0 kB"},
		{9949, "9.9 kB"},   {9951, "10 kB"},     {999499, "999 kB"},
		{999500, "1.0 MB"}, {1234567, "1.2 MB"}, {UINT64_MAX, "18447 PB"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		_text_ char *text = table_size(cases[i].bytes);

		assert_string_equal(text, cases[i].text);
	}
}

static void test_table(void **state)
{
	_table_ struct table table = {.columns = 2};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	table_row(&table, (const char *const[]){"A", "B"});
	table_row(&table, (const char *const[]){"\xc3\xa9t\xc3\xa9", "x\ty"});
	table_row(&table, (const char *const[]){"four", ""});
	table_print(&table, out);
	fclose(out);
	assert_string_equal(text, "A      B\n\xc3\xa9t\xc3\xa9    x?y\nfour\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_a_list),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_word_lists),
		cmocka_unit_test(test_guesses),
		cmocka_unit_test(test_ago),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
