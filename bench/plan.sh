# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: MIT
#
# The rows of bench/run and their bars. Sourced by it.

# NAME, unit, which is better, the row that it is measured with, systems, share of the time, description
row_plan=$(sed 's/ *| */\t/g' <<-'END'
	seqread        |MiB/s  |more||read   |10|warm sequential read, 128 KiB a call
	randread1      |ops/s  |more||read   |10|warm random read, 4 KiB, one thread
	randread4      |ops/s  |more||read   |10|warm random read, 4 KiB, four threads
	mapread        |ops/s  |more||read   |10|warm random read, 4 KiB, through a new MAP_SHARED mapping
	coldread       |MiB/s  |more||served |50|sequential read, 128 KiB, BACKING cached, FUSE cache cold
	coldrand       |ops/s  |more||served |80|random read, 4 KiB, BACKING cached, FUSE cache cold
	cpu-coldrand   |us/op  |less|coldrand|served|0|processor time of the daemon for one of these reads
	disk           |MiB/s  |more||read   |30|sequential read, 128 KiB, from the disk: nothing cached
	write4k        |MiB/s  |more||write  |40|sequential write of a new file, 4 KiB a call, close counted
	write4k-open   |MiB/s  |more||back   |12|the same, close not counted
	write4k-fsync  |MiB/s  |more||back   |15|the same, fsync and close counted
	write4k-rand   |MiB/s  |more||write  |40|random write of a file that is there, 4 KiB a call, close counted
	write1m        |MiB/s  |more||back   |15|sequential write of a new file, 1 MiB a call, close counted, write-back
	write1m-through|MiB/s  |more||through|15|the same, write-through
	write4k-through|MiB/s  |more||through|30|4 KiB a call, write-through
	mapwrite       |MiB/s  |more||back   |20|stores of whole pages through MAP_SHARED, random, then msync and close
	small-cold     |files/s|more||served |25|open, read, close of small files, BACKING cached, FUSE cache cold
	small-warm     |files/s|more|small-cold|served|0|the same, read before
	stat           |ops/s  |more|small-cold|served|0|stat of files that the kernel knows
	cpu-small      |us/file|less|small-cold|served|0|processor time of the daemon for a file of small-cold
	create         |files/s|more||back   |25|create, write, close of small files
	unlink         |files/s|more|create|back|0|unlink of them
	find           |files/s|more||served |50|find over many files, first run
	find-again     |files/s|more|find|served|0|the same, second run
	git-status     |files/s|more||read   |45|git status in a large tree, second run
	git-grep       |files/s|more|git-status|read|0|git grep there, second run
	tar-extract    |files/s|more||back   |60|tar extract of a part of that tree
	tar-create     |files/s|more|tar-extract|back|0|tar create of what was extracted
	make           |files/s|more||read   |45|parallel make of a C project
	fio            |ops/s  |more||read   |40|fio, 70 % reads and 30 % writes, random, 4 KiB, four threads, warm
	pgbench        |tps    |more||owners |50|pgbench -c4, checksums on
	request        |ops/s  |more||served |20|one request and its answer: statfs
	cpu-request    |us/op  |less|request|served|0|processor time of the daemon for it
	ctx-request    |n/op   |less|request|served|0|context switches of the daemon for it
	rss            |KiB    |less||daemons|5|resident memory of the idle daemon
	rss-private    |KiB    |less|rss|daemons|0|the part of it that is private (RssAnon)
	rss-inodes     |KiB    |less||daemons|20|the same, when the kernel knows many files
	END
)

# Row, system, compared with, limit: at least so much of the reference, or at most so much.
# best: the neighbour with the best median in that row; best-through: of those that write through.
bar_plan=$(sed 's/ *| */\t/g' <<-'END'
	seqread        |mmapfs|native|0.95
	randread1      |mmapfs|native|0.95
	randread4      |mmapfs|native|0.95
	mapread        |mmapfs|native|0.95
	coldread       |mmapfs|best|1.3
	coldread       |mmapfs|passthrough_ll|2
	coldrand       |mmapfs|best|4
	disk           |mmapfs|native|0.95
	write4k        |mmapfs|native|0.6
	write4k        |mmapfs|best-through|8
	write4k-rand   |mmapfs|native|0.6
	write4k-rand   |mmapfs|best-through|8
	write1m        |mmapfs|best|1
	write1m-through|mmapfs-through|best|1
	write4k-through|mmapfs-through|best|1
	mapwrite       |mmapfs|native|0.8
	small-warm     |mmapfs|native|0.7
	small-cold     |mmapfs|best|2
	create         |mmapfs|best|2
	unlink         |mmapfs|best|1.5
	stat           |mmapfs|native|0.9
	find           |mmapfs|best|1
	find-again     |mmapfs|native|0.9
	git-status     |mmapfs|native|0.9
	git-grep       |mmapfs|native|0.9
	tar-extract    |mmapfs|best|1.5
	tar-create     |mmapfs|best|1.5
	make           |mmapfs|native|0.95
	fio            |mmapfs|native|0.8
	pgbench        |mmapfs|native|0.9
	rss-private    |mmapfs||10240
	rss-inodes     |mmapfs||40960
	END
)

row_names() {
	cut -f 1 <<<"$row_plan"
}

row_field() { # ROW NUMBER
	awk -F '\t' -v row="$1" -v n="$2" '$1 == row { print $n }' <<<"$row_plan"
}

# The row whose measurement gives this row's figures, too.
leader_of() { # ROW
	local leader
	leader=$(row_field "$1" 4)
	echo "${leader:-$1}"
}

# Those of a row, of which some may not be here.
systems_planned() { # ROW
	case $(row_field "$1" 5) in
	read) echo native passthrough_ll passthrough_hp bindfs mergerfs mmapfs ;;
	served) echo native passthrough_ll passthrough_hp bindfs mergerfs floor mmapfs ;;
	back) echo native passthrough_ll passthrough_hp mergerfs floor mmapfs ;;
	through) echo native passthrough_ll-through bindfs mergerfs-through floor-through mmapfs-through ;;
	write) echo native passthrough_ll passthrough_hp mergerfs floor mmapfs \
		passthrough_ll-through bindfs mergerfs-through ;;
	owners) echo native bindfs mergerfs mmapfs ;; # what users create there is theirs
	daemons) echo passthrough_ll passthrough_hp bindfs mergerfs mmapfs ;;
	esac
}
