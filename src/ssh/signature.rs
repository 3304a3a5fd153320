//! Signatures by the keys of ssh: the system's `ssh-keygen -Y`.

#![expect(clippy::disallowed_methods, reason = "it starts ssh-keygen")]

use crate::error::Error;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a signature is for: one for another purpose does not count.
const NAMESPACE: &str = "pystrano";

/// Signs a text with a private key, or with the one in the agent that belongs to a public key.
///
/// # Errors
/// `ssh-keygen` does not; what it says stands above.
pub fn sign(text: &[u8], key: &Path) -> Result<Vec<u8>, Error> {
    let arguments = [
        OsStr::new("-q"),
        "-Y".as_ref(),
        "sign".as_ref(),
        "-n".as_ref(),
        NAMESPACE.as_ref(),
        "-f".as_ref(),
        key.as_ref(),
    ];
    // It may ask for a passphrase, or for a touch.
    let output = keygen(&arguments, text, Stdio::inherit())?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Unsigned {
            key: key.to_owned(),
            status: output.status,
        })
    }
}

/// Proves that one of the allowed signers has signed a text; who that is, for people.
///
/// # Errors
/// None of them has.
pub fn verify(text: &[u8], signature: &Path, signers: &Path) -> Result<String, Error> {
    let failed = |said: &[u8]| {
        let said = String::from_utf8_lossy(said);
        Error::BadSignature {
            path: signature.to_owned(),
            signers: signers.to_owned(),
            said: said
                .lines()
                .next_back()
                .unwrap_or("it is by nobody")
                .escape_debug()
                .to_string(),
        }
    };
    let found = keygen(
        &[
            OsStr::new("-Y"),
            "find-principals".as_ref(),
            "-s".as_ref(),
            signature.as_ref(),
            "-f".as_ref(),
            signers.as_ref(),
        ],
        b"",
        Stdio::piped(),
    )?;
    let names = String::from_utf8_lossy(&found.stdout).into_owned();
    let name = names.lines().next().and_then(|line| line.split(',').next());
    let Some(name) = name.filter(|name| found.status.success() && !name.is_empty()) else {
        return Err(failed(&found.stderr));
    };
    let verified = keygen(
        &[
            OsStr::new("-Y"),
            "verify".as_ref(),
            "-n".as_ref(),
            NAMESPACE.as_ref(),
            "-I".as_ref(),
            name.as_ref(),
            "-s".as_ref(),
            signature.as_ref(),
            "-f".as_ref(),
            signers.as_ref(),
        ],
        text,
        Stdio::piped(),
    )?;
    if verified.status.success() {
        Ok(String::from_utf8_lossy(&verified.stdout)
            .trim_end()
            .to_owned())
    } else {
        Err(failed(&[verified.stdout, verified.stderr].concat()))
    }
}

fn keygen(arguments: &[&OsStr], input: &[u8], talk: Stdio) -> Result<Output, Error> {
    let problem = |source| Error::Keygen { source };
    let mut child = Command::new("ssh-keygen")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(talk)
        .spawn()
        .map_err(problem)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has failed does not read.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(problem)
}
