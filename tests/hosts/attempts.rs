//! Attacks from inside a host: by an app in the sandbox of its unit, and by another local user.

use crate::init::Newcomer;
use crate::support::{App, Deployed, Host, Image, Repo, deployed};

/// A script that tries each command and prints the names of those that succeed.
fn attempts(commands: &[(&str, &str)]) -> String {
    let mut script = "#!/bin/sh\nexec 2>/dev/null </dev/null\n".to_owned();
    for (name, command) in commands {
        let quoted = shell_escape::escape((*command).into());
        script += &format!("! timeout -k 1 5 sh -c {quoted} >/dev/null || echo '{name}'\n");
    }
    script
}

/// Runs the attempts inside the app's unit, while the app user's service manager and another of its processes run outside.
#[test]
fn an_app_in_its_sandbox_gets_no_further() {
    let host = Host::boot(Image::Ready);
    let newcomer = Newcomer::new("sandbox");
    let shop = newcomer.start("shop", &Repo::new(App::Django), &host);
    let unit = shop.unit();
    // The app user's service manager, and a process outside the unit, as a deploy or a login would be.
    host.root(
        "systemctl start user@$(id -u deploy); systemd-run -q --uid=deploy --unit=outside sleep 1000
         install -d -o deploy /run/outside; systemctl show -P MainPID outside >/run/outside/pid",
    );
    host.root("test -S /run/user/$(id -u deploy)/systemd/private");
    let commands = [
        (
            "a control that may succeed",
            "touch ../../shared/media/mine",
        ),
        ("write a release", "touch mine"),
        ("write the env", "echo A=1 >>.pystrano/env"),
        ("write the launcher", "echo id >>.pystrano/run"),
        ("lead current elsewhere", "ln -sfn /tmp ../../current"),
        ("make a release", "mkdir ../mine"),
        ("write the virtualenv", "touch $VIRTUAL_ENV/bin/mine"),
        (
            "write the log of deploys",
            "echo >>../../.pystrano/revisions.log",
        ),
        (
            "hold the lock of deploys",
            "exec 9<../../.pystrano/lock; flock -n 9",
        ),
        ("read keys", "cat ~/.ssh/authorized_keys"),
        ("write keys", "echo >>~/.ssh/authorized_keys"),
        ("write a login file", "echo >>~/.profile"),
        (
            "write settings of git or pip",
            "mkdir -p ~/.config/pip && touch ~/.config/pip/pip.conf",
        ),
        (
            "go through a process outside, by its root",
            "touch /proc/$(cat /run/outside/pid)/root/home/deploy/apps/shop-production/releases/mine",
        ),
        (
            "go through a process outside, by its directory",
            "ls /proc/$(cat /run/outside/pid)/cwd/",
        ),
        (
            "write the memory of a process outside",
            "exec 9<>/proc/$(cat /run/outside/pid)/mem",
        ),
        (
            "read the environment of a process outside",
            "cat /proc/$(cat /run/outside/pid)/environ",
        ),
        (
            "trace a process outside",
            "python3 -c 'import ctypes,sys; sys.exit(ctypes.CDLL(None).ptrace(16, int(open(\"/run/outside/pid\").read()), 0, 0) != 0)'",
        ),
        (
            "have the manager of a login start something",
            "XDG_RUNTIME_DIR=/run/user/$(id -u) systemd-run --user --wait touch /home/deploy/mine",
        ),
        (
            "reach the manager of a login",
            "python3 -c 'import os, socket; socket.socket(1).connect(\"/run/user/%d/systemd/private\" % os.getuid())'",
        ),
        (
            "have systemd start something",
            "systemd-run --wait touch /home/deploy/mine",
        ),
        (
            "restart by sudo",
            "sudo -n systemctl restart shop-production.service",
        ),
        ("become root", "sudo -n id"),
        ("become root by su", "su -c id"),
        (
            "keep a program with the rights of its owner",
            "cp /bin/true ../../shared/mine && chmod u+s ../../shared/mine",
        ),
        ("make a device", "mknod ../../shared/device c 1 5"),
        (
            "be root in a user namespace",
            "unshare --user --map-root-user true",
        ),
        ("mount", "mount --bind /tmp /home"),
        ("remount its root for writing", "mount -o remount,rw /home"),
        ("chroot", "chroot / true"),
        (
            "a job for later",
            "echo '* * * * * touch /home/deploy/mine' | crontab -",
        ),
        ("write in /etc", "touch /etc/mine"),
        ("write /var/lib/pystrano", "touch /var/lib/pystrano/mine"),
        ("read the home of root", "ls /root/"),
        ("read /etc/shadow", "cat /etc/shadow"),
        ("set the clock", "date -s '1 hour ago'"),
        ("a name of the host", "hostname mine"),
        (
            "a module or a setting of the kernel",
            "echo 1 >/proc/sys/kernel/sysrq",
        ),
        ("read the log of the kernel", "dmesg"),
        (
            "a raw socket",
            "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'",
        ),
        (
            "a packet socket",
            "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)'",
        ),
        ("calls of another machine", "setarch i386 true"),
        ("write control groups", "mkdir /sys/fs/cgroup/mine"),
        ("what others left in /tmp", "cat /tmp/of-others"),
        ("signal a process of root", "kill -0 1"),
        ("real-time scheduling", "chrt -f 1 true"),
    ];
    host.write("/usr/local/bin/attempts", attempts(&commands));
    host.root(&format!(
        "chmod 755 /usr/local/bin/attempts; echo kept >/tmp/of-others; chmod 644 /tmp/of-others
         mkdir -p /etc/systemd/system/{unit}.d
         printf '[Service]\\nExecStartPost=/bin/sh -c \"/usr/local/bin/attempts >/home/deploy/apps/shop-production/shared/succeeded\"\\n' >/etc/systemd/system/{unit}.d/attempts.conf
         systemctl daemon-reload; systemctl restart {unit}"
    ));
    let succeeded = host.read("/home/deploy/apps/shop-production/shared/succeeded");
    assert_eq!(succeeded, "a control that may succeed\n");
    host.root(
        "! test -e /home/deploy/mine && ! test -e /home/deploy/apps/shop-production/releases/mine",
    );
    println!("{} attempts from the sandbox", commands.len() - 1);
}

/// An unprivileged user, on a host whose home directories have mode 0755.
#[test]
fn another_user_of_the_host_gets_nothing() {
    let Deployed { host, project, .. } = deployed(App::Django);
    host.root("useradd -m eve; chmod 755 /home/deploy");
    let commands = [
        ("a control that may succeed", "cat current/manage.py"),
        ("read the env", "cat shared/.env"),
        ("read the env of a release", "cat releases/*/.pystrano/env"),
        (
            "read the launcher, which has the env",
            "cat current/.pystrano/run",
        ),
        ("run the launcher", "current/.pystrano/run env"),
        ("read a secret", "cat shared/secret-key.txt"),
        ("read keys", "cat /home/deploy/.ssh/authorized_keys"),
        (
            "hold the lock of deploys",
            "exec 9<.pystrano/lock; flock -n 9",
        ),
        (
            "hold the lock of setups",
            "exec 9</var/lib/pystrano/lock; flock -n 9",
        ),
        ("read what setup printed", "cat /var/lib/pystrano/output"),
        (
            "write a record of what is whose",
            "touch /var/lib/pystrano/apps/mine",
        ),
        ("write a release", "touch current/mine"),
        ("write shared", "touch shared/mine"),
        ("write uploads", "touch shared/media/mine"),
        ("write the log of deploys", "echo >>.pystrano/revisions.log"),
        ("restart by sudo", "sudo -n systemctl restart demo.service"),
        (
            "read the log by sudo",
            "sudo -n journalctl --no-pager --unit=demo.service --output=short-unix --lines=10000",
        ),
        (
            "read the log by a group",
            "journalctl --unit=demo.service -n 1 | grep -q demo",
        ),
        (
            "restart without sudo",
            "systemctl --no-ask-password restart demo.service",
        ),
        ("read the sudo rule", "cat /etc/sudoers.d/*"),
        (
            "read the environment of the app",
            "cat /proc/$(systemctl show -P MainPID demo)/environ",
        ),
        (
            "write the memory of the app",
            "exec 9<>/proc/$(systemctl show -P MainPID demo)/mem",
        ),
        (
            "signal the app",
            "kill -0 $(systemctl show -P MainPID demo)",
        ),
        ("run deploy.sh as another user", "sh /tmp/deploy.sh status"),
        ("become the app user", "su deploy -c id"),
    ];
    project
        .run(&["render", "deploy", "--output", "handoff"])
        .expect(0);
    let script = std::fs::read(project.directory().join("handoff/127.0.0.1/deploy.sh"));
    host.write("/tmp/deploy.sh", script.expect("a script"));
    host.write("/usr/local/bin/attempts", attempts(&commands));
    let succeeded = host.root("chmod 755 /usr/local/bin/attempts /tmp/deploy.sh; cd /home/deploy/demo && setpriv --reuid eve --regid eve --clear-groups env HOME=/home/eve /usr/local/bin/attempts");
    assert_eq!(succeeded, "a control that may succeed");
    println!("{} attempts of another user", commands.len() - 1);
}
