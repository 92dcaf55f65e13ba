#!/bin/sh
# Boot systemd in namespaces of its own, on the files of this machine: boot_machine.sh FOLDER NAME BIND...
# Each BIND is "SOURCE:TARGET". Everything that the system writes is in FOLDER. NAME is the name of its cgroup.
set -eu
folder=$1 name=$2
shift 2
root=$folder/root

mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t tmpfs tmpfs "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs sysfs "$root/sys" -o ro
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp" -o mode=1777
for bind in "$@"; do
    mkdir -p "$root${bind#*:}"
    mount --bind "${bind%%:*}" "$root${bind#*:}"
done
ip link set lo up

# systemd is the first process of a cgroup namespace, and may divide only its own cgroup.
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/$name"
echo 0 >"$root/sys/fs/cgroup/$name/cgroup.procs"
umount "$root/sys/fs/cgroup"

cd "$root"
mkdir -p outside
exec unshare --cgroup sh -c '
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    pivot_root . outside
    cd /
    umount -l /outside
    exec env -i container=tests PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=sysinit.target --log-target=console --show-status=no
'
