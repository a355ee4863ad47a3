# SPDX-License-Identifier: MIT
#
# Medians and paired ratios of the file 'figures', for report.awk and sync.awk:
# ROW SYSTEM REPETITION VALUE, with tabs between them. Ratios are paired: the median of the ratios of
# each repetition, not the ratio of medians.

BEGIN { FS = "\t" }

FILENAME ~ /figures$/ {
	value[$1, $2, $3] = $4
	measured[$1] = 1
	if ($3 > repetitions)
		repetitions = $3
}

# Sets median, least, most and count for sorted[1..n], sorting it.
function summarize(n,   i, j, x) {
	for (i = 2; i <= n; i++) {
		x = sorted[i]
		for (j = i - 1; j >= 1 && sorted[j] > x; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = x
	}
	count = n
	least = sorted[1]
	most = sorted[n]
	median = n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

# Of one system's repetitions of a row. Returns false if there are none.
function summarize_figures(row, who,   n, i) {
	for (i = 1; i <= repetitions; i++)
		if ((row, who, i) in value)
			sorted[++n] = value[row, who, i] + 0
	if (n)
		summarize(n)
	return n > 0
}

# Of the ratio of two systems, repetition by repetition.
function summarize_ratio(row, who, reference,   n, i) {
	for (i = 1; i <= repetitions; i++)
		if ((row, who, i) in value && (row, reference, i) in value)
			if (value[row, reference, i] > 0)
				sorted[++n] = value[row, who, i] / value[row, reference, i]
	if (n)
		summarize(n)
	return n > 0
}

function ratio_text(row, who, reference) {
	if (!summarize_ratio(row, who, reference))
		return "-"
	return sprintf("%.2f", median)
}

function number_text(x) {
	return sprintf(x < 100 ? "%.1f" : "%.0f", x)
}
