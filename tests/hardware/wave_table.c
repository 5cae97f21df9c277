/* wave_table SPEC: for each line "START END" of standard input the watts at START and the joules
 * between them, as the C stand-ins see them. */
#include "wave.h"

int main(int argc, char **argv) {
    double start, end;
    if (argc != 2) return 2;
    struct wave wave = wave_parse(argv[1]);
    while (scanf("%lf %lf", &start, &end) == 2)
        printf("%.17g %.17g\n", wave_watts(&wave, start), wave_joules(&wave, start, end));
    return 0;
}
