# SPDX-License-Identifier: GPL-2.0-only
# What mqshm-bench measured: medians by case, peer and placement; and the bars that they shall keep.

def quantile(q): sort | . as $v | ((length - 1) * q) as $at | ($at | floor) as $i |
	if length == 0 then null else $v[$i] + (($v[$i + 1] // $v[$i]) - $v[$i]) * ($at - $i) end;
def median: map(select(. != null)) | quantile(0.5);
# three digits, or all before the point
def short: if . == null then "" elif . == 0 then "0" elif . >= 100 then round elif . >= 10 then . * 10 | round / 10
	elif . >= 0.1 then . * 100 | round / 100 else . * 10000 | round / 10000 end | tostring;
def compared: if .by == "cpu" then "cpu_ns" else "ns" end;

# Rows of each case together, as they came: array of arrays.
def cases: reduce .rows[] as $r ([];
	if length > 0 and (.[-1][0] | .case + .text) == ($r | .case + .text) then .[-1] += [$r] else . + [[$r]] end);

# Of the rows of one case an object for each placement and peer that has runs there.
def placed: . as $rows | ("siblings", "across", "far") as $cpus
	| $rows | map(.runs |= map(select(.cpus == $cpus)))
	| .[0] as $ours | .[] | select(.runs | length > 0) | compared as $by
	| { case, text, peer, by, bytes, batch, touched, rejected, syscalls, cpus: $cpus, n: (.runs | length),
	    ns: (.runs | map(.ns) | median), low: (.runs | map(.ns) | quantile(0.25)), high: (.runs | map(.ns) | quantile(0.75)),
	    p99: (.runs | map(.p99_ns) | median), cpu: (.runs | map(.cpu_ns) | median), sender: (.runs | map(.sender_ns) | median),
	    ratio: (if ($ours.runs | length) > 0 then (.runs | map(.[$by]) | median) / ($ours.runs | map(.[$by]) | median) else null end) };

# Of the rows of one case: the placement that most runs of mqshm had.
def usual: [.[] | select(.peer == "mqshm") | .runs[].cpus] | group_by(.) | max_by(length) | .[0];

# ---- bars ----

# Median of a field of the runs of @peer, in those rows that @f chooses, of a placement (null: any).
def of($peer; f; $cpus; field): [.rows[] | select(.peer == $peer) | select(f) | .runs[] | select($cpus == null or .cpus == $cpus) | field]
	| if length < (if $cpus then 3 else 1 end) then null else median end;
def over(a; b): (a) as $a | (b) as $b | if $a == null or $b == null or $b == 0 then null else $a / $b end;
def ratio($a; $b; f; $cpus): over(of($a; f; $cpus; .ns); of($b; f; $cpus; .ns));
def most(values): [values] | if any(. == null) then null else max end;
def least(values): [values] | if any(. == null) then null else min end;

def latency($bytes): .case == "latency" and .bytes == $bytes;
def through($bytes; $batch): .case == "throughput" and (.touched | not) and .bytes == $bytes and .batch == $batch;
def wake($wait; $one): .case == "wake-up" and .wait == $wait and .one_cpu == $one;
def sizes: 64, 4096, 65536, 1048576;
# what is in every row of throughput, as text
def rows_of_throughput: [.rows[] | select(.case == "throughput") | .text] | unique[];

def native_bars: . as $d
	| def both(f): reduce ("siblings", "across", "far") as $cpus ({}; . + { ($cpus): ($d | ($cpus | f)) });
	# time itself depends on the machine: not that of two processors without a common cache
	def near(f): both(f) + { far: null };
	def b($what; $bar; $least; f): { where: "native", $what, $bar, $least, values: f };
	b("latency, any size: times a two-line exchange"; 1.3; false; both(. as $c | $d | most(sizes as $s | ratio("mqshm"; "raw two lines"; latency($s); $c)))),
	b("latency, any size: times a one-line exchange"; 2.3; false; both(. as $c | $d | most(sizes as $s | ratio("mqshm"; "raw line"; latency($s); $c)))),
	b("latency, any size: iceoryx 2.0 takes times as long"; 8; true; both(. as $c | $d | least(sizes as $s | ratio("iceoryx 2.0"; "mqshm"; latency($s); $c)))),
	b("latency, 1 MB: times that of 64 B"; 1.05; false; both(. as $c | $d | over(of("mqshm"; latency(1048576); $c; .ns); of("mqshm"; latency(64); $c; .ns)))),
	b("throughput untouched, 64 B, batch 16: ns a message"; 20; false; near(. as $c | $d | of("mqshm"; through(64; 16); $c; .ns))),
	b("the same: times the bare ring"; 8; false; both(. as $c | $d | ratio("mqshm"; "raw ring"; through(64; 16); $c))),
	b("the same: iceoryx 2.0 takes times as long"; 40; true; both(. as $c | $d | ratio("iceoryx 2.0"; "mqshm"; through(64; 16); $c))),
	b("the same: the Boost queue takes times as long"; 15; true; both(. as $c | $d | ratio("Boost queue"; "mqshm"; through(64; 16); $c))),
	b("throughput untouched, 64 B, batch 1: ns a message"; 40; false; near(. as $c | $d | of("mqshm"; through(64; 1); $c; .ns))),
	b("the same: iceoryx 2.0 takes times as long"; 15; true; both(. as $c | $d | ratio("iceoryx 2.0"; "mqshm"; through(64; 1); $c))),
	b("throughput written and read, 64 KB, any batch: times the bare ring"; 1.05; false; both(. as $c | $d | most((1, 16, 64) as $n
		| ratio("mqshm"; "raw ring"; .case == "throughput" and .touched and .bytes == 65536 and .batch == $n; $c)))),
	b("fan-out 1 to 3, batch 16: ns a message of the producer"; 80; false; near(. as $c | $d | of("mqshm"; .case == "fan-out" and .processes == 4; $c; .sender_ns))),
	b("one more reference and gone: times two locked adds"; 2.5; false; both(. as $c | $d | ratio("mqshm"; "two locked adds"; .case == "share"; $c))),
	b("settling: times 5 µs a client and 20 ns a buffer"; 1; false; { "any": (.settle | map(.settle_ns / (5000 * .clients + 20 * .held)) | max) });

# rounded to a digit: tables of pages have a few bytes more
def memory_bars($where): def b($what; $bar; f): { $where, $what, $bar, least: false, values: { "any": (.memory | if . then f * 10 | round / 10 else null end) } };
	b("memory: bytes a buffer"; 32; .buffer_bytes),
	b("memory: bytes a buffer and client"; 2; .buffer_client_bytes),
	b("memory: bytes a connection of depth 256"; 16384; .connection_bytes);

def kernel_bars: . as $d
	| def b($what; $bar; $least; value): { where: "kernel", $what, $bar, $least, values: { "any": value } };
	(false, true) as $one | (if $one then "one processor" else "two processors" end) as $cpus
	| b("asleep in the call, \($cpus): times a bare futex"; 1.15; false; $d | ratio("mqshm"; "bare futex"; wake("call"; $one); null)),
	  b("asleep for an eventfd, \($cpus): times a bare eventfd"; 1.15; false; $d | ratio("mqshm"; "bare eventfd"; wake("eventfd"; $one); null));
def kernel_rest: . as $d
	| def b($what; $bar; $least; value): { where: "kernel", $what, $bar, $least, values: { "any": value } };
	# leasing and returning are all there are; rounded to a digit: the first or last one is of messages before or behind
	b("system calls for 64 messages, 64 B, batch 16"; 1; false; [$d.rows[] | select(.peer == "mqshm") | select(through(64; 16)) | .syscalls] | .[0] | if . then . * 640 | round / 10 else null end),
	b("throughput, any row: a pipe takes times as long"; 1; true; $d | least(rows_of_throughput as $t | ratio("pipe"; "mqshm"; .case == "throughput" and .text == $t; null))),
	({ "64 B": 64, "4 KB": 4096, "64 KB": 65536 } | to_entries[] | .value as $s
		| b("throughput untouched, \(.key), batch 16: a pipe takes times as long"; 20; true; $d | ratio("pipe"; "mqshm"; through($s; 16); null))),
	b("SIGKILL to settled: times SIGKILL to the end of a pipe"; 1.5; false; $d.settle | map(select(.eof_ns) | .settled_ns / .eof_ns) | max);

# "met" if all that was measured is within
def met: . as $b | [.values[] | select(. != null)] | if length == 0 then "not measured"
	elif all(if $b.least then . >= $b.bar else . <= $b.bar end) then "yes" else "**no**" end;
def bars: if .place == "native" then native_bars, memory_bars("native") else kernel_bars, kernel_rest, memory_bars("kernel") end;
