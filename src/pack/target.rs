//! The platform that a payload's wheels are for: Python version, machine, and glibc version.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the checkout's .python-version"
)]

use super::program::Program;
use super::{PackError, Result, ancestors_within};
use crate::config::types::{Platform, Python};
use crate::config::{PackageManager, Server};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::Path;

/// CPython on Linux with glibc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The minor version of Python 3.
    pub python: u32,
    /// As `uname -m` prints it.
    pub machine: String,
    /// The minor version of glibc 2.
    pub glibc: u32,
}

const PROBE: &str = "import json, platform, sys
libc, version = platform.libc_ver()
glibc = int(version.split('.')[1]) if libc == 'glibc' else None
print(json.dumps([sys.version_info[1], platform.machine(), glibc]))";

/// Asks this machine's `python3` for its minor version, the machine, and the minor version of its glibc; `None` with another
/// libc or system.
fn probe_python() -> Result<(u32, String, Option<u32>)> {
    let output = Program::python().args(["-c", PROBE]).run()?;
    serde_json::from_str(&output).map_err(|_| PackError::PythonOutput { output })
}

impl Target {
    /// The target for a server's `python` and `platform`, and whether any of it had to be taken from this machine. `pinned` is
    /// the minor version in the app's `.python-version`, which counts if `python` is not set.
    ///
    /// # Errors
    /// `python` is a path without a version, or this machine's platform is needed and is none that is supported.
    pub fn of(
        python: Option<&Python>,
        platform: Option<&Platform>,
        pinned: Option<u32>,
    ) -> Result<(Self, bool)> {
        let minor = |python: &Python| python.version()?.strip_prefix("3.")?.parse().ok();
        let python = match python {
            Some(python) => Some(minor(python).ok_or(PackError::UnknownPython)?),
            None => pinned,
        };
        let target = |python, (machine, glibc): (&str, u32)| Target {
            python,
            machine: machine.to_owned(),
            glibc,
        };
        if let (Some(python), Some(platform)) = (python, platform) {
            return Ok((target(python, platform.parts()), false));
        }
        let (local_python, machine, glibc) = probe_python()?;
        let parts = match (platform, machine.as_str(), glibc) {
            (Some(platform), ..) => platform.parts(),
            (None, machine @ ("x86_64" | "aarch64"), Some(glibc @ 17..)) => (machine, glibc),
            _ => return Err(PackError::UnknownPlatform),
        };
        Ok((target(python.unwrap_or(local_python), parts), true))
    }

    /// The Python version, as `3.13`.
    pub fn version(&self) -> String {
        format!("3.{}", self.python)
    }

    /// The platform in the syntax of the config field `platform`.
    pub fn platform(&self) -> String {
        format!("{}-manylinux_2_{}", self.machine, self.glibc)
    }

    /// The value for uv's `--python-platform`: uv does not know all glibc versions, so this is the nearest one not above.
    pub fn uv_platform(&self) -> String {
        let glibc = match self.glibc {
            40.. => 40,
            glibc @ 31.. => glibc,
            28.. => 28,
            _ => 17,
        };
        format!("{}-manylinux_2_{glibc}", self.machine)
    }

    /// Ranks a wheel by the tags in its file name: lower is better, in the order of pip's; `None` if it is not compatible.
    pub fn rank(&self, wheel: &str) -> Option<usize> {
        let name = wheel.strip_suffix(".whl")?;
        let mut parts = name.rsplit('-');
        let (platforms, abis, pythons) = (parts.next()?, parts.next()?, parts.next()?);
        let best = |tags: &str, rank: &dyn Fn(&str) -> Option<usize>| {
            tags.split('.').filter_map(rank).min()
        };
        best(pythons, &|python| {
            best(abis, &|abi| {
                best(platforms, &|platform| self.rank_tag(python, abi, platform))
            })
        })
    }

    fn rank_tag(&self, python: &str, abi: &str, platform: &str) -> Option<usize> {
        let platform = self.rank_platform(platform)?;
        let exact = format!("cp3{}", self.python);
        let minor = |tag: &str, prefix: &str| -> Option<u32> {
            let minor = tag.strip_prefix(prefix)?.parse().ok()?;
            (minor <= self.python).then_some(minor)
        };
        let older = |minor: u32| (self.python - minor) as usize;
        let kind = match (python, abi) {
            (python, abi) if python == exact && abi == exact => 0,
            (python, "abi3") => 1 + older(minor(python, "cp3").filter(|minor| *minor >= 2)?),
            (python, "none") if python == exact => 100,
            ("py3", "none") => 200,
            (python, "none") => 101 + older(minor(python, "py3")?),
            _ => return None,
        };
        // Platform ranks are below 200, so Python and ABI tags decide first. Wheels for `any` platform come last.
        Some(match platform {
            Some(platform) => kind * 200 + platform,
            None => 1_000_000 + kind,
        })
    }

    /// The rank of a platform tag among those that the target supports; `Some(None)` for `any`.
    fn rank_platform(&self, tag: &str) -> Option<Option<usize>> {
        if tag == "any" {
            return Some(None);
        }
        let rest = tag.strip_suffix(&self.machine)?.strip_suffix('_')?;
        let minor = match rest {
            "linux" => return Some(Some(199)),
            "manylinux2014" => 17,
            "manylinux2010" => 12,
            "manylinux1" => 5,
            _ => rest.strip_prefix("manylinux_2_")?.parse().ok()?,
        };
        (minor <= self.glibc).then(|| Some((self.glibc - minor) as usize))
    }

    /// The value of an environment marker's variable on a host with this patch release of Python. `None` for a name that
    /// PEP 508 does not define.
    pub fn marker_variable(&self, name: &str, patch: u32) -> Option<String> {
        let full = format!("3.{}.{patch}", self.python);
        Some(match name {
            "python_version" => self.version(),
            "python_full_version" | "implementation_version" => full,
            "os_name" => "posix".to_owned(),
            "sys_platform" => "linux".to_owned(),
            "platform_system" => "Linux".to_owned(),
            "platform_machine" => self.machine.clone(),
            "platform_python_implementation" => "CPython".to_owned(),
            "implementation_name" => "cpython".to_owned(),
            "platform_release" | "platform_version" | "extra" => String::new(),
            _ => return None,
        })
    }
}

/// The minor version in the `.python-version` that uv would read for the app.
pub fn pinned_python(server: &Server, tree: &Path) -> Option<u32> {
    if server.package_manager == PackageManager::Pip {
        return None;
    }
    let file = tree.join(&*server.dependency_file);
    for directory in ancestors_within(&file, tree).skip(1) {
        let Ok(text) = fs::read_to_string(directory.join(".python-version")) else {
            continue;
        };
        let mut lines = text.lines().map(str::trim);
        let version = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
        let minor = version.trim_start_matches("cpython-").strip_prefix("3.")?;
        return minor.split(['.', '-']).next()?.parse().ok();
    }
    None
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Python {} on {}", self.version(), self.platform())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            python: 12,
            machine: "x86_64".to_owned(),
            glibc: 36,
        }
    }

    #[test]
    fn the_wheel_that_pip_would_take_fits_best() {
        let best_first = [
            "a-1-cp312-cp312-manylinux_2_34_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "a-1-cp312-cp312-manylinux1_x86_64.whl",
            "a-1-cp312-cp312-linux_x86_64.whl",
            "a-1-cp312-abi3-manylinux_2_17_x86_64.whl",
            "a-1-cp37-abi3-manylinux_2_28_x86_64.whl",
            "a-1-cp312-none-manylinux2014_x86_64.whl",
            "uv-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "a-1-py312-none-any.whl",
            "a-1-2-py2.py3-none-any.whl",
        ];
        let ranks: Vec<_> = best_first.iter().map(|name| target().rank(name)).collect();
        assert!(ranks.iter().all(Option::is_some), "{ranks:?}");
        assert!(ranks.is_sorted(), "{ranks:?}");
    }

    #[test]
    fn wheels_for_others_do_not_fit() {
        for name in [
            "a-1-cp311-cp311-manylinux_2_17_x86_64.whl",
            "a-1-cp313-abi3-manylinux_2_17_x86_64.whl",
            "a-1-cp312-cp312t-manylinux_2_17_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_37_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_17_aarch64.whl",
            "a-1-cp312-cp312-musllinux_1_2_x86_64.whl",
            "a-1-cp312-cp312-win_amd64.whl",
            "a-1-pp310-pypy310_pp73-manylinux_2_17_x86_64.whl",
            "a-1-py2-none-any.whl",
            "a-1.tar.gz",
        ] {
            assert_eq!(target().rank(name), None, "{name}");
        }
    }
}
