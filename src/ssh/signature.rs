//! Signatures with SSH keys, by the system's `ssh-keygen -Y`.

#![expect(clippy::disallowed_methods, reason = "it starts ssh-keygen")]

use crate::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The signature namespace: a signature made for another purpose is not valid here.
const NAMESPACE: &str = "pystrano";

/// Signs a text with a private key, or with the agent if `key` is a public key.
///
/// # Errors
/// `ssh-keygen` fails; its stderr is shown as it comes.
pub fn sign(text: &[u8], key: &Path) -> Result<Vec<u8>, Error> {
    let mut command = keygen(&["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]);
    // It may prompt for a passphrase or for a touch of a security key.
    command.arg(key).stderr(Stdio::inherit());
    let output = run(&mut command, text)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::SigningFailed {
            key: key.to_owned(),
            status: output.status,
        })
    }
}

/// Verifies that one of the allowed signers has signed a text. Returns the message of `ssh-keygen` that says who.
///
/// # Errors
/// The signature is by nobody in `signers`, or does not match the text.
pub fn verify(text: &[u8], signature: &Path, signers: &Path) -> Result<String, Error> {
    let failed = |output: &[u8]| {
        let output = String::from_utf8_lossy(output);
        Error::BadSignature {
            path: signature.to_owned(),
            signers: signers.to_owned(),
            output: output
                .lines()
                .next_back()
                .unwrap_or("its signer is unknown")
                .escape_debug()
                .to_string(),
        }
    };
    let mut find = keygen(&["-Y", "find-principals", "-s"]);
    find.arg(signature).arg("-f").arg(signers);
    let found = run(&mut find, b"")?;
    let names = String::from_utf8_lossy(&found.stdout).into_owned();
    let name = names.lines().next().and_then(|line| line.split(',').next());
    let Some(name) = name.filter(|name| found.status.success() && !name.is_empty()) else {
        return Err(failed(&found.stderr));
    };
    let mut verify = keygen(&["-Y", "verify", "-n", NAMESPACE, "-I", name, "-s"]);
    verify.arg(signature).arg("-f").arg(signers);
    let verified = run(&mut verify, text)?;
    if verified.status.success() {
        Ok(String::from_utf8_lossy(&verified.stdout)
            .trim_end()
            .to_owned())
    } else {
        Err(failed(&[verified.stdout, verified.stderr].concat()))
    }
}

fn keygen(words: &[&str]) -> Command {
    let mut command = Command::new("ssh-keygen");
    command.args(words).stderr(Stdio::piped());
    command
}

fn run(command: &mut Command, input: &[u8]) -> Result<Output, Error> {
    let problem = |source| Error::Keygen { source };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(problem)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A write error means that `ssh-keygen` has failed, as its exit status will say.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(problem)
}
