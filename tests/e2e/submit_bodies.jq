# Bodies of jobs, good and bad, one a line: {"bodies":[…],"is_batch":…}. %w stands for one letter, another each time the
# table is gone through. Jobs 1 to 5 are there: succeeded, failed, cancelled, suspended, and one with the dedupe key "live".
def long($n): "x" * $n;
def sha: "0123456789abcdef" * 4;

# A field, then what it may say and what it may not.
def fields: {
  argv: [["a", "b"], ["/a/b c", "", "ä"], ["a/"], ["é" * 150], ["a\u0001b\u007f"], ["q\"\\\n\t\r\b\f\u007f\u001fé€😀"], [long(131071)],
    null, [], [""], "x", [1], ["a", null], [long(131072)], [range(10001) | "b"]],
  kind: ["command", null, "nope", "", 1],
  name: ["x", null, "", long(200), "é" * 100, "a b", "x\u0080", long(201), "é" * 101, "a\nb", "a\u007f", 1],
  priority: [0, 7, -1000, 1000, null, 1001, -1001, 1.5, "1", true, 1e30],
  timeout: [0, 1, 0.5, 0.0004, 0.0005, 1.0005, 2.6785, 123456.7895, 32000000000, null, 32000000001, -1, -0.001, "1", [], 1e300],
  silence: [0.25, 90, -1, {}],
  retry_delay: [0, 0.001, 86400, 86400.0004, 86400.001, 86401, "x"],
  max_attempts: [1, 1000, null, 0, 1001, "2", 2.5],
  suspended: [true, false, null, 1, "true"],
  run_at: ["2099-01-02T03:04:05Z", "2099-01-02t03:04:05.678z", "2099-01-02 03:04:05.1+02:00", "2001-02-03T04:05:06.0009-23:59",
    "1970-01-01T00:00:00Z", "1969-12-31T23:00:00-02:00", "2096-02-29T00:00:00Z", "2099-06-30T23:59:60Z", null,
    "2099-02-29T00:00:00Z", "2099-04-31T00:00:00Z", "2099-13-01T00:00:00Z", "2099-00-01T00:00:00Z", "2099-01-00T00:00:00Z",
    "2099-01-01T24:00:00Z", "2099-01-01T00:60:00Z", "2099-01-01T00:00:61Z", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z",
    "2099-01-01T00:00:00", "2099-01-01", "", "tomorrow", "2099-01-01T00:00:00.Z", "2099-01-01T00:00:00+24:00",
    "2099-01-01T00:00:00+01:60", "2099-01-01T00:00:00Z ", 5],
  owner: ["somebody", "é b", long(100), "", null, long(101), "a\tb", 1],
  dedupe: ["key %w", "key %w", "live", "é%w", "", null, long(200) + "%w", "a\n", 1],
  target: ["there", "", null, "gone", "nope", "UP", "-x", "a" * 101, 1],
  arch: ["amd64", "", null, "x" * 100, "UP", "a b", "x" * 101, 1],
  isolation: ["none", null, "chroot", "vm", "jail", "", 1],
  tags: [[], ["b", "a", "B", "b", "10", "9"], ["A_1.+-"], [range(32) | "t\(.)"], null, ["-x"], [""], ["é"], [long(65)],
    [range(33) | "t\(.)"], [1], "a", {}],
  needs: [[1], [4, 1], [4, 4], [2], [3, 1], [5, 2], [], null, [0], [-1], [999999999], ["#1"], ["x"], [""],
    [1.5], [null], "1", [[1]], [range(10001) | 1]],
  env: [{A: "1"}, {b: "", A: "x", B: "y", _1: "\u0007\u007f/<>&'"}, {}, null, {A: long(131069)}, {A: long(131070)}, {"1": "x"},
    {A: 1}, {A: null}, {SLIPWAY_X: "1"}, {"": ""}, {"A B": ""}, {"a\nb": ""}, {"é": ""}, ({} | .[long(201)] = ""), [], "x"],
  limit_key: [null],
  inputs: [[{name: "a", sha256: sha, size: 0}], [{name: "d/a", sha256: sha, size: 9007199254740991, mode: "0755"},
    {name: "d/b", sha256: sha, size: 5, mode: "0644"}, {name: "é\"", sha256: ("f" * 64), size: 1, mode: null}], [], null,
    [{name: "a", sha256: sha}], [{sha256: sha, size: 1}], [{name: "a", size: 1}], [{name: "a", sha256: (sha | ascii_upcase), size: 1}],
    [{name: "a", sha256: "00", size: 1}], [{name: "a", sha256: sha, size: -1}], [{name: "a", sha256: sha, size: 9007199254740992}],
    [{name: "a", sha256: sha, size: 1.5}], [{name: "a", sha256: sha, size: 1, mode: "0600"}], [{name: "a", sha256: sha, size: 1, x: 1}],
    [{name: "a", sha256: sha, size: 1}, {name: "a", sha256: sha, size: 1}], (["../a", "/a", "", "a//b", "a/", ".", "a/./b", "out", "out/x",
    ".type", "result.json", "a\nb", long(256), ("ab/" * 342)] [] | [{name: ., sha256: sha, size: 1}]),
    [{name: "outx", sha256: sha, size: 1}], [{name: "x/out", sha256: sha, size: 1}], [1], {}, "x"],
  collect: [["*.deb", "a/**"], ["b", "a"], [long(255)], [], null, ["../x"], ["/x"], [""], ["a//b"], ["."], ["a", 1], [long(256)], ["a/"], "x"],
  limits: [{memory: 1, pids: 2, log: 3, disk: 4, inodes: 5, cpu: 0.25, files: 6, artifacts: 7, artifact_bytes: 9007199254740991,
    artifact_depth: 8, log_rate: 9}, {cpu: 100},
    {cpu: 0.0001}, {memory: 0}, {}, null, {memory: null}, {memory: -1}, {memory: 9007199254740992}, {memory: 1.5}, {memory: "1"},
    {cpu: -1}, {cpu: "x"}, {x: 1}, [], 1],
  build: [{}, null], recipe: [{}], import: [{}], make: [{}], x: [1, null], "": [1]
};

def one: {bodies: [.], is_batch: false};
def batch: {bodies: ., is_batch: true};
def base: {argv: ["prog", "x"]};
def line: {argv: ["prog"]};

# Some bodies with several fields at once, the same ones each time.
def mixed($count):
  (fields | del(.kind, .dedupe, .argv, .x, .[""]) | with_entries(.value |= .[0:4])) as $good | ($good | keys_unsorted) as $names
  | range($count) as $i
  | reduce range(5) as $k ({seed: ($i * 7919 + 17), body: base};
      .seed = (.seed * 1103 + 12345 + $k) % 1000003
      | $names[.seed % ($names | length)] as $name | .seed as $seed
      | .body[$name] = $good[$name][($seed / 31 | floor) % ($good[$name] | length)])
  | .body;

(base, {}, [], 1, "x", null, {argv: null} | one),
(fields | to_entries[] | .key as $k | .value[] | . as $v | base | .[$k] = $v | one),
({target: "there", arch: "amd64"}, {target: "there", arch: "armhf"}, {target: "there", isolation: "none"}, {target: "there", isolation: "vm"},
  {target: "nope", isolation: "none"}, {argv: [], name: "a\n"}, {needs: [4], run_at: "2099-01-01T00:00:00Z"},
  {needs: [4], suspended: true}, {needs: [2], suspended: true}, {needs: [1], run_at: "2099-01-01T00:00:00Z"},
  {run_at: "2099-01-01T00:00:00Z", suspended: true}, {env: {A: long(1100)}} | base + . | one),
(mixed(150) | one),
([line], [line, line], [range(20) | line], [line, line + {needs: ["#1"]}], [line + {needs: ["#2"]}, line],
  [line + {needs: ["#2", "#3", 4]}, line, line + {needs: [4, "#2"]}], [line + {needs: ["#2"]}, line + {needs: ["#1"]}],
  [line, line + {needs: ["#3"]}, line + {needs: ["#4"]}, line + {needs: ["#3", "#1"]}], [line + {needs: ["#1"]}],
  [line, line + {needs: ["#3"]}], [line, line + {needs: ["#0"]}], [line + {needs: ["#1000001"]}], [line + {needs: ["#x"]}],
  [line + {needs: ["#"]}], [line + {needs: ["#99999999999999999999"]}],
  [line + {dedupe: "b %w"}, line + {dedupe: "b %w", needs: ["#1"]}, line + {needs: ["#2", "#2", "#1"]}],
  [line + {dedupe: "live"}, line + {needs: ["#1"]}], [line + {dedupe: "live", needs: [999999999]}],
  [line + {needs: [2]}, line + {needs: ["#1"]}, line + {needs: ["#2", 1]}], [line + {dedupe: "self %w"}, line + {dedupe: "self %w", needs: [999999999]}],
  [line + {dedupe: "circle %w", needs: ["#2"]}, line + {needs: ["#3"]}, line + {dedupe: "circle %w"}],
  [line, line + {priority: 1001}], [line, line + {needs: [999999999]}], [line, line + {target: "nope"}],
  [line, line + {target: "there"}, line + {isolation: "vm"}], [line, 1], [line, line + {limits: {memory: -1}}],
  [range(1; 200) | line + {needs: ["#\(. % 199 + 2)"]}] + [line, line] | batch)
