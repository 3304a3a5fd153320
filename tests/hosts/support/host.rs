//! Debian hosts: systemd-nspawn containers that tests/hosts/boot runs.

use super::ssh::client;
use super::{Output, free_port, here};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

/// The Debian release of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
    /// Debian testing.
    Testing,
    /// Debian testing made to resemble a cloud image of Ubuntu: login as `ubuntu` instead of root, ssh.socket, sudo-rs,
    /// uutils. Only with [`Image::Ready`].
    Ubuntu,
}

impl Release {
    /// The newest stable release, for tests that do not select one.
    pub const DEFAULT: Release = Release::Trixie;

    /// The name of the release for tests/hosts/image.
    fn name(self) -> &'static str {
        match self {
            Release::Bookworm => "bookworm",
            Release::Trixie => "trixie",
            Release::Testing => "testing",
            Release::Ubuntu => "ubuntu",
        }
    }
}

/// The root directory from which a host boots; tests/hosts/image builds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// systemd, sshd and sudo.
    Bare,
    /// Also the packages that `setup` installs, and local files of all dependencies of the sample applications.
    Ready,
}

impl Image {
    /// The root directory for a release, which is built if it is missing.
    fn directory(self, release: Release) -> PathBuf {
        static BUILT: Mutex<[[Option<PathBuf>; 4]; 2]> =
            Mutex::new([const { [const { None }; 4] }; 2]);
        let name = match self {
            Image::Bare => "bare",
            Image::Ready => "ready",
        };
        BUILT.lock().unwrap()[self as usize][release as usize]
            .get_or_insert_with(|| {
                let output = Command::new(here().join("image"))
                    .args([release.name(), name])
                    .output()
                    .map(Output::from)
                    .expect("tests/hosts/image")
                    .expect(0);
                PathBuf::from(output.stdout.trim_end())
            })
            .clone()
    }
}

/// The directory of this test process, for disks and keys. The first call removes those of dead processes.
pub fn workspace() -> &'static Path {
    static WORKSPACE: LazyLock<PathBuf> = LazyLock::new(|| {
        let all = Image::Bare
            .directory(Release::DEFAULT)
            .ancestors()
            .nth(2)
            .unwrap()
            .join("hosts");
        fs::create_dir_all(&all).unwrap();
        for entry in fs::read_dir(&all).unwrap().map(Result::unwrap) {
            if !Path::new("/proc").join(entry.file_name()).exists() {
                // Fails if another test process is removing the same directory.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let mine = all.join(std::process::id().to_string());
        // A dead process with the same ID may have left it.
        let _ = fs::remove_dir_all(&mine);
        fs::create_dir(&mine).unwrap();
        mine
    });
    &WORKSPACE
}

/// A Debian host. Dropping it cuts its power and removes its disk.
pub struct Host {
    name: String,
    release: Release,
    /// The lower directories of the host's overlayfs, separated by colons, the uppermost first.
    layers: String,
    disk: PathBuf,
    port: u16,
    offline: bool,
    power: Option<Power>,
}

/// The process that keeps a host running until its standard input is closed.
struct Power {
    keeper: Child,
    init: u32,
}

impl Host {
    /// Boots a new host of the default release and waits until all services have started. Root can log in by ssh.
    pub fn boot(image: Image) -> Host {
        Host::boot_release(Release::DEFAULT, image)
    }

    /// Boots a new host of the given release.
    pub fn boot_release(release: Release, image: Image) -> Host {
        let mut host = Host::off(release, image);
        host.power_on();
        host
    }

    /// Creates a host that is off, so that it can be prepared before it boots.
    pub fn off(release: Release, image: Image) -> Host {
        Host::new(
            release,
            image.directory(release).to_str().unwrap().to_owned(),
        )
    }

    /// Creates a host, which is off, with a copy-on-write copy of this host's disk. This host must be off too.
    pub fn fork(&self) -> Host {
        assert!(self.power.is_none(), "{} is running", self.name);
        let layers = format!("{}/changes:{}", self.disk.display(), self.layers);
        Host::new(self.release, layers)
    }

    fn new(release: Release, layers: String) -> Host {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pystrano-{}-{count}", std::process::id());
        let host = Host {
            disk: workspace().join(&name),
            port: free_port(),
            offline: false,
            power: None,
            name,
            release,
            layers,
        };
        host.prepare("/etc/hostname", &format!("{}\n", host.name));
        let names = format!("127.0.0.1 localhost\n127.0.1.1 {}\n", host.name);
        host.prepare("/etc/hosts", &names);
        let key = &client().public_key;
        if release == Release::Ubuntu {
            host.prepare("/home/ubuntu/.ssh/authorized_keys", key);
            let refused = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,\
                command=\"echo 'Please login as the user \\\"ubuntu\\\" rather than the user \\\"root\\\".';\
                echo;sleep 1;exit 142\"";
            host.prepare("/root/.ssh/authorized_keys", &format!("{refused} {key}"));
            let socket = format!(
                "[Socket]\nListenStream=\nListenStream=127.0.0.1:{}\n",
                host.port
            );
            host.prepare("/etc/systemd/system/ssh.socket.d/test.conf", &socket);
        } else {
            host.prepare("/root/.ssh/authorized_keys", key);
            let sshd = format!("Port {}\nListenAddress 127.0.0.1\n", host.port);
            host.prepare("/etc/ssh/sshd_config.d/test.conf", &sshd);
        }
        host
    }

    /// The user for `setup_user`.
    pub fn setup_user(&self) -> &'static str {
        match self.release {
            Release::Ubuntu => "ubuntu",
            _ => "root",
        }
    }

    /// Boots a new host with no network interface except its own loopback. Only [`Host::exec`] can reach it, ssh cannot.
    pub fn boot_offline(release: Release, image: Image) -> Host {
        let mut host = Host::off(release, image);
        host.offline = true;
        host.power_on();
        host
    }

    /// Copies a directory of the machine to the host, owned by root.
    pub fn copy_in(&self, from: &Path, to: &str) {
        let copied = Command::new("cp")
            .arg("-R")
            .args([from, &self.path(to)])
            .status();
        assert!(copied.unwrap().success());
    }

    /// Writes a file, owned by root, while the host is off.
    pub fn prepare(&self, path: &str, text: &str) {
        assert!(self.power.is_none(), "{} is running", self.name);
        let file = self.disk.join("changes").join(&path[1..]);
        self.prepare_directory(Path::new(path).parent().unwrap());
        fs::write(file, text).unwrap();
    }

    /// Creates a directory in the host's upper layer, with the owner and mode that it has in the layers below.
    fn prepare_directory(&self, path: &Path) {
        let inner = path.strip_prefix("/").unwrap();
        let changed = self.disk.join("changes").join(inner);
        if changed.is_dir() {
            return;
        }
        match path.parent() {
            Some(parent) => {
                self.prepare_directory(parent);
                fs::create_dir(&changed).unwrap();
            }
            None => fs::create_dir_all(&changed).unwrap(),
        }
        let mut layers = self
            .layers
            .split(':')
            .map(|layer| Path::new(layer).join(inner));
        if let Some(below) = layers.find_map(|below| fs::metadata(below).ok()) {
            chown(&changed, Some(below.uid()), Some(below.gid())).unwrap();
            fs::set_permissions(&changed, below.permissions()).unwrap();
        }
    }

    /// The words of the last line of revisions.log: time, release, commit, operator, result.
    pub fn last_revision(&self) -> [String; 5] {
        let log = self.read("/home/deploy/demo/.pystrano/revisions.log");
        let line = log.lines().last().expect("a line");
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words.try_into().expect("five words")
    }

    /// The port of the host's sshd on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Boots a host that is off, and keeps its disk.
    pub fn power_on(&mut self) {
        const FAILED: &str = "systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1";
        assert!(self.power.is_none(), "{} is running", self.name);
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(here().join("boot"))
            .arg(&self.layers)
            .arg(&self.disk)
            .arg(&self.name)
            .args(self.offline.then_some("offline"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let init = line
            .trim_end()
            .parse()
            .expect("tests/hosts/boot prints a process id");
        self.power = Some(Power { keeper, init });

        let begin = Instant::now();
        loop {
            let state = self.exec("systemctl is-system-running --wait");
            match state.stdout.trim_end() {
                "running" => break,
                // The power cut may have hit a deploy of a release that cannot start.
                "degraded" if self.exec(FAILED).stdout == "demo.service\n" => break,
                "" | "offline" | "initializing" | "starting" => {
                    assert!(
                        begin.elapsed() < Duration::from_secs(60),
                        "no boot:\n{state}"
                    );
                    std::thread::sleep(Duration::from_millis(20));
                }
                _ => panic!(
                    "{}",
                    self.exec("systemctl --failed --no-pager; journalctl -b | tail -50")
                ),
            }
        }
    }

    /// Cuts the power: kills all processes at once. The disk is kept.
    pub fn power_off(&mut self) {
        let mut power = self.power.take().expect("a running host");
        drop(power.keeper.stdin.take());
        power.keeper.wait().unwrap();
    }

    /// Runs a shell script as root, by nsenter: without ssh or a login, and fast.
    pub fn exec(&self, script: &str) -> Output {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let process = Command::new("nsenter")
            .args(["--target", &self.init().to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--"])
            .args([
                "env",
                "-i",
                path,
                "HOME=/root",
                "LANG=C.UTF-8",
                "sh",
                "-c",
                script,
            ])
            .stdin(Stdio::null())
            .output();
        process.expect("nsenter").into()
    }

    /// Runs a shell script as root, which must succeed. Returns its standard output without trailing newlines.
    #[track_caller]
    pub fn root(&self, script: &str) -> String {
        let output = self.exec(script).expect(0);
        output.stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs a command line by ssh in the login shell of `user`, with empty standard input.
    pub fn ssh(&self, user: &str, command: &str) -> Output {
        Command::new(&client().program)
            .args([
                "-T",
                "-o",
                "BatchMode=yes",
                "-p",
                &self.port.to_string(),
                "-l",
                user,
            ])
            .args(["--", "127.0.0.1", command])
            .stdin(Stdio::null())
            .output()
            .expect("ssh")
            .into()
    }

    /// The path by which this process can open a file of the host. Symlinks in it are resolved on the machine and may lead
    /// out of the host; use [`Host::read`] where that matters.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init()))
    }

    /// Reads a file of the host.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        self.exec(&format!("cat -- '{path}'")).expect(0).stdout
    }

    /// Allows pip and uv of a ready host to download packages, from the same indexes as this machine.
    pub fn fetches_packages(&self) {
        self.root("rm -f /etc/pip.conf; sed -i '/^UV_OFFLINE=/d' /etc/environment");
        if let Ok(config) = fs::read("/etc/pip.conf") {
            self.write("/etc/pip.conf", config);
        }
    }

    /// Writes a file of the host as root. Replaces a symlink instead of following it, and creates missing directories.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&file);
        fs::File::create_new(&file)
            .and_then(|mut file| file.write_all(bytes.as_ref()))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// The process ID of the host's init in the machine's namespace.
    pub fn init(&self) -> u32 {
        self.power.as_ref().expect("a running host").init
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.power.is_some() {
            self.power_off();
        }
        let _ = fs::remove_dir_all(&self.disk);
    }
}
