# shellcheck shell=bash disable=SC2034
# Sourced by the scripts: where things are, the pinned DuckDB, and the few steps that several of them need.
# Written for bash 3.2, which is what macOS has.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# DuckDB is pinned here; the `duckdb` crate in Cargo.toml (1.10506 is 1.5.6) moves together with it.
duckdb_version=1.5.6
duckdb_release=r.1 # of the npm package
duckdb_sha256_linux_x64=3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# Where cargo puts what it builds, as an absolute path: cargo is started in the checkout, wherever the caller is.
target_dir() {
  local dir=${CARGO_TARGET_DIR:-$root/target}
  case $dir in
    /*) printf '%s\n' "$dir" ;;
    *) printf '%s\n' "$PWD/$dir" ;;
  esac
}

need_cargo() {
  has cargo || die "cargo was not found: install Rust 1.89 or newer with rustup (https://rustup.rs), then run this again"
}

# Runs cargo in the checkout, where it finds .cargo/config.toml.
run_cargo() {
  need_cargo
  local dir
  dir=$(target_dir)
  (cd "$root" && CARGO_TARGET_DIR=$dir cargo "$@")
}

# Builds the program where anything has changed, and sets `tool` to its path. Asking cargo whether it is up to date
# takes a noticeable part of a second, so a stamp answers first: it holds the checkout's path (several may share a target
# folder) and its time is when the last good build began.
build_tool() {
  local dir stamp inputs=() path
  dir=$(target_dir)/debug
  stamp=$dir/.strata-built
  tool=$dir/strata
  # The sample is among the inputs: `init --sample` carries it.
  for path in src build.rs Cargo.toml Cargo.lock .cargo models seeds macros tests/data project.yml profiles.yml; do
    if [ -e "$root/$path" ]; then inputs+=("$root/$path"); fi
  done
  if [ -x "$tool" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$root" ] &&
    [ -z "$(find "${inputs[@]}" -newer "$stamp" -print 2>/dev/null | head -n 1)" ]; then
    return
  fi
  need_cargo
  "$root/scripts/fetch-duckdb"
  [ -x "$tool" ] || say "Building Strata: the first time takes some minutes, most of them for its dependencies."
  mkdir -p "$dir"
  printf '%s\n' "$root" >"$stamp.new.$$"
  # On a terminal cargo shows its own progress.
  if [ -t 2 ]; then run_cargo build --bin strata; else run_cargo build --quiet --bin strata; fi ||
    {
      rm -f "$stamp.new.$$"
      die "Strata could not be built: see the messages above"
    }
  mv "$stamp.new.$$" "$stamp"
}

# The Python environment of the tests, made on first use: `venv NAME PACKAGE...` sets `python` to its interpreter.
# False where it cannot be made, with the reason.
venv() {
  local cache=${STRATA_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strata-test} home
  home=$cache/$1
  shift
  python=$home/bin/python
  if [ "$(cat "$home/packages" 2>/dev/null)" = "$*" ] && [ -x "$python" ]; then return 0; fi
  has python3 || {
    say "python3 was not found: install Python 3.11 or newer"
    return 1
  }
  say "Installing $* into $home (once)"
  rm -rf "$home"
  mkdir -p "$cache"
  if ! { python3 -m venv "$home" && "$python" -m pip install --quiet --retries 1 "$@"; } >"$cache/log" 2>&1; then
    tail -n 3 "$cache/log" >&2
    say "the Python packages could not be installed: the whole log is $cache/log"
    return 1
  fi
  printf '%s\n' "$*" >"$home/packages"
}
