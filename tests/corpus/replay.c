/* SPDX-License-Identifier: Apache-2.0 */
/* replay FOLDER: gives every file of a corpus to the fuzz target that it is linked with, so that what a fuzzer once found stays fixed. In a
 * build for fuzzing libFuzzer stands in its place. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_INPUT (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
	char path[4096];
	/* As large as the input, so that a sanitizer sees a read beyond its end. */
	uint8_t *data, *exact;
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	data = malloc(LARGEST_INPUT);
	if (!file || !data) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, LARGEST_INPUT, file);
	fclose(file);
	exact = malloc(size ? size : 1);
	if (!exact)
		return 1;
	memcpy(exact, data, size);
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	unsigned count = 0;

	if (!folder) {
		fprintf(stderr, "usage: %s FOLDER (of inputs)\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.') {
			if (replay(argv[1], entry->d_name))
				return 1;
			count++;
		}
	closedir(folder);
	printf("%u inputs\n", count);
	return count ? 0 : 1;
}
