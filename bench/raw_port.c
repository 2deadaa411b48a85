/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's first process that writes 200 MB into its virtio-serial port, then a full stop, and waits: the fastest that the port can be. Always
 * the same bytes, which lie in the processor's cache; or with -DFROM_FILE those of a file in the page cache, the least that `cat` has to do. */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOTAL (200u << 20)

static char data[64 << 10];

static void put(int fd, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, data + done, size - done);

		if (n > 0)
			done += (size_t)n;
	}
}

int main(void)
{
	int port;

	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	do
		port = open("/dev/vport0p1", O_WRONLY);
	while (port < 0 && usleep(1000) == 0);
	memset(data, 'x', sizeof(data));
#ifdef FROM_FILE
	int file = open("/data", O_RDWR | O_CREAT, 0600);

	for (unsigned done = 0; done < TOTAL; done += sizeof(data))
		if (write(file, data, sizeof(data)) != sizeof(data))
			_exit(1);
	lseek(file, 0, SEEK_SET);
	for (ssize_t n; (n = read(file, data, sizeof(data))) > 0;)
		put(port, (size_t)n);
#else
	for (unsigned done = 0; done < TOTAL; done += sizeof(data))
		put(port, sizeof(data));
#endif
	data[0] = '.';
	put(port, 1);
	for (;;)
		pause();
}
