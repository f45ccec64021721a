/* In the image it belongs to root and is set-id. Its status says who it runs as. */
#include <unistd.h>

int main(void)
{
	return geteuid() == 0;
}
