// Names to addresses by the stub resolver of the C library this is compiled with. A line per name: the canonical name
// and the addresses, or nothing where the name or an address of it does not exist. Any other error ends the program.
#include <netdb.h>
#include <stdio.h>

int main(int count, char **names)
{
	for (int i = 1; i < count; i++) {
		struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_CANONNAME}, *found = NULL;
		int error = getaddrinfo(names[i], NULL, &hints, &found);
		// Beside EAI_NONAME there is EAI_NODATA, which POSIX does not have; headers hide it.
		if (error && error != EAI_NONAME && error != -5) {
			fprintf(stderr, "%s: %s\n", names[i], gai_strerror(error));
			return 1;
		}
		printf("%s", found ? found->ai_canonname : "");
		for (struct addrinfo *at = found; at; at = at->ai_next) {
			char text[64];
			getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
			printf(" %s", text);
		}
		printf("\n");
	}
	return 0;
}
