//! Runs a command and all its children under ptrace, counts their changes to some directories, and interferes just
//! before the Nth change.
#![expect(
    unsafe_code,
    reason = "ptrace takes hold of a child between fork and exec"
)]

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::PipeWriter;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interference just before a change.
pub enum Blow {
    /// All processes are killed at once, as in a power cut.
    PowerCut,
    /// The first process is killed; its children live on.
    ShellDies,
    /// The first process gets a signal.
    Signal(Signal),
    /// The process group gets a signal, as from a terminal.
    GroupSignal(Signal),
    /// Stdin reaches its end: the controller is gone.
    HangUp,
    /// A function is called while the processes are stopped.
    Call(Box<dyn FnOnce()>),
}

/// The result of a traced run.
pub struct Traced {
    /// The changes in order, each as system call and path; after a kill, only those before it.
    pub changes: Vec<String>,
    /// The exit status of the first process, or 128 + N after signal N.
    pub status: i32,
}

/// Runs `command` and applies the blow before its `at`th change (from 0) below one of `trees`. `input` is the write
/// end of its stdin, kept open until the first process exits. Returns when all of its processes have exited.
pub fn trace(
    command: &mut Command,
    trees: &[PathBuf],
    input: Option<PipeWriter>,
    blow: Option<(usize, Blow)>,
) -> Traced {
    command.process_group(0);
    let mut filter = filter();
    // SAFETY: ptrace and prctl are plain system calls, which are allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            ptrace::traceme()?;
            stop_at(&mut filter)
        });
    }
    #[allow(clippy::zombie_processes)] // `follow` waits for it
    let child = command.spawn().expect("a command to trace");
    let shell = Pid::from_raw(child.id().cast_signed());
    let mut run = Run {
        shell,
        trees,
        input,
        blow,
        alive: BTreeSet::new(),
        watching: true,
        traced: Traced {
            changes: Vec::new(),
            status: -1,
        },
    };
    let options = Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    // A traced process stops with SIGTRAP at its exec.
    let begun = waitpid(shell, Some(flags())).expect("a stop");
    assert_eq!(begun, WaitStatus::Stopped(shell, Signal::SIGTRAP));
    ptrace::setoptions(shell, options).expect("options");
    run.alive.insert(shell);
    resume(shell, None);
    run.follow();
    run.traced
}

// `__WNOTHREAD`: do not reap the children of other test threads.
fn flags() -> WaitPidFlag {
    WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD
}

struct Run<'a> {
    shell: Pid,
    trees: &'a [PathBuf],
    input: Option<PipeWriter>,
    blow: Option<(usize, Blow)>,
    alive: BTreeSet<Pid>,
    watching: bool,
    traced: Traced,
}

impl Run<'_> {
    fn follow(&mut self) {
        loop {
            match waitpid(None, Some(flags())) {
                // A new process starts stopped by SIGSTOP; nothing else here sends that signal.
                Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) => {
                    self.alive.insert(pid);
                    resume(pid, None);
                }
                Ok(WaitStatus::Stopped(pid, signal)) => resume(pid, Some(signal)),
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => {
                    debug_assert_ne!(event, Event::PTRACE_EVENT_STOP as i32);
                    if event == Event::PTRACE_EVENT_SECCOMP as i32 {
                        self.stopped_at_syscall(pid);
                    }
                    resume(pid, None);
                }
                Ok(WaitStatus::Exited(pid, status)) => self.gone(pid, status),
                Ok(WaitStatus::Signaled(pid, signal, _)) => self.gone(pid, 128 + signal as i32),
                Ok(other) => panic!("{other:?}"),
                Err(Errno::ECHILD) => return,
                Err(Errno::EINTR) => {}
                Err(error) => panic!("waitpid: {error}"),
            }
        }
    }

    fn gone(&mut self, pid: Pid, status: i32) {
        self.alive.remove(&pid);
        if pid == self.shell {
            self.traced.status = status;
            self.input = None;
        }
    }

    fn stopped_at_syscall(&mut self, pid: Pid) {
        if self.watching
            && let Some(change) = change(pid, self.trees)
        {
            match self.blow.take() {
                Some((at, blow)) if at == self.traced.changes.len() => self.strike(blow),
                other => self.blow = other,
            }
            self.traced.changes.push(change);
        }
    }

    fn strike(&mut self, blow: Blow) {
        match blow {
            Blow::PowerCut => {
                self.watching = false;
                for pid in &self.alive {
                    let _ = kill(*pid, Signal::SIGKILL);
                }
                // A process that was forked just now is not in `alive` yet.
                let _ = killpg(self.shell, Signal::SIGKILL);
            }
            Blow::ShellDies => {
                self.watching = false;
                let _ = kill(self.shell, Signal::SIGKILL);
            }
            Blow::Signal(signal) => drop(kill(self.shell, signal)),
            Blow::GroupSignal(signal) => drop(killpg(self.shell, signal)),
            Blow::HangUp => self.input = None,
            Blow::Call(call) => call(),
        }
    }
}

fn resume(pid: Pid, signal: Option<Signal>) {
    // Fails for a process that was just killed.
    let _ = ptrace::cont(pid, signal);
}

/// The arguments of a system call that name the file it changes.
#[derive(Clone, Copy)]
enum At {
    /// A path.
    Path(usize),
    /// A directory's file descriptor and a path relative to it.
    Below(usize, usize),
    /// A file descriptor.
    File(usize),
}

/// A system call that changes files: its number, its name in the results, the arguments that name the file, and the
/// argument with open flags, if the call counts only with one of [`WRITING`].
type Call = (libc::c_long, &'static str, At, Option<usize>);

const CALLS: &[Call] = &[
    (libc::SYS_openat, "open", At::Below(0, 1), Some(2)),
    (libc::SYS_renameat, "rename", At::Below(2, 3), None),
    (libc::SYS_renameat2, "rename", At::Below(2, 3), None),
    (libc::SYS_symlinkat, "symlink", At::Below(1, 2), None),
    (libc::SYS_linkat, "link", At::Below(2, 3), None),
    (libc::SYS_unlinkat, "unlink", At::Below(0, 1), None),
    (libc::SYS_mkdirat, "mkdir", At::Below(0, 1), None),
    (libc::SYS_fchmodat, "chmod", At::Below(0, 1), None),
    (libc::SYS_fchmod, "chmod", At::File(0), None),
    (libc::SYS_write, "write", At::File(0), None),
    (libc::SYS_ftruncate, "truncate", At::File(0), None),
    (libc::SYS_copy_file_range, "write", At::File(2), None),
];

/// System calls that newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const OLDER_CALLS: &[Call] = &[
    (libc::SYS_open, "open", At::Path(0), Some(1)),
    (libc::SYS_creat, "open", At::Path(0), None),
    (libc::SYS_rename, "rename", At::Path(1), None),
    (libc::SYS_symlink, "symlink", At::Path(1), None),
    (libc::SYS_link, "link", At::Path(1), None),
    (libc::SYS_unlink, "unlink", At::Path(0), None),
    (libc::SYS_rmdir, "rmdir", At::Path(0), None),
    (libc::SYS_mkdir, "mkdir", At::Path(0), None),
    (libc::SYS_chmod, "chmod", At::Path(0), None),
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CALLS: &[Call] = &[];

const WRITING: u32 =
    (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC).cast_unsigned();

/// A seccomp filter that stops a process only at these calls, which takes a fraction of the time of stopping at every
/// system call.
fn filter() -> Vec<libc::sock_filter> {
    let load = |offset| op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0);
    let stop = op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_TRACE, 0);
    let mut filter = Vec::new();
    for (number, _, _, flags) in CALLS.iter().chain(OLDER_CALLS) {
        let number = u32::try_from(*number).expect("a number of a call");
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        // Offsets in seccomp_data: the call's number is its first field, its arguments begin at 16.
        filter.push(load(0));
        if let Some(flags) = flags {
            let offset = 16 + 8 * *flags as u32 + if cfg!(target_endian = "big") { 4 } else { 0 };
            let any = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
            filter.extend([op(equal, number, 3), load(offset), op(any, WRITING, 1)]);
        } else {
            filter.push(op(equal, number, 1));
        }
        filter.push(stop);
    }
    filter.push(op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    filter
}

/// A BPF instruction; a comparison that fails skips the next `skipped` instructions.
fn op(code: u32, k: u32, skipped: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: skipped,
        k,
    }
}

/// Installs the filter: this process and its children stop at the calls in it.
fn stop_at(filter: &mut [libc::sock_filter]) -> std::io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the filter during the call, and the filter outlives the call.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    };
    if done {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// The change below `trees` that the stopped process is about to make, if any.
fn change(pid: Pid, trees: &[PathBuf]) -> Option<String> {
    let info = ptrace::syscall_info(pid).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_SECCOMP {
        return None;
    }
    // SAFETY: `op` says that the kernel filled in the seccomp fields.
    let call = unsafe { info.u.seccomp };
    let (_, name, at, _) = CALLS
        .iter()
        .chain(OLDER_CALLS)
        .find(|(number, ..)| number.cast_unsigned() == call.nr)?;
    let path = match *at {
        At::Path(path) => below(pid, PathBuf::from("cwd"), text(pid, call.args[path])?),
        At::Below(directory, path) => {
            let base = match call.args[directory] as i32 {
                libc::AT_FDCWD => PathBuf::from("cwd"),
                fd => PathBuf::from(format!("fd/{fd}")),
            };
            below(pid, base, text(pid, call.args[path])?)
        }
        At::File(file) => fs::read_link(format!("/proc/{pid}/fd/{}", call.args[file])).ok()?,
    };
    trees
        .iter()
        .find_map(|tree| Some(format!("{name} {}", shown(&path, tree)?)))
}

fn shown(path: &Path, tree: &Path) -> Option<String> {
    let rest = path.strip_prefix(tree).ok()?;
    let tree = Path::new(tree.file_name()?);
    Some(tree.join(rest).display().to_string())
}

fn below(pid: Pid, base: PathBuf, path: PathBuf) -> PathBuf {
    let base = Path::new("/proc").join(pid.to_string()).join(base);
    fs::read_link(base).unwrap_or_default().join(path)
}

fn text(pid: Pid, address: u64) -> Option<PathBuf> {
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = [0; 4096];
    // Reads to the end of the page first, because the next page may not be mapped.
    let page = 4096 - usize::try_from(address % 4096).ok()?;
    let mut read = memory.read_at(&mut bytes[..page], address).ok()?;
    if !bytes[..read].contains(&0) {
        read += memory
            .read_at(&mut bytes[page..], address + page as u64)
            .ok()?;
    }
    let end = bytes[..read].iter().position(|byte| *byte == 0)?;
    Some(PathBuf::from(std::str::from_utf8(&bytes[..end]).ok()?))
}
