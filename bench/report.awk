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
	row_name[++rows] = $2; unit[$2] = $3; better[$2] = $4; description[$2] = $8
}
FILENAME ~ /plan$/ && $1 == "bar" {
	bars++; bar_row[bars] = $2; bar_system[bars] = $3; bar_reference[bars] = $4; bar_limit[bars] = $5
}
FILENAME ~ /served$/ { served[$1, $2, $3] += $4; told[$1, $2] = 1 }

END {
	for (r = 1; r <= rows; r++)
		if (row_name[r] in measured)
			report_row(row_name[r])
	report_bars()
}

function report_row(row,   s, name, best) {
	best = best_neighbour(row, "")
	printf "\n%s: %s (%s, %s is better)\n", row, description[row], unit[row], better[row]
	printf "  %-24s %10s %10s %10s %5s %8s %16s %8s\n", "system", "median", "min", "max", "reps",
		"/native", "/passthrough_ll", "/best"
	for (s = 1; s <= systems; s++) {
		name = system_name[s]
		if (!summarize_figures(row, name))
			continue
		printf "  %-24s %10s %10s %10s %5d", name (name == best ? " *" : ""), number_text(median),
			number_text(least), number_text(most), count
		csv_line(row, name, unit[row])
		printf " %8s %16s %8s\n", ratio_text(row, name, "native"),
			ratio_text(row, name, "passthrough_ll"), best == "" ? "-" : ratio_text(row, name, best)
	}
	report_ratio_csv(row, "native", "native")
	report_ratio_csv(row, "passthrough_ll", "passthrough_ll")
	if (best != "")
		report_ratio_csv(row, best, "best")
	if ((row, "timed") in told)
		report_served(row, "timed", "while timed")
	if ((row, "all") in told)
		report_served(row, "all", "with the checks")
}

# The neighbour with the best median in a row; of those that write through, if WHICH says so.
function best_neighbour(row, which,   s, name, best, best_median) {
	best = ""
	for (s = 1; s <= systems; s++) {
		name = system_name[s]
		if (name == "native" || name ~ /^(floor|mmapfs)/)
			continue
		if (which == "through" && name !~ /-through$/ && name != "bindfs")
			continue
		if (!summarize_figures(row, name))
			continue
		if (best == "" || (better[row] == "less" ? median < best_median : median > best_median)) {
			best = name
			best_median = median
		}
	}
	return best
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
	printf "  %-24s reads mapped %d, copied %d, pread %d; writes mapped %d, pwrite %d; requests %d%s\n",
		title ":", served[row, scope, names[1]], served[row, scope, names[2]],
		served[row, scope, names[3]], served[row, scope, names[4]],
		served[row, scope, names[5]], served[row, scope, "requests"], requests ? "" : " (no data)"
}

function report_bars(   b, row, who, reference, what, shown) {
	for (b = 1; b <= bars; b++) {
		row = bar_row[b]
		who = bar_system[b]
		reference = bar_reference[b]
		if (!(row in measured))
			continue
		if (!any++)
			printf "\n%-52s %24s  %s\n", "bar", "median (min..max)", "verdict"
		if (reference == "best")
			reference = best_neighbour(row, "")
		else if (reference == "best-through")
			reference = best_neighbour(row, "through")
		if (bar_reference[b] == "")
			what = sprintf("%s: %s <= %s %s", row, who, bar_limit[b], unit[row])
		else
			what = sprintf("%s: %s >= %s of %s%s", row, who, bar_limit[b],
				bar_reference[b] ~ /^best/ ? bar_reference[b] ", " : "",
				reference == "" ? "none" : reference)
		if (bar_reference[b] == "")
			shown = summarize_figures(row, who)
		else
			shown = reference != "" && summarize_ratio(row, who, reference)
		if (!shown) {
			printf "%-60s %24s  %s\n", what, "-", "not measured"
			continue
		}
		shown = sprintf(bar_reference[b] == "" ? "%.0f (%.0f..%.0f)" : "%.2f (%.2f..%.2f)",
			median, least, most)
		printf "%-60s %24s  %s%s\n", what, shown, verdict(bar_reference[b], median, bar_limit[b]),
			floor_text(row, who, reference)
	}
}

function verdict(reference, found, limit) {
	if (reference == "")
		return found <= limit ? "PASS" : "above the bar"
	return found >= limit ? "PASS" : "below the bar"
}

# What a daemon that does nothing would have in place of the ratio.
function floor_text(row, who, reference,   floor_name) {
	floor_name = who ~ /-through$/ ? "floor-through" : "floor"
	if (reference == "" || !summarize_ratio(row, floor_name, reference))
		return ""
	return sprintf("; floor %.2f", median)
}

function report_ratio_csv(row, reference, shown,   who) {
	who = summarize_figures(row, "mmapfs-through") ? "mmapfs-through" : "mmapfs"
	if (summarize_ratio(row, who, reference))
		csv_line(row, who "/" shown, "ratio")
}

# The ratios of mmapfs are made with its options.
function csv_line(row, who, units,   opts) {
	if (csv == "")
		return
	opts = who
	sub(/\/.*/, "", opts)
	opts = options[opts]
	printf "%s,%s,\"%s\",%.8g,%.8g,%.8g,%s,%d\n", row, who, opts == "" ? "defaults" : opts,
		median, least, most, units, count >> csv
}
