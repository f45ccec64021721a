/* loud BYTES PIECE: writes so many bytes of 100-byte lines to stdout, a write() of PIECE bytes at a time. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	long long left = strtoll(argv[1], NULL, 10);
	size_t piece = (size_t)strtoul(argv[2], NULL, 10);
	char *bytes = malloc(piece);
	if (!bytes)
		return 2;
	memset(bytes, 'x', piece);
	for (size_t i = 99; i < piece; i += 100)
		bytes[i] = '\n';
	while (left > 0) {
		ssize_t w = write(1, bytes, (long long)piece < left ? piece : (size_t)left);
		if (w <= 0)
			return 1;
		left -= w;
	}
	free(bytes);
	return 0;
}
