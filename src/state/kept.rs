//! What a command leaves for the next one, files below the target path: the parse, prints of
//! compiled nodes, and that there was nothing to do. A file that is missing, broken or of another
//! build counts as empty.

use super::Settled;
use crate::changes::KeptPrints;
use crate::parse::Kept;
use crate::system::{System, SystemError};
use camino::Utf8Path;
use std::io::Read;

const PARSE: &str = "strata_parse.bin";
const PRINTS: &str = "strata_prints.bin";
const SETTLED: &str = "strata_settled.bin";

fn bytes(system: &dyn System, path: &Utf8Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    match system.open(path).map(|mut file| file.read_to_end(&mut bytes)) {
        Ok(Ok(_)) => bytes,
        _ => Vec::new(),
    }
}

pub(crate) fn read_parse(system: &dyn System, target_path: &Utf8Path) -> Kept {
    Kept::from_bytes(&bytes(system, &target_path.join(PARSE)))
}

pub(crate) fn write_parse(
    system: &dyn System,
    target_path: &Utf8Path,
    kept: &mut Kept,
) -> Result<(), SystemError> {
    let bytes = kept.store();
    system.write_stream(&target_path.join(PARSE), &mut |out| out.write_all(&bytes))
}

pub(crate) fn read_prints(system: &dyn System, target_path: &Utf8Path) -> KeptPrints {
    KeptPrints::from_bytes(&bytes(system, &target_path.join(PRINTS)))
}

pub(crate) fn write_prints(
    system: &dyn System,
    target_path: &Utf8Path,
    kept: &mut KeptPrints,
) -> Result<(), SystemError> {
    let bytes = kept.store();
    system.write_stream(&target_path.join(PRINTS), &mut |out| out.write_all(&bytes))
}

pub(crate) fn read_settled(system: &dyn System, target_path: &Utf8Path) -> Option<Settled> {
    Settled::from_bytes(&bytes(system, &target_path.join(SETTLED)))
}

pub(crate) fn write_settled(
    system: &dyn System,
    target_path: &Utf8Path,
    settled: &Settled,
) -> Result<(), SystemError> {
    let bytes = settled.to_bytes();
    system.write_stream(&target_path.join(SETTLED), &mut |out| out.write_all(&bytes))
}
