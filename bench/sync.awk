# SPDX-License-Identifier: MIT
#
# Makes the tables of bench/sync from its notes, all with tabs between the fields:
#   plan     system NAME OPTIONS | row NAME UNIT WORK THREADS WHERE SYSTEMS DESCRIPTION |
#            bar ROW WHO REFERENCE LIMIT
#   figures  ROW SYSTEM REPETITION VALUE; ROW:p50 and the like are microseconds of an operation
#   served   ROW SYSTEM NAME COUNT
# Text goes to stdout and CSV to the file in the variable 'csv', unless it is empty; 'trace' is yes
# or no. With summary.awk before it.

FILENAME ~ /plan$/ && $1 == "system" { options[$2] = $3 }
FILENAME ~ /plan$/ && $1 == "row" {
	row_name[++rows] = $2; unit[$2] = $3; threads[$2] = $5; place[$2] = $6
	members[$2] = $7; description[$2] = $8
}
FILENAME ~ /plan$/ && $1 == "bar" {
	bars++; bar_row[bars] = $2; bar_who[bars] = $3; bar_reference[bars] = $4; bar_limit[bars] = $5
}
FILENAME ~ /served$/ { served[$1, $2, $3] += $4 }

END {
	for (r = 1; r <= rows; r++)
		if (row_name[r] in measured)
			report_row(row_name[r])
	if (trace == "yes") {
		report_floors()
		report_stages("append1")
	} else {
		report_bars()
	}
}

function report_row(row,   who, n, i) {
	n = split(members[row], who, " ")
	printf "\n%s: %s (%s, more is better)\n", row, description[row], unit[row]
	printf "  %-24s %9s %9s %9s %4s", "system", "median", "min", "max", "reps"
	if (trace == "yes")
		printf " %8s %8s %8s %8s", "p50 us", "p99 us", "mean us", "sync us"
	else
		for (i = 1; i < n; i++)
			printf " %18s", "/" who[i]
	printf " %9s %8s\n", "flush/op", "KiB/op"
	for (i = 1; i <= n; i++)
		if (summarize_figures(row, who[i]))
			report_system(row, who, n, i)
	for (i = 1; i <= n; i++)
		if ((row, who[i], "journal.flushes") in served)
			report_journal(row, who[i])
}

function report_system(row, who, n, self,   name, i, ops) {
	name = who[self]
	printf "  %-24s %9s %9s %9s %4d", name, number_text(median), number_text(least),
		number_text(most), count
	csv_line(row, name, unit[row])
	if (trace == "yes") {
		report_microseconds(row, name, "p50")
		report_microseconds(row, name, "p99")
		report_microseconds(row, name, "mean")
		report_microseconds(row, name, "sync")
	} else {
		for (i = 1; i < n; i++)
			printf " %18s", i < self ? ratio_text(row, name, who[i]) : ""
	}
	ops = served[row, name, "operations"]
	printf " %9.2f %8.1f\n", ops ? served[row, name, "disk.flushes"] / ops : 0,
		ops ? served[row, name, "disk.kib"] / ops : 0
	for (i = 1; i < self; i++)
		if (summarize_ratio(row, name, who[i]))
			csv_line(row, name "/" who[i], "ratio")
}

function report_microseconds(row, who, what) {
	if (!summarize_figures(row ":" what, who)) {
		printf " %8s", "-"
		return
	}
	printf " %8.0f", median
	csv_line(row " " what, who, "us")
}

# What mmapfs's own statistics say, of all repetitions together, and whether the row is the
# journal's at all.
function report_journal(row, who,   i, n, names, syncs, bypassed) {
	n = split("syncs bypassed data_records name_records flushes checkpoints waits", names, " ")
	printf "  %s:", who
	for (i = 1; i <= n; i++) {
		printf "%s %s %d", (i > 1 ? "," : ""), names[i], served[row, who, "journal." names[i]]
		if (csv != "")
			printf "%s,%s,journal.%s,%d,,,count,%d\n", row, who, names[i],
				served[row, who, "journal." names[i]], repetitions >> csv
	}
	printf "\n"
	syncs = served[row, who, "journal.syncs"]
	bypassed = served[row, who, "journal.bypassed"]
	if (place[row] == "file")
		printf "    %s\n", bypassed ? "a sync of the file itself, as it should be" : \
			"UNEXPECTED: no sync of the file itself"
	else if (!syncs)
		printf "    NOT THE JOURNAL'S FIGURE: no sync went to the journal\n"
	else if (bypassed * 20 > syncs + bypassed)
		printf "    NOT ALL THE JOURNAL'S: %.0f %% of the syncs were of the file itself\n",
			bypassed * 100 / (syncs + bypassed)
	else
		printf "    %.1f syncs to a flush; %d syncs of files themselves\n",
			served[row, who, "journal.flushes"] ? \
			syncs / served[row, who, "journal.flushes"] : 0, bypassed
}

function mean_of(row, who) {
	return summarize_figures(row, who) ? median : 0
}

# One thread's call waits for one thing after the other, so what is measured alone adds up.
function report_stages(row,   whole, cached, passed, trip, disk, left) {
	whole = mean_of(row ":mean", "mmapfs-journal")
	trip = mean_of("idle1:mean", "mmapfs-journal")
	disk = mean_of("disk1:mean", "native")
	if (!whole || !trip || !disk)
		return
	cached = whole - mean_of(row ":sync", "mmapfs-journal")
	passed = mean_of(row ":mean", "mmapfs-journal-through") - \
		mean_of(row ":sync", "mmapfs-journal-through")
	left = whole - passed - trip - disk
	printf "\n4 KiB append + fsync with the journal, one thread, where the time goes (us, means):\n"
	report_stage("write(2) into the kernel's cache", cached, whole)
	report_stage("WRITE request (cache=through, less the above)", passed - cached, whole)
	report_stage("FSYNC request, there and back (idle1)", trip, whole)
	report_stage("the disk: 4 KiB and a flush (disk1)", disk, whole)
	report_stage("the rest: record, waking up, checkpoints", left, whole)
	report_stage("all", whole, whole)
	report_stage("for comparison: bare ext4", mean_of(row ":mean", "native"), whole)
}

# What the requests alone leave room for, whatever the disk costs.
function report_floors(   r, any) {
	for (r = 1; r <= rows; r++) {
		if (!summarize_ratio(row_name[r], "mmapfs-requests", "native"))
			continue
		if (!any++)
			printf "\nrates in multiples of bare ext4, median (min..max):\n"
		printf "  %-14s the requests alone %5.2f (%.2f..%.2f)", row_name[r], median, least, most
		if (summarize_ratio(row_name[r], "mmapfs-journal", "native"))
			printf ", with the journal %5.2f (%.2f..%.2f)", median, least, most
		printf "\n"
	}
}

function report_stage(what, us, whole) {
	printf "  %-48s %9.1f %4.0f %%\n", what, us, us * 100 / whole
}

function report_bars(   b, row, what, verdict) {
	for (b = 1; b <= bars; b++) {
		row = bar_row[b]
		if (!summarize_ratio(row, bar_who[b], bar_reference[b]))
			continue
		if (!any++)
			printf "\n%-62s %20s  %s\n", "bar", "median (min..max)", "verdict"
		what = sprintf("%s: %s >= %s of %s", row, bar_who[b], bar_limit[b], bar_reference[b])
		verdict = median >= bar_limit[b] ? "PASS" : "below the bar"
		printf "%-62s %20s  %s\n", what, sprintf("%.2f (%.2f..%.2f)", median, least, most),
			verdict
	}
}

function csv_line(row, who, units,   opts) {
	if (csv == "")
		return
	opts = who
	sub(/\/.*/, "", opts) # a ratio is made with the options of the first
	opts = options[opts]
	printf "%s,%s,\"%s\",%.8g,%.8g,%.8g,%s,%d\n", row, who, opts == "" ? "defaults" : opts,
		median, least, most, units, count >> csv
}
