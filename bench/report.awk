# SPDX-License-Identifier: MIT
#
# Makes the tables of bench/run from its notes, all with tabs between the fields:
#   plan     system NAME OPTIONS | row NAME UNIT BETTER DESCRIPTION | bar ROW REFERENCE LIMIT
#   figures  ROW SYSTEM REPETITION VALUE
#   served   ROW timed|all NAME COUNT
# Text goes to stdout and CSV to the file in the variable 'csv', unless it is empty. With
# summary.awk before it.

FILENAME ~ /plan$/ && $1 == "system" { system_name[++systems] = $2; options[$2] = $3 }
FILENAME ~ /plan$/ && $1 == "row" {
	row_name[++rows] = $2; unit[$2] = $3; better[$2] = $4; description[$2] = $5
}
FILENAME ~ /plan$/ && $1 == "bar" {
	bars++; bar_row[bars] = $2; bar_reference[bars] = $3; bar_limit[bars] = $4
}
FILENAME ~ /served$/ { served[$1, $2, $3] += $4; told[$1] = 1 }

END {
	for (r = 1; r <= rows; r++)
		if (row_name[r] in measured)
			report_row(row_name[r])
	report_bars()
}

function report_row(row,   s, name) {
	printf "\n%s: %s (%s, %s is better)\n", row, description[row], unit[row], better[row]
	printf "  %-20s %10s %10s %10s %5s %8s %16s\n", "system", "median", "min", "max", "reps",
		"/native", "/passthrough_ll"
	for (s = 1; s <= systems; s++) {
		name = system_name[s]
		if (!summarize_figures(row, name))
			continue
		printf "  %-20s %10s %10s %10s %5d", name, number_text(median), number_text(least),
			number_text(most), count
		csv_line(row, name, unit[row])
		printf " %8s %16s\n", ratio_text(row, name, "native"),
			ratio_text(row, name, "passthrough_ll")
	}
	report_ratio_csv(row, "native")
	report_ratio_csv(row, "passthrough_ll")
	if (row in told) {
		report_served(row, "timed", "while timed")
		report_served(row, "all", "with the checks")
	}
}

# What mmapfs's own statistics say about who served the row, in requests.
function report_served(row, scope, title,   i, n, names, requests) {
	n = split("read.mapped read.copied read.pread write.mapped write.pwrite", names, " ")
	for (i = 1; i <= n; i++) {
		requests += served[row, scope, names[i]]
		if (csv != "")
			printf "%s,mmapfs,\"%s, %s\",%d,,,requests,%d\n", row, names[i], scope,
				served[row, scope, names[i]], repetitions >> csv
	}
	printf "  %-20s reads mapped %d, copied %d, pread %d; writes mapped %d, pwrite %d%s\n",
		title ":", served[row, scope, names[1]], served[row, scope, names[2]],
		served[row, scope, names[3]], served[row, scope, names[4]],
		served[row, scope, names[5]], requests ? "" : " (kernel's cache)"
}

function report_bars(   b, row, reference, what, verdict, shown) {
	for (b = 1; b <= bars; b++) {
		row = bar_row[b]
		reference = bar_reference[b]
		if (reference == "")
			shown = summarize_figures(row, "mmapfs")
		else
			shown = summarize_ratio(row, "mmapfs", reference)
		if (!shown)
			continue
		if (!any++)
			printf "\n%-38s %24s  %s\n", "bar", "median (min..max)", "verdict"
		if (reference == "") {
			what = sprintf("%s: mmapfs <= %s %s", row, bar_limit[b], unit[row])
			verdict = median <= bar_limit[b] ? "PASS" : "above the bar"
		} else {
			what = sprintf("%s: >= %s of %s", row, bar_limit[b], reference)
			verdict = median >= bar_limit[b] ? "PASS" : "below the bar"
		}
		shown = reference == "" ? "%.0f (%.0f..%.0f)" : "%.2f (%.2f..%.2f)"
		printf "%-38s %24s  %s\n", what, sprintf(shown, median, least, most), verdict
	}
}

function report_ratio_csv(row, reference) {
	if (summarize_ratio(row, "mmapfs", reference))
		csv_line(row, "mmapfs/" reference, "ratio")
}

# The ratios of mmapfs are made with its options.
function csv_line(row, who, units,   opts) {
	if (csv == "")
		return
	opts = options[who ~ /^mmapfs/ ? "mmapfs" : who]
	printf "%s,%s,\"%s\",%.8g,%.8g,%.8g,%s,%d\n", row, who, opts == "" ? "defaults" : opts,
		median, least, most, units, count >> csv
}
