/* SPDX-License-Identifier: Apache-2.0 */
/* join_network DATA RUN REQUEST ID NAME [times N]: joins a network as a shim does, without a machine; prints device, MAC and addresses, stays until its standard input ends,
 * or SIGTERM comes,
 * leaves. Lines of hexadecimal digits on standard input are frames, which go out as a guest's would. With "times", joins and leaves N times. Never in the first network
 * namespace. */
#include "base/id.h"
#include "net/port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

/* The tests say which namespace they came from (its inode's number); who does not say is taken to be in it. */
static int is_first_namespace(void)
{
	const char *outer = getenv("CORACLE_TEST_OUTER");
	struct stat ours, first;

	if (!outer || stat("/proc/self/ns/net", &ours) < 0 || ours.st_ino == strtoul(outer, NULL, 10))
		return 1;
	return stat("/proc/1/ns/net", &first) == 0 && ours.st_ino == first.st_ino;
}

static void print(const struct net_port *port)
{
	char mac[MAC_TEXT_SIZE], v4[NET_TEXT_SIZE], v6[NET_TEXT_SIZE];

	printf("%s %s %s %s\n", port->lease.device, mac_format(port->lease.mac, mac),
	       net_address_format(&port->v4, v4), net_address_format(&port->v6, v6));
	fflush(stdout);
}

/* Behind virtio's header, which says nothing here. */
static void send_frame(int tap, const char *line)
{
	uint8_t frame[sizeof(struct virtio_net_hdr) + 4096] = {0};
	size_t size = sizeof(struct virtio_net_hdr);
	unsigned byte;

	for (; size < sizeof(frame) && sscanf(line, "%2x", &byte) == 1; line += 2)
		frame[size++] = (uint8_t)byte;
	if (write(tap, frame, size) != (ssize_t)size)
		perror("join_network: write");
}

static int stay(int data, int run, const struct net_request *request, const struct net_member *member,
		int wait, struct cor_error *err)
{
	struct net_port port;
	char line[8192];
	int r = net_join(data, run, request, member, &port, err);

	r = r ?: net_connect(run, &port, err);
	if (r < 0)
		return r;
	if (wait) {
		print(&port);
		while (fgets(line, sizeof(line), stdin))
			send_frame(port.tap.queues[0], line);
	}
	return net_leave(run, &port, err);
}

/* Ends the wait for input. */
static void on_term(int number)
{
}

int main(int argc, char **argv)
{
	_fd_ int data = argc > 5 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	_fd_ int run = argc > 5 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct net_member member = {.id = argv[4], .name = argv[5], .hostname = argv[5]};
	_cleanup_(net_request_release) struct net_request request = {0};
	int times = argc > 7 ? atoi(argv[7]) : 1, r = -EINVAL;
	struct cor_error err = {0};

	if (data < 0 || run < 0 || !id_valid(argv[4]) || is_first_namespace()) {
		fprintf(stderr, "join_network: wrong arguments, or the first network namespace\n");
		return 2;
	}
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
	r = net_request_parse(argv[3], &request, &err);
	for (int i = 0; r == 0 && i < times; i++)
		r = stay(data, run, &request, &member, argc <= 7, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.msg);
	return r < 0;
}
