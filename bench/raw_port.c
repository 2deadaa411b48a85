/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's first process that writes 200 MB into its virtio-serial port, then a full stop, and waits. The fastest that the port can be. */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOTAL (200u << 20)

int main(void)
{
	static char data[64 << 10];
	int fd;

	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	do
		fd = open("/dev/vport0p1", O_WRONLY);
	while (fd < 0 && usleep(1000) == 0);
	memset(data, 'x', sizeof(data));
	for (unsigned done = 0; done < TOTAL;) {
		ssize_t n = write(fd, data, sizeof(data));

		if (n > 0)
			done += (unsigned)n;
	}
	while (write(fd, ".", 1) != 1)
		;
	for (;;)
		pause();
}
