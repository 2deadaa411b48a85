/* SPDX-License-Identifier: Apache-2.0 */
/* The two outer levels of a message are written and read here, by hand, so that contents stay where they are; an entry, which is small and has many fields, is
 * left to protobuf-c. */
#include "copy/message.h"

#include "agent.pb-c.h"
#include "base/str.h"
#include "rpc/rpc.h"

#include <errno.h>
#include <sys/stat.h>

#define TAG_ITEM   0x0a /* TreeItems.items */
#define TAG_ENTRY  0x0a /* TreeItem.entry */
#define TAG_DATA   0x12
#define TAG_OFFSET 0x18
#define TAG_LEFT   0x20
#define TAG_PLACE  0x28

#define WIRE_NUMBER 0u
#define WIRE_64     1u
#define WIRE_BYTES  2u
#define WIRE_32     5u

#define NUMBER_MAX 10 /* bytes */

typedef Coracle__Agent__V1__TreeEntry TreeEntry;
typedef Coracle__Agent__V1__ExtendedAttribute ExtendedAttribute;

/* ---- packing ---- */

size_t copy_put_number(uint8_t *out, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		out[n++] = (uint8_t)(value | 0x80);
	out[n++] = (uint8_t)value;
	return n;
}

int copy_packer_flush(struct copy_packer *packer, struct cor_error *err)
{
	size_t size = buffer_size(&packer->message);
	int r = size ? packer->send(packer->user, buffer_bytes(&packer->message), size, NULL, 0, err) : 0;

	buffer_clear(&packer->message);
	return r;
}

void copy_packer_release(struct copy_packer *packer)
{
	buffer_release(&packer->message);
}

static ProtobufCBinaryData text(const char *s)
{
	return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)s, .len = s ? strlen(s) : 0};
}

static void fill_entry(TreeEntry *out, const struct copy_entry *entry)
{
	coracle__agent__v1__tree_entry__init(out);
	out->path = text(entry->path);
	out->mode = entry->mode;
	out->uid = entry->uid;
	out->gid = entry->gid;
	out->mtime = entry->mtime;
	out->mtime_ns = entry->mtime_ns;
	out->size = entry->size;
	out->target = text(entry->target);
	out->hard_link = text(entry->hard_link);
	out->links = entry->links;
	out->major = entry->major;
	out->minor = entry->minor;
	out->inode = entry->inode;
	out->ctime = entry->ctime;
	out->ctime_ns = entry->ctime_ns;
}

static int pack_entry(void *user, const struct copy_entry *entry, struct cor_error *err)
{
	ExtendedAttribute attributes[COPY_ATTRIBUTES_MAX], *pointers[COPY_ATTRIBUTES_MAX];
	struct copy_packer *packer = user;
	size_t count = MIN(entry->attribute_count, (size_t)COPY_ATTRIBUTES_MAX), size, inner;
	uint8_t head[2 * (1 + NUMBER_MAX)];
	TreeEntry packed;
	size_t n = 0;

	fill_entry(&packed, entry);
	for (size_t i = 0; i < count; i++) {
		coracle__agent__v1__extended_attribute__init(&attributes[i]);
		attributes[i].name = (char *)(uintptr_t)entry->attributes[i].name;
		attributes[i].value =
			(ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)entry->attributes[i].value,
					      .len = entry->attributes[i].size};
		pointers[i] = &attributes[i];
	}
	packed.attributes = pointers;
	packed.n_attributes = count;
	size = protobuf_c_message_get_packed_size(&packed.base);
	inner = 1 + copy_put_number(head, size) + size;
	head[n++] = TAG_ITEM;
	n += copy_put_number(head + n, inner);
	head[n++] = TAG_ENTRY;
	n += copy_put_number(head + n, size);
	buffer_append(&packer->message, head, n);
	protobuf_c_message_pack(&packed.base, buffer_reserve(&packer->message, size));
	buffer_commit(&packer->message, size);
	return buffer_size(&packer->message) < COPY_MESSAGE_SIZE ? 0 : copy_packer_flush(packer, err);
}

/* All of a piece's message but the piece. */
static size_t put_piece_head(uint8_t head[COPY_HEAD_MAX], uint64_t offset, size_t size)
{
	uint8_t inner[COPY_HEAD_MAX];
	size_t n = 0, m = 0;

	inner[m++] = TAG_OFFSET;
	m += copy_put_number(inner + m, offset);
	inner[m++] = TAG_DATA;
	m += copy_put_number(inner + m, size);
	head[n++] = TAG_ITEM;
	n += copy_put_number(head + n, m + size);
	memcpy(head + n, inner, m);
	return n + m;
}

static int pack_piece(struct copy_packer *packer, uint64_t offset, const void *data, size_t size,
		      struct cor_error *err)
{
	uint8_t head[COPY_HEAD_MAX];
	size_t n = put_piece_head(head, offset, size);

	/* Small contents go with the entries around them. */
	if (size <= COPY_MESSAGE_SIZE / 8) {
		buffer_append(&packer->message, head, n);
		buffer_append(&packer->message, data, size);
		return buffer_size(&packer->message) < COPY_MESSAGE_SIZE ? 0 : copy_packer_flush(packer, err);
	}
	int r = copy_packer_flush(packer, err);

	return r ?: packer->send(packer->user, head, n, data, size, err);
}

/* Whoever waits for it hears of it at once. */
static int pack_left(struct copy_packer *packer, uint64_t offset, size_t size, uint32_t place,
		     struct cor_error *err)
{
	uint8_t item[COPY_HEAD_MAX], head[2];
	size_t n = 0;

	item[n++] = TAG_OFFSET;
	n += copy_put_number(item + n, offset);
	item[n++] = TAG_LEFT;
	n += copy_put_number(item + n, size);
	item[n++] = TAG_PLACE;
	n += copy_put_number(item + n, place);
	head[0] = TAG_ITEM;
	head[1] = (uint8_t)n;
	buffer_append(&packer->message, head, sizeof(head));
	buffer_append(&packer->message, item, n);
	return copy_packer_flush(packer, err);
}

/* 1 if the piece is in the mailbox. */
static int try_to_leave(struct copy_packer *packer, int fd, uint64_t offset, const void *data, size_t size,
			struct cor_error *err)
{
	uint32_t place = 0;
	int r = packer->leave && size >= MAILBOX_MIN
			? packer->leave(packer->user, fd, offset, data, size, &place, err)
			: 0;

	return r > 0 ? pack_left(packer, offset, size, place, err) ?: 1 : r;
}

static int pack_data(void *user, uint64_t offset, const void *data, size_t size, struct cor_error *err)
{
	struct copy_packer *packer = user;
	const uint8_t *p = data;
	int r = 0;

	while (r >= 0 && size) {
		size_t piece = MIN(size, (size_t)MAILBOX_SLOT);

		r = try_to_leave(packer, -1, offset, p, piece, err);
		if (r == 0) {
			piece = MIN(size, (size_t)COPY_PIECE_MAX);
			r = pack_piece(packer, offset, p, piece, err);
		}
		p += piece;
		offset += piece;
		size -= piece;
	}
	return MIN(r, 0);
}

static int send_range(struct copy_packer *packer, int fd, uint64_t offset, size_t size, struct cor_error *err)
{
	uint8_t head[COPY_HEAD_MAX];
	size_t n = put_piece_head(head, offset, size);
	int r = copy_packer_flush(packer, err);

	return r ?: packer->send_range(packer->user, head, n, fd, offset, size, err);
}

static int pack_range(void *user, uint64_t offset, int fd, size_t size, struct cor_error *err)
{
	struct copy_packer *packer = user;
	int r = 0;

	while (r >= 0 && size) {
		size_t piece = MIN(size, (size_t)MAILBOX_SLOT);

		r = try_to_leave(packer, fd, offset, NULL, piece, err);
		if (r == 0) {
			piece = MIN(size, (size_t)COPY_PIECE_MAX);
			r = send_range(packer, fd, offset, piece, err);
		}
		offset += piece;
		size -= piece;
	}
	return MIN(r, 0);
}

struct copy_sink copy_packer_sink(struct copy_packer *packer)
{
	return (struct copy_sink){.entry = pack_entry,
				  .data = pack_data,
				  .range = packer->send_range ? pack_range : NULL,
				  .user = packer};
}

/* ---- unpacking ---- */

static int corrupt(struct cor_error *err, const char *why)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "a tree of files came broken: %s", why);
}

struct reader {
	const uint8_t *at, *end;
};

static bool get_number(struct reader *reader, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70 && reader->at < reader->end; shift += 7) {
		uint8_t byte = *reader->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

struct field {
	uint64_t tag, number;
	struct reader bytes; /* of a field that has some */
};

/* The next field of a message, of whatever kind. */
static bool get_field(struct reader *reader, struct field *ret)
{
	size_t fixed;

	*ret = (struct field){0};
	if (!get_number(reader, &ret->tag))
		return false;
	switch (ret->tag & 7) {
	case WIRE_NUMBER:
		return get_number(reader, &ret->number);
	case WIRE_BYTES:
		if (!get_number(reader, &ret->number) || ret->number > (uint64_t)(reader->end - reader->at))
			return false;
		ret->bytes = (struct reader){reader->at, reader->at + ret->number};
		reader->at += ret->number;
		return true;
	case WIRE_64:
	case WIRE_32:
		fixed = (ret->tag & 7) == WIRE_64 ? 8 : 4;
		if ((size_t)(reader->end - reader->at) < fixed)
			return false;
		reader->at += fixed;
		return true;
	default:
		return false;
	}
}

/* A copy that ends with a NUL; NULL where the bytes hold one. */
static char *take_text(const ProtobufCBinaryData *bytes)
{
	if (!bytes->len)
		return xstrdup("");
	return memchr(bytes->data, '\0', bytes->len) ? NULL : xstrndup((const char *)bytes->data, bytes->len);
}

static bool type_known(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) ||
	       S_ISFIFO(mode);
}

static int take_attributes(const TreeEntry *entry, struct copy_attribute *attributes, struct cor_error *err)
{
	if (entry->n_attributes > COPY_ATTRIBUTES_MAX)
		return corrupt(err, "too many extended attributes");
	for (size_t i = 0; i < entry->n_attributes; i++) {
		const ExtendedAttribute *a = entry->attributes[i];

		if (str_empty(a->name) || strlen(a->name) > COPY_NAME_MAX || a->value.len > COPY_VALUE_MAX)
			return corrupt(err, "an extended attribute that Linux does not have");
		attributes[i] = (struct copy_attribute){a->name, a->value.data, a->value.len};
	}
	return 0;
}

static int check_entry(const struct copy_entry *entry, struct cor_error *err)
{
	bool link = entry->hard_link != NULL;

	if (!copy_path_valid(entry->path))
		return corrupt(err, "a name that leads elsewhere");
	if (!type_known(entry->mode) || entry->mode & ~(mode_t)(S_IFMT | 07777))
		return corrupt(err, "a file of no known kind");
	if (entry->size > INT64_MAX || (entry->size && !S_ISREG(entry->mode)))
		return corrupt(err, "a size that makes no sense");
	if (entry->mtime_ns > 999999999 || entry->ctime_ns > 999999999)
		return corrupt(err, "a time that makes no sense");
	if (link && (!*entry->hard_link || !copy_path_valid(entry->hard_link) || S_ISDIR(entry->mode)))
		return corrupt(err, "a hard link that leads elsewhere");
	if (S_ISLNK(entry->mode) && !link &&
	    (str_empty(entry->target) || strlen(entry->target) > COPY_PATH_MAX))
		return corrupt(err, "a symbolic link without a target");
	if (entry->uid == UINT32_MAX || entry->gid == UINT32_MAX || entry->major > 0xfff ||
	    entry->minor > 0xfffff)
		return corrupt(err, "an owner or a device that Linux does not have");
	return 0;
}

static int hand_on(struct copy_unpacker *unpacker, const TreeEntry *message, struct cor_error *err)
{
	struct copy_attribute attributes[COPY_ATTRIBUTES_MAX];
	_free_ char *path = take_text(&message->path), *target = take_text(&message->target),
		    *hard_link = take_text(&message->hard_link);
	struct copy_entry entry = {
		.path = path,
		.mode = message->mode,
		.uid = message->uid,
		.gid = message->gid,
		.mtime = message->mtime,
		.mtime_ns = message->mtime_ns,
		.size = message->size,
		.target = target,
		.hard_link = message->hard_link.len ? hard_link : NULL,
		.links = message->links,
		.major = message->major,
		.minor = message->minor,
		.attributes = attributes,
		.attribute_count = message->n_attributes,
		.inode = message->inode,
		.ctime = message->ctime,
		.ctime_ns = message->ctime_ns,
	};
	int r;

	if (!path || !target || !hard_link)
		return corrupt(err, "a name with a NUL in it");
	r = take_attributes(message, attributes, err);
	r = r ?: check_entry(&entry, err);
	if (r < 0)
		return r;
	unpacker->in_file = S_ISREG(entry.mode) && !entry.hard_link;
	unpacker->size = entry.size;
	unpacker->next = 0;
	return unpacker->sink.entry(unpacker->sink.user, &entry, err);
}

static int take_entry(struct copy_unpacker *unpacker, const struct reader *bytes, struct cor_error *err)
{
	ProtobufCMessage *message = rpc_decode(&coracle__agent__v1__tree_entry__descriptor, bytes->at,
					       (size_t)(bytes->end - bytes->at), err);
	int r;

	if (!message)
		return corrupt(err, "an entry is malformed");
	r = hand_on(unpacker, (const void *)message, err);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static int check_piece(struct copy_unpacker *unpacker, uint64_t offset, uint64_t size, struct cor_error *err)
{
	if (!unpacker->in_file || offset < unpacker->next || offset > unpacker->size ||
	    size > unpacker->size - offset)
		return corrupt(err, "contents where none can be");
	unpacker->next = offset + size;
	return 0;
}

static int take_data(struct copy_unpacker *unpacker, uint64_t offset, const struct reader *bytes,
		     struct cor_error *err)
{
	size_t size = (size_t)(bytes->end - bytes->at);
	int r = check_piece(unpacker, offset, size, err);

	return r < 0 || !size ? r : unpacker->sink.data(unpacker->sink.user, offset, bytes->at, size, err);
}

/* Whoever leaves one says so at once: of several in a message, each would cost us what the slot holds, without an end in between. */
static int take_left(struct copy_unpacker *unpacker, uint64_t offset, uint64_t place, uint64_t size,
		     struct cor_error *err)
{
	int r = check_piece(unpacker, offset, size, err);

	if (r < 0)
		return r;
	if (unpacker->fetched)
		return corrupt(err, "a message has more than one piece that was left");
	unpacker->fetched = true;
	if (!unpacker->fetch || size > MAILBOX_SLOT || place >= MAILBOX_SIZE || place % MAILBOX_SLOT)
		return corrupt(err, "a piece that is nowhere");
	return unpacker->fetch(unpacker->user, offset, (uint32_t)place, (size_t)size, err);
}

static int take_item(struct copy_unpacker *unpacker, struct reader item, struct cor_error *err)
{
	struct reader entry = {0}, data = {0};
	struct field field;
	uint64_t offset = 0, left = 0, place = 0;

	while (item.at < item.end) {
		if (!get_field(&item, &field))
			return corrupt(err, "an item is malformed");
		if (field.tag == TAG_ENTRY)
			entry = field.bytes;
		else if (field.tag == TAG_DATA)
			data = field.bytes;
		else if (field.tag == TAG_OFFSET)
			offset = field.number;
		else if (field.tag == TAG_LEFT)
			left = field.number;
		else if (field.tag == TAG_PLACE)
			place = field.number;
	}
	if ((entry.at != NULL) + (data.at != NULL) + (left != 0) > 1)
		return corrupt(err, "an item is two things");
	if (entry.at)
		return take_entry(unpacker, &entry, err);
	if (left)
		return take_left(unpacker, offset, place, left, err);
	return data.at ? take_data(unpacker, offset, &data, err) : 0;
}

int copy_unpack(struct copy_unpacker *unpacker, const uint8_t *data, size_t size, struct cor_error *err)
{
	struct reader reader = {data, data + size};
	struct field field;
	int r = 0;

	if (size > COPY_MESSAGE_MAX)
		return corrupt(err, "a message is too large");
	unpacker->fetched = false;
	while (r == 0 && reader.at < reader.end) {
		if (!get_field(&reader, &field))
			return corrupt(err, "a message is malformed");
		if (field.tag == TAG_ITEM)
			r = take_item(unpacker, field.bytes, err);
	}
	return r;
}
