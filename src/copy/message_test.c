/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces that lie in the mailbox: said, heard, and refused where they cannot be. */
#include "copy/message.h"

#include "base/macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FILE_SIZE (MAILBOX_SLOT + MAILBOX_MIN + 1000)

/* A packer whose messages go straight to an unpacker. */
struct line {
	struct copy_packer packer;
	struct copy_unpacker unpacker;
	uint32_t room;
	unsigned pieces;           /* that were left */
	uint64_t left, data, next; /* bytes that came so, and where the next one is to begin */
	struct {
		uint32_t place;
		size_t size;
	} last;
};

static int take_message(void *user, const void *head, size_t head_size, const void *body, size_t body_size,
			struct cor_error *err)
{
	struct line *line = user;
	uint8_t message[COPY_PIECE_MAX + COPY_MESSAGE_SIZE];

	assert_true(head_size + body_size <= sizeof(message));
	memcpy(message, head, head_size);
	if (body_size)
		memcpy(message + head_size, body, body_size);
	return copy_unpack(&line->unpacker, message, head_size + body_size, err);
}

static int leave(void *user, int fd, uint64_t offset, const void *data, size_t size, uint32_t *ret_place,
		 struct cor_error *err)
{
	struct line *line = user;

	if (!line->room)
		return 0;
	line->room--;
	*ret_place = line->last.place = line->pieces++ % MAILBOX_SLOTS * MAILBOX_SLOT;
	line->last.size = size;
	return 1;
}

static int fetch(void *user, uint64_t offset, uint32_t place, size_t size, struct cor_error *err)
{
	struct line *line = user;

	assert_int_equal(offset, line->next);
	assert_int_equal(place, line->last.place);
	assert_int_equal(size, line->last.size);
	line->left += size;
	line->next += size;
	return 0;
}

static int take_entry(void *user, const struct copy_entry *entry, struct cor_error *err)
{
	return 0;
}

static int take_data(void *user, uint64_t offset, const void *data, size_t size, struct cor_error *err)
{
	struct line *line = user;

	assert_int_equal(offset, line->next);
	line->data += size;
	line->next += size;
	return 0;
}

static void make_line(struct line *line, uint32_t room)
{
	*line = (struct line){
		.packer = {.send = take_message, .leave = leave, .user = line},
		.unpacker = {.sink = {.entry = take_entry, .data = take_data, .user = line},
			     .fetch = fetch,
			     .user = line},
		.room = room,
	};
}

static void send_file(struct line *line, size_t size)
{
	const struct copy_entry entry = {.path = "x", .mode = S_IFREG | 0644, .size = size};
	struct copy_sink sink = copy_packer_sink(&line->packer);
	_free_ uint8_t *data = calloc(1, size);

	assert_int_equal(sink.entry(sink.user, &entry, NULL), 0);
	assert_int_equal(sink.data(sink.user, 0, data, size, NULL), 0);
	assert_int_equal(copy_packer_flush(&line->packer, NULL), 0);
	assert_int_equal(line->next, size);
	copy_packer_release(&line->packer);
}

/* The last thousand bytes belong to the second piece, which is large enough. */
static void large_pieces_are_left(void **state)
{
	struct line line;

	make_line(&line, MAILBOX_SLOTS);
	send_file(&line, FILE_SIZE);
	assert_int_equal(line.pieces, 2);
	assert_int_equal(line.left, FILE_SIZE);
}

static void what_has_no_room_goes_in_messages(void **state)
{
	struct line line;

	make_line(&line, 1);
	send_file(&line, FILE_SIZE);
	assert_int_equal(line.left, MAILBOX_SLOT);
	assert_int_equal(line.data, FILE_SIZE - MAILBOX_SLOT);
}

static void small_ones_do_too(void **state)
{
	struct line line;

	make_line(&line, MAILBOX_SLOTS);
	send_file(&line, MAILBOX_MIN - 1);
	assert_int_equal(line.pieces, 0);
}

/* TreeItems{items{left, place}} behind the entry of a file. */
static int take_left(struct line *line, uint64_t size, uint64_t place)
{
	const struct copy_entry entry = {.path = "x", .mode = S_IFREG | 0644, .size = UINT32_MAX};
	struct copy_sink sink = copy_packer_sink(&line->packer);
	uint8_t message[32] = {0x0a, 0, 0x20};
	size_t n = 3;

	assert_int_equal(sink.entry(sink.user, &entry, NULL), 0);
	assert_int_equal(copy_packer_flush(&line->packer, NULL), 0);
	n += copy_put_number(message + n, size);
	message[n++] = 0x28;
	n += copy_put_number(message + n, place);
	message[1] = (uint8_t)(n - 2);
	line->last.place = (uint32_t)place;
	line->last.size = size;
	line->next = 0;
	return copy_unpack(&line->unpacker, message, n, NULL);
}

static void places_are_bounded(void **state)
{
	static const struct {
		uint64_t size, place;
		bool good;
	} cases[] = {
		{MAILBOX_SLOT, 0, true},
		{1, MAILBOX_SIZE - MAILBOX_SLOT, true},
		{MAILBOX_SLOT + 1, 0, false},
		{1, MAILBOX_SIZE, false},
		{1, 1, false},
		{1, UINT64_C(1) << 32, false},
		{UINT64_MAX, 0, false},
		{UINT32_MAX, 0, false},
	};
	struct line line;

	make_line(&line, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(take_left(&line, cases[i].size, cases[i].place) == 0, cases[i].good);
	line.unpacker.fetch = NULL;
	assert_true(take_left(&line, 1, 0) < 0);
	copy_packer_release(&line.packer);
}

/* A message that tells of a thousand would have the host copy gigabytes before it hears anybody. */
static void a_message_has_one_piece(void **state)
{
	static const uint8_t piece[] = {0x0a, 4, 0x20, 1, 0x28, 0},
			     next[] = {0x0a, 6, 0x18, 1, 0x20, 1, 0x28, 0};
	uint8_t message[sizeof(piece) + sizeof(next)];
	struct line line;

	make_line(&line, 0);
	assert_int_equal(take_left(&line, 1, 0), 0);
	assert_int_equal(copy_unpack(&line.unpacker, next, sizeof(next), NULL), 0);
	assert_int_equal(take_left(&line, 1, 0), 0);
	memcpy(message, piece, sizeof(piece));
	memcpy(message + sizeof(piece), next, sizeof(next));
	message[3] = 1;
	line.unpacker.next = line.next = line.left = 0;
	assert_true(copy_unpack(&line.unpacker, message, sizeof(message), NULL) < 0);
	assert_int_equal(line.left, 1);
	copy_packer_release(&line.packer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_pieces_are_left),
		cmocka_unit_test(what_has_no_room_goes_in_messages),
		cmocka_unit_test(small_ones_do_too),
		cmocka_unit_test(places_are_bounded),
		cmocka_unit_test(a_message_has_one_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
