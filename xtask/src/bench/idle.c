/* The program of a container that is measured: ends at once, or waits to be killed when it is given a word. */
#include <unistd.h>

int main(int count, char **words) {
    (void)words;
    return count > 1 ? pause() : 0;
}
