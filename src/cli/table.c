/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and the words in them. Widths count code points, which is right for the names that we allow; wide scripts in labels may shift a
 * column, and nothing worse. */
#include "cli/table.h"

#include <string.h>

void table_row(struct table *table, const char *const *cells)
{
	for (size_t i = 0; i < table->columns; i++)
		words_take(&table->cells, text_printable(cells[i]));
}

static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Nothing behind the last cell that is not empty, so that a copied line has no tail of blanks. */
static void print_row(char *const *cells, const size_t *widths, size_t columns, FILE *out)
{
	while (columns > 1 && !*cells[columns - 1])
		columns--;
	for (size_t i = 0; i < columns; i++)
		fprintf(out, "%s%*s", cells[i], i == columns - 1 ? 0 : (int)(widths[i] - width(cells[i])) + 3,
			"");
	putc('\n', out);
}

void table_print(const struct table *table, FILE *out)
{
	_text_ size_t *widths = memory_new(table->columns, sizeof(*widths));

	for (size_t i = 0; i < table->cells.count; i++) {
		size_t *w = &widths[i % table->columns], n = width(table->cells.items[i]);

		*w = n > *w ? n : *w;
	}
	for (size_t i = 0; i < table->cells.count; i += table->columns)
		print_row(table->cells.items + i, widths, table->columns, out);
}

void table_release(struct table *table)
{
	words_release(&table->cells);
}

char *table_ago(int64_t then_ns, int64_t now_ns)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{31536000, "year"}, {2592000, "month"}, {604800, "week"},
		     {86400, "day"},     {3600, "hour"},     {60, "minute"}};
	int64_t seconds = (now_ns - then_ns) / INT64_C(1000000000);

	if (then_ns == 0)
		return text_copy("never");
	if (seconds < 1)
		return text_copy("just now");
	for (size_t i = 0; i < COUNT(units); i++) {
		/* From two units on, as people say "90 minutes" rather than "1 hour". */
		if (seconds >= 2 * units[i].seconds)
			return text_format("%lld %ss ago", (long long)(seconds / units[i].seconds),
					   units[i].name);
	}
	return text_format("%lld second%s ago", (long long)seconds, seconds == 1 ? "" : "s");
}

char *table_size(uint64_t bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
	double value = (double)bytes / 1000;
	size_t i = 0;

	if (bytes < 1000)
		return text_format("%u B", (unsigned)bytes);
	for (; value >= 999.5 && i < COUNT(units) - 1; i++)
		value /= 1000;
	return text_format(value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[i]);
}
