//! Lists the built-in macro files for `include_str!`, and puts DuckDB's library beside the program.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a build script talks to cargo through files, environment and output, and ends where it fails"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    print_sources();
    list_builtin_macros();
    list_sample();
    place_duckdb();
}

/// Writes `builtin_files.rs`: `(folder, path, text)` of each `.sql` file below `src/jinja/builtin`,
/// sorted.
fn list_builtin_macros() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap()).join("src/jinja/builtin");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut code = String::from("&[\n");
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let folder = path.split('/').next().unwrap();
        let full = file.to_str().unwrap();
        writeln!(code, "    BuiltinFile {{ folder: {folder:?}, path: {path:?}, text: include_str!({full:?}) }},")
            .unwrap();
    }
    code.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR").unwrap()).join("builtin_files.rs"), code).unwrap();
}

/// Writes `sample_files.rs`: the sample project at the repository's root, for `strata init
/// --sample`.
fn list_sample() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let mut files = [
        "project.yml",
        "profiles.yml",
        "docs/data-model.md",
        "docs/erd-raw.svg",
        "docs/erd-raw.dbml",
    ]
    .map(|name| root.join(name))
    .to_vec();
    for folder in ["models", "seeds", "macros", "tests/data"] {
        println!("cargo:rerun-if-changed={}", root.join(folder).display());
        collect_all(&root.join(folder), &mut files);
    }
    files.sort();
    let mut code = String::from("&[\n");
    for file in files.iter().filter(|f| f.is_file()) {
        println!("cargo:rerun-if-changed={}", file.display());
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let full = file.to_str().unwrap();
        writeln!(code, "    SampleFile {{ path: {path:?}, text: include_str!({full:?}) }},")
            .unwrap();
    }
    code.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR").unwrap()).join("sample_files.rs"), code).unwrap();
}

/// Sets `STRATA_SOURCES` to a print of all sources (FNV-1a, 64 bits), by which results that a build
/// has kept are told from those of another.
fn print_sources() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let mut files = vec![root.join("Cargo.toml")];
    collect_all(&root.join("src"), &mut files);
    files.sort();
    let mut print = 0xcbf2_9ce4_8422_2325_u64;
    println!("cargo:rerun-if-changed={}", root.join("src").display());
    for file in files {
        for byte in fs::read(&file).unwrap() {
            print = (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo:rustc-env=STRATA_SOURCES={print:016x}");
}

fn collect_all(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_all(&path, out);
        } else {
            out.push(path);
        }
    }
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            println!("cargo:rerun-if-changed={}", path.display());
            collect(&path, out);
        } else if path.extension().is_some_and(|e| e == "sql") {
            out.push(path);
        }
    }
}

/// Copies the library into the profile folder and adds rpaths, so that the program, tests (`deps/`)
/// and examples find it wherever the target folder is; a release ships both files in one folder.
fn place_duckdb() {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return;
    }
    let name = match env::var("CARGO_CFG_TARGET_OS").unwrap().as_str() {
        "macos" => "libduckdb.dylib",
        "windows" => "duckdb.dll",
        _ => "libduckdb.so",
    };
    let library =
        env::var_os("DUCKDB_LIB_DIR").map(|d| PathBuf::from(d).join(name)).filter(|p| p.is_file());
    let Some(library) = library else {
        panic!(
            "\n\nDuckDB's library ({name}) was not found in DUCKDB_LIB_DIR.\n\
             Inside a checkout, run `./strata` or `scripts/fetch-duckdb` once: it downloads the library into `.duckdb/`.\n\
             Elsewhere, set DUCKDB_LIB_DIR to a folder that has it, or build with `--features bundled` (slow, and \
             without time zones).\n\n"
        );
    };
    println!("cargo:rerun-if-changed={}", library.display());
    // OUT_DIR is <target>/<profile>/build/strata-<hash>/out.
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let profile = out.ancestors().nth(3).unwrap();
    let copy = profile.join(name);
    let same = fs::metadata(&copy)
        .ok()
        .zip(fs::metadata(&library).ok())
        .is_some_and(|(a, b)| a.len() == b.len());
    if !same {
        // Through a temporary name: a running program may have the old file mapped.
        let temporary = profile.join(format!(".{name}.{}", std::process::id()));
        fs::copy(&library, &temporary).unwrap();
        fs::rename(&temporary, &copy).unwrap();
    }
    // macOS has another name for the folder of the program.
    let here = if name.ends_with(".dylib") { "@loader_path" } else { "$ORIGIN" };
    for origin in [here.to_owned(), format!("{here}/..")] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{origin}");
    }
}
