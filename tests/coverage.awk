# SPDX-License-Identifier: MIT
# From lcov's data: a line for each file of src/store, and the total of each folder of src. Fails
# where src/store is below 'lines' or 'branches' percent.

function percent(hit, found) { return found ? 100 * hit / found : 100 }

function show(name, l, lf, b, bf) {
	printf "%-32s %5.1f %% of %5d lines  %5.1f %% of %5d branches\n", name, percent(l, lf), lf,
		percent(b, bf), bf
}

/^SF:/ {
	name = $0
	sub(/.*\/src\//, "src/", name)
	folder = name
	sub(/\/[^\/]*$/, "", folder)
	l = lf = b = bf = 0
}
/^LF:/ { lf = substr($0, 4) }
/^LH:/ { l = substr($0, 4) }
/^BRF:/ { bf = substr($0, 5) }
/^BRH:/ { b = substr($0, 5) }
/^end_of_record/ {
	if (folder == "src/store" && name ~ /\.c$/)
		show(name, l, lf, b, bf)
	L[folder] += l; LF[folder] += lf; B[folder] += b; BF[folder] += bf
}
END {
	for (folder in LF)
		show(folder, L[folder], LF[folder], B[folder], BF[folder])
	if (!LF["src/store"]) {
		print "coverage: nothing was measured in src/store"
		exit 1
	}
	if (percent(L["src/store"], LF["src/store"]) < lines ||
	    percent(B["src/store"], BF["src/store"]) < branches) {
		printf "coverage: src/store must reach %d %% of lines and %d %% of branches\n", lines, branches
		exit 1
	}
}
