#!/usr/bin/env python3
"""Runs the committed mutants: breaks one rule at a time and records which test noticed.

    tests/mutants/run.py            every mutant; writes docs/MUTANTS.md
    tests/mutants/run.py ID...      these alone; renews their rows of docs/MUTANTS.md
    tests/mutants/run.py --refusals which refusals of operations no test meets; prints, exit code 1 if there are any

A mutant is a file `ID.mutant` beside this script:

    rule: D-7
    file: src/domain/authz/combine.rs
    what: one line that says what is broken
    ---
    text of the source, exactly once in the file
    --- becomes
    text that takes its place

With `after: TEXT` in its head, the text to be replaced is the first one behind TEXT, which must be unique instead.

`src/domain`, in which every rule is decided, and the tests that need nothing else are copied into a crate of their own
below the target folder, so that a build takes seconds. All mutants are woven into one build, each behind a switch
that a run sets by the environment; a mutant that says `build: alone` (it changes a pattern, a constant or a `const fn`,
where no switch can stand) is built by itself. Mutants of other parts are woven into a second build, of the whole
product, which takes minutes; only the tests of `WHOLE_TESTS` are asked about them. The working tree is only read.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/mutants"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SCRATCH = TARGET / "mutants"
WHOLE = TARGET / "mutants-whole"
# One run of all tests takes seconds; a mutant that makes them hang is noticed as well.
TIMEOUT_SECONDS = 300
NAMES_SHOWN = 3
SURVIVED = "**survived**"
RECORD = ROOT / "docs/MUTANTS.md"

LIB = """\
#![allow(dead_code, unused, unreachable_code, clippy::all)]
pub mod domain;
pub mod mutant;
"""

SWITCH = """\
pub fn on(id: &str) -> bool {
    static ACTIVE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ACTIVE.get_or_init(|| std::env::var("GRANTD_MUTANT").unwrap_or_default()) == id
}
pub fn met(refusal: &str) {
    use std::io::Write;
    if let Ok(path) = std::env::var("GRANTD_REFUSALS_MET") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        // One write: tests on other threads write, too.
        file.write_all(format!("{refusal}\\n").as_bytes()).unwrap();
    }
}
"""

# Tests that take seconds, asked only about what the others let pass.
SLOW = [
    "grant_quota_tests::",
    "tree_too_big_is_refused_whole",
    "account_has_a_quota_of_keys", # two of that beginning
    "index_finds_what_a_full_scan_finds",
    "deleted_key_is_gone_at_once_and_cleared_away_in_steps",
]

# Tests that need nothing but what the scratch crate holds.
INTEGRATION = ["cases"]

# Unit tests of the parts, other than the domain, in which mutants stand.
WHOLE_TESTS = ["app::", "cli::", "env::", "wire::api::"]


class Mutant:
    def __init__(self, path):
        self.id = path.stem
        head, body = path.read_text().split("\n---\n", 1)
        fields = dict(line.split(": ", 1) for line in head.splitlines())
        self.rule, self.file, self.what = fields["rule"], fields["file"], fields["what"]
        self.after = fields.get("after", "").replace("\\n", "\n")
        self.alone = fields.get("build") == "alone"
        self.folder = SCRATCH if self.file.startswith("src/domain/") else WHOLE
        self.old, new = body.split("\n--- becomes\n", 1)
        self.new = new.rstrip("\n")

    def check(self):
        text = (ROOT / self.file).read_text()
        count = text.count(self.after or self.old)
        if count != 1 or self.place(text) < 0:
            sys.exit(f"{self.id}: its text stands {count} times in {self.file}")

    def place(self, text):
        """Where its text begins; below 0 if nowhere."""
        start = text.find(self.after) + len(self.after) if self.after else 0
        return text.find(self.old, start)

    def put(self, text, new):
        at = self.place(text)
        return text[:at] + new + text[at + len(self.old) :]

    def woven(self):
        test = f'crate::mutant::on("{self.id}")'
        if self.old.rstrip().endswith((";", "}")):
            return f"if {test} {{\n{self.new}\n}} else {{\n{self.old}\n}}"
        return f"(if {test} {{ {self.new} }} else {{ {self.old} }})"


def copy_tree(patch, folder=SCRATCH):
    """The scratch crate; `patch` maps a file's path to a function of its text."""
    wanted = {}
    is_whole = folder == WHOLE
    for path in sorted((ROOT / ("src" if is_whole else "src/domain")).rglob("*.rs")):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        wanted[folder / name] = patch.get(name, lambda text: text)(text)
    lib = folder / "src/lib.rs"
    wanted[lib] = wanted[lib] + "pub mod mutant;\n" if is_whole else LIB
    wanted[folder / "src/mutant.rs"] = SWITCH
    links = ["docs", *(f"tests/{name}" for name in ["cases", "decisions", "golden", "examples"])]
    if is_whole:
        for name in ["build.rs", ".cargo/config.toml"]:
            wanted[folder / name] = (ROOT / name).read_text()
        wanted[folder / "Cargo.toml"] = whole_manifest()
        links.append("proto")
    else:
        tests = [name for name in INTEGRATION if (ROOT / f"tests/it/{name}.rs").exists()]
        for name in tests:
            wanted[folder / f"tests/it/{name}.rs"] = (ROOT / f"tests/it/{name}.rs").read_text()
        wanted[folder / "tests/it/main.rs"] = "".join(f"mod {name};\n" for name in tests)
        wanted[folder / "Cargo.toml"] = manifest()
    wanted[folder / "Cargo.lock"] = (ROOT / "Cargo.lock").read_text()
    # A file that did not change keeps its time, so that cargo builds only what did.
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or (path.name != "Cargo.lock" and path.read_text() != text):
            path.write_text(text)
    for path in [*(folder / "src").rglob("*.rs"), *(folder / "tests/it").rglob("*.rs")]:
        if path not in wanted:
            path.unlink()
    for name in links:
        link = folder / name
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(ROOT / name)


def whole_manifest():
    """The product's own, less what is not copied, and without lints: woven code is not for reading."""
    text = re.sub(r"^\[workspace\]\n.*?(?=^\[)", "[workspace]\n", (ROOT / "Cargo.toml").read_text(), flags=re.M | re.S)
    gone = r"^\[(?:\[(?:test|bench)\]|lints|workspace\.lints\.\w+)\]\n.*?(?=^\[|\Z)"
    text = re.sub(gone, "", text, flags=re.M | re.S)
    return text.replace('[profile.dev]\ndebug = "line-tables-only"', "[profile.dev]\ndebug = false")


def manifest():
    text = (ROOT / "Cargo.toml").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "src/domain").rglob("*.rs"))
    sections = re.findall(r"^\[(?:dev-)?dependencies\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    deps = {"serde_json": None, "proptest": None}
    for line, name in re.findall(r"^(([a-z0-9_-]+) = .+)$", "".join(sections), re.M):
        if name in deps or re.search(rf"\b{name.replace('-', '_')}::", sources):
            deps[name] = deps.get(name) or line
    deps = "\n".join(line for line in deps.values() if line)
    return f"""[package]
name = "grantd"
version = "0.0.0"
edition = "2024"

[workspace]

[lib]
doctest = false

[[test]]
name = "it"
path = "tests/it/main.rs"

[dependencies]
{deps}

[profile.dev]
debug = false
"""


def build(folder=SCRATCH):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "RUSTFLAGS": "-Awarnings"}
    arguments = []
    if folder == WHOLE:
        # Its flags are those of `.cargo/config.toml`, with which what it depends on has been built.
        environment.pop("RUSTFLAGS")
        arguments = ["--lib"]
    done = subprocess.run(
        ["cargo", "test", "--no-run", "--quiet", "--message-format=json", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        import json

        for line in done.stdout.splitlines():
            message = json.loads(line).get("message") or {}
            if message.get("level") == "error":
                sys.stderr.write(message["rendered"])
        return None
    return sorted(re.findall(r'"executable":"([^"]+)"', done.stdout), key=lambda path: "/it-" in path)


def failing(binaries, mutant=None, extra=None, folder=SCRATCH):
    """The names of the tests that fail, in order."""
    names = []
    environment = {**os.environ, "PROPTEST_CASES": "32", **(extra or {})}
    environment.update(CARGO_MANIFEST_DIR=str(folder))
    environment.pop("GRANTD_BLESS", None)
    if mutant:
        environment["GRANTD_MUTANT"] = mutant
    # Unit tests come first: they say more about a rule than a file of cases does.
    skip = [argument for name in SLOW for argument in ("--skip", name)]
    runs = [[binaries[0], *skip], [binaries[0], *SLOW], *([binary] for binary in binaries[1:])]
    if folder == WHOLE:
        runs = [[binaries[0], *WHOLE_TESTS]]
    for command in runs:
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired:
            names.append("(the tests do not end)")
            break
        names += re.findall(r"^test (\S+)(?: - should panic)? \.\.\. FAILED$", done.stdout, re.M)
        if done.returncode != 0 and not names:
            names.append("(the tests do not run to their end)")
        if names:
            break
    return sorted(names)


def weave(mutants):
    by_file = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)

    def patch(found):
        def apply(text):
            # Later places first, so that earlier ones stay where they are.
            for at, mutant in sorted(((m.place(text), m) for m in found), key=lambda p: -p[0]):
                text = text[:at] + mutant.woven() + text[at + len(mutant.old) :]
            return text

        return apply

    return {file: patch(found) for file, found in by_file.items()}


def overlaps(mutant, others):
    text = (ROOT / mutant.file).read_text()
    start = mutant.place(text)
    for other in others:
        at = other.place(text) if other.file == mutant.file else -1
        if at >= 0 and at < start + len(mutant.old) and start < at + len(other.old):
            return True
    return False


def run(mutants):
    """Each mutant and the tests that noticed it."""
    caught = {}
    batches, alone = [], [mutant for mutant in mutants if mutant.alone]
    for mutant in (mutant for mutant in mutants if not mutant.alone):
        batch = next((b for b in batches if b[0].folder == mutant.folder and not overlaps(mutant, b)), None)
        if batch is None:
            batches.append([mutant])
        else:
            batch.append(mutant)
    for batch in batches:
        folder = batch[0].folder
        copy_tree(weave(batch), folder)
        binaries = build(folder)
        if binaries is None:
            sys.exit("the woven mutants do not compile")
        broken = failing(binaries, folder=folder)
        if broken:
            sys.exit(f"tests fail without any mutant: {', '.join(broken)}")
        for mutant in batch:
            report(mutant, failing(binaries, mutant.id, folder=folder), caught)
    for mutant in alone:
        copy_tree({mutant.file: lambda text, m=mutant: m.put(text, m.new)}, mutant.folder)
        binaries = build(mutant.folder)
        if binaries is None:
            sys.exit(f"{mutant.id} does not compile")
        report(mutant, failing(binaries, folder=mutant.folder), caught)
    return caught


def report(mutant, names, caught):
    caught[mutant.id] = names
    print(f"{mutant.id}: {shown(names)}", flush=True)


def shown(names):
    if not names:
        return SURVIVED
    text = ", ".join(f"`{name}`" for name in names[:NAMES_SHOWN])
    return text if len(names) <= NAMES_SHOWN else f"{text} and {len(names) - NAMES_SHOWN} more"


def write(mutants, caught):
    caught = {id: caught.get(id) or "not run yet" for id in (mutant.id for mutant in mutants)}
    survived = sum(SURVIVED in text for text in caught.values())
    lines = [
        "# Mutants",
        "",
        "Written by `tests/mutants/run.py`: each mutant breaks one rule of [the specification](KMS-SEMANTICS.md) in the",
        "source, and the tests must notice. `tests/it/mutants.rs` holds that every mutant still fits the source.",
        "",
        f"{len(caught)} mutants, {survived} survived.",
        "",
        "| rule | mutant | what it breaks | noticed by |",
        "|---|---|---|---|",
    ]
    for mutant in mutants:
        lines.append(f"| {mutant.rule} | {mutant.id} | {mutant.what} | {caught[mutant.id]} |")
    RECORD.write_text("\n".join(lines) + "\n")


def recorded():
    """What the page says of each mutant so far."""
    rows = RECORD.read_text().splitlines() if RECORD.exists() else []
    fields = (row.removeprefix("| ").removesuffix(" |").split(" | ") for row in rows if row.startswith("| "))
    return {field[1]: field[3] for field in fields if len(field) == 4}


def refusals():
    """Every refusal that an operation declares must be met by a test."""
    name = "src/domain/op/refusal.rs"
    arm = "match refusal { $($name::$variant(why) => why.into()),+ }"
    met = 'match refusal { $($name::$variant(why) => { crate::mutant::met(concat!(module_path!(), "::", stringify!($variant))); why.into() }),+ }'
    text = (ROOT / name).read_text()
    if text.count(arm) != 1:
        sys.exit(f"{name}: the conversion of refusals is not where this script looks for it")
    copy_tree({name: lambda text: text.replace(arm, met)})
    binaries = build()
    if binaries is None:
        sys.exit("the marked refusals do not compile")
    log = SCRATCH / "refusals.met"
    log.unlink(missing_ok=True)
    broken = failing(binaries, extra={"GRANTD_REFUSALS_MET": str(log)})
    if broken:
        sys.exit(f"tests fail: {', '.join(broken)}")
    seen = set(log.read_text().split())
    unmet = []
    for path in sorted((ROOT / "src/domain/op").rglob("*.rs")):
        module = path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", "::")
        for block in re.findall(r"^refusals! \{\n(.*?)^\}", path.read_text(), re.M | re.S):
            for variant in re.findall(r"^ {8}(\w+)\(\w+\)", block, re.M):
                full = f"grantd::{module}::{variant}"
                if full not in seen:
                    unmet.append(full)
    print("\n".join(unmet) or "every refusal is met by a test")
    return bool(unmet)


def main():
    arguments = sys.argv[1:]
    if arguments == ["--refusals"]:
        sys.exit(refusals())
    mutants = [Mutant(path) for path in sorted(HERE.glob("*.mutant"))]
    chosen = [mutant for mutant in mutants if not arguments or mutant.id in arguments]
    for mutant in chosen:
        mutant.check()
    caught = run(chosen)
    write(mutants, {**recorded(), **{id: shown(names) for id, names in caught.items()}})
    sys.exit(any(not names for names in caught.values()))


main()
