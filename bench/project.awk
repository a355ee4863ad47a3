# SPDX-License-Identifier: MIT
#
# Writes a C project of FILES sources into DIR, with headers that all include each other's, and a
# Makefile. Its program prints the sum of 0 to FILES - 1.

BEGIN {
	for (n = 0; n < files; n++) {
		header(n)
		source(n)
	}
	program()
	makefile()
}

function header(n,   f, i) {
	f = sprintf("%s/part%d.h", dir, n)
	printf "#ifndef PART%d_H\n#define PART%d_H\n", n, n > f
	for (i = 1; i <= 8 && n >= i; i++)
		printf "#include \"part%d.h\"\n", n - i > f
	for (i = 0; i < 20; i++)
		printf "struct part%d_%d { struct part%d_%d *next; long values[%d]; };\n", n, i, n, i, i + 1 > f
	printf "long part%d(void);\n#endif\n", n > f
	close(f)
}

function source(n,   f, i) {
	f = sprintf("%s/part%d.c", dir, n)
	printf "#include <stdio.h>\n#include <stdlib.h>\n#include \"part%d.h\"\n", n > f
	for (i = 0; i < 20; i++)
		printf "static long f%d(struct part%d_%d *p)\n{\n\tlong sum = 0;\n\n" \
			"\tfor (; p; p = p->next)\n\t\tsum += p->values[0];\n\treturn sum;\n}\n", i, n, i > f
	printf "long part%d(void)\n{\n\treturn %d", n, n > f
	for (i = 0; i < 20; i++)
		printf " + f%d(NULL)", i > f
	printf ";\n}\n" > f
	close(f)
}

function program(   f, n) {
	f = dir "/program.c"
	printf "#include <stdio.h>\n" > f
	for (n = 0; n < files; n++)
		printf "#include \"part%d.h\"\n", n > f
	printf "int main(void)\n{\n\tlong sum = 0;\n\n" > f
	for (n = 0; n < files; n++)
		printf "\tsum += part%d();\n", n > f
	printf "\tprintf(\"%%ld\\n\", sum);\n\treturn 0;\n}\n" > f
	close(f)
}

function makefile(   f, n) {
	f = dir "/Makefile"
	printf "objects =" > f
	for (n = 0; n < files; n++)
		printf " part%d.o", n > f
	printf "\nprogram: program.o $(objects)\n\t$(CC) -o $@ $^\n%%.o: %%.c\n\t$(CC) -O0 -c -o $@ $<\n" > f
	printf "clean:\n\trm -f program *.o\n.PHONY: clean\n" > f
	close(f)
}
